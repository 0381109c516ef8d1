"""The documents of one application: proven with its routes, drawn when first asked for."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic_core import to_json

from nexios.adapters.http.compile import CompiledRoutes, Unit
from nexios.adapters.openapi.config import OpenAPIConfig, Written
from nexios.adapters.openapi.events import EventDescription
from nexios.adapters.openapi.listing import asked_for, listed
from nexios.adapters.websocket.description import describe
from nexios.adapters.websocket.endpoint import SocketEndpoint

Kind = Literal["openapi", "asyncapi"]

_KEPT: Final = 8  # documents, two for each root_path; servers have one, rarely two


class UnknownSecurityScheme(ValueError):
    """A route's ``security=`` names a scheme that nothing describes."""

    def __init__(self, name: str, unit: Unit) -> None:
        self.name = name
        self.unit = unit
        super().__init__(name, unit)

    def __str__(self) -> str:
        return (
            f"{self.unit.point.label} asks for the security scheme {self.name!r}, which nothing "
            f"describes   {self.unit.flat.route.where}"
            f'\n  fix: app.docs.add_security_scheme("{self.name}", HTTPBearer())'
        )


class Documentation:
    """The documents of one application: drawn when first asked for, kept as bytes with a tag.

    OpenAPI and AsyncAPI share their schemas, so that a name means the same in both.

    Attributes:
        config: What people added by hand.
    """

    def __init__(
        self,
        config: OpenAPIConfig,
        schemes: Mapping[str, Mapping[str, object]],
        *,
        plain_errors: bool = False,
        channels: bool = True,
    ) -> None:
        """Note what is known beside the routes.

        Args:
            schemes: What the backends say of their credentials, by name.
            plain_errors: ``HTTPException`` answers with its bare detail, as 2.11 did.
            channels: Whether there is an AsyncAPI document, too.
        """
        self.config = config
        self._schemes = schemes
        self._plain_errors = plain_errors
        self._routes: CompiledRoutes | None = None
        self._sockets: Sequence[SocketEndpoint] = ()
        self._events: Sequence[EventDescription] = ()
        self._broker = ""
        self._channels = channels
        self._kept: dict[tuple[str, str], tuple[bytes, str]] = {}

    def problems(self, routes: CompiledRoutes) -> list[Exception]:
        """Return what is wrong with the document these routes would have."""
        operations, problems = listed(routes.units)
        known = self._known_schemes()
        unknown = [
            UnknownSecurityScheme(name, unit)
            for unit in dict.fromkeys(one.unit for one in operations)
            for requirement in asked_for(unit) or ()
            for name in requirement
            if name not in known
        ]
        return [*problems, *unknown]

    def take(self, routes: CompiledRoutes) -> None:
        """Draw these routes from now on. Their plans have been made."""
        self._routes = routes
        self._kept = {}

    def take_channels(
        self,
        sockets: Sequence[SocketEndpoint],
        events: Sequence[EventDescription] = (),
        broker: str = "",
    ) -> None:
        """Draw these sockets and events of other services. Their plans have been made.

        Args:
            broker: The protocol of what carries events.
        """
        found = (one for one in sockets if not one.options.exclude_from_schema)
        self._sockets = sorted(found, key=lambda one: one.template.raw)
        self._events = sorted(events, key=lambda one: (one.name, one.action, one.consumer))
        self._broker = broker
        self._kept = {}

    def encoded(self, root_path: str = "", kind: Kind = "openapi") -> tuple[bytes, str]:
        """Return a document as JSON, and its tag.

        Args:
            root_path: Where the server has put the application; the default server.
        """
        # Routes that come while this is drawn drop the whole dict, so nothing old stays.
        known = self._kept
        kept = known.get((kind, root_path))
        if kept is None:
            body = to_json(self._drawn(kind, root_path))
            kept = (body, hashlib.blake2b(body, digest_size=16).hexdigest())
            if len(known) >= _KEPT:
                known.clear()
            known[kind, root_path] = kept
        return kept

    def document(self, root_path: str = "") -> Written:
        """Return the OpenAPI document, drawn anew."""
        return self._drawn("openapi", root_path)

    def channels(self, root_path: str = "") -> Written:
        """Return the AsyncAPI document, drawn anew."""
        return self._drawn("asyncapi", root_path)

    @property
    def has_channels(self) -> bool:
        """Whether there are sockets or events to show."""
        return bool(self._sockets or self._events)

    def untyped(self) -> list[tuple[str, str, list[str]]]:
        """Return what the AsyncAPI document shows as ``{}``: label and line of each socket."""
        if not self._channels:
            return []
        described = map(describe, self._sockets)
        return [(one.label, one.where, one.untyped) for one in described if one.untyped]

    def _drawn(self, kind: Kind, root_path: str) -> Written:
        # Models and JSON schemas are loaded by who draws: most processes never do.
        from nexios.adapters.openapi.asyncapi import AsyncDrawing, read_event
        from nexios.adapters.openapi.channels import read_socket
        from nexios.adapters.openapi.drawing import Drawing
        from nexios.adapters.openapi.operations import read
        from nexios.adapters.openapi.schemas import Schemas

        schemas, known = Schemas(), self._known_schemes()
        operations, _ = listed(() if self._routes is None else self._routes.units)
        facts = [read(one, schemas) for one in operations]
        shown = self._channels or kind == "asyncapi"
        sockets = [read_socket(describe(one), schemas) for one in self._sockets if shown]
        events = [read_event(one, schemas) for one in self._events if shown]
        schemas.resolve()
        if kind == "openapi":
            drawing = Drawing(self.config, known, plain_errors=self._plain_errors)
            return drawing.document(facts, schemas, root_path)
        painting = AsyncDrawing(self.config, known, self._broker)
        return painting.document(sockets, facts, events, schemas, root_path)

    def _known_schemes(self) -> dict[str, Any]:
        return {**self._schemes, **self.config.components.get("securitySchemes", {})}
