"""The document of one application: proven with its routes, drawn when first asked for."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

from nexios.adapters.http.compile import CompiledRoutes, Unit
from nexios.adapters.openapi.config import OpenAPIConfig, Written
from nexios.adapters.openapi.listing import asked_for, listed

_KEPT: Final = 8  # documents, one for each root_path; servers have one, rarely two


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
    """The document of one application: drawn when first asked for, kept as bytes with a tag.

    Attributes:
        config: What people added by hand.
    """

    def __init__(
        self,
        config: OpenAPIConfig,
        schemes: Mapping[str, Mapping[str, object]],
        *,
        plain_errors: bool = False,
    ) -> None:
        """Note what is known beside the routes.

        Args:
            schemes: What the backends say of their credentials, by name.
            plain_errors: ``HTTPException`` answers with its bare detail, as 2.11 did.
        """
        self.config = config
        self._schemes = schemes
        self._plain_errors = plain_errors
        self._routes: CompiledRoutes | None = None
        self._kept: dict[str, tuple[bytes, str]] = {}

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

    def encoded(self, root_path: str = "") -> tuple[bytes, str]:
        """Return the document as JSON, and its tag.

        Args:
            root_path: Where the server has put the application; the default server.
        """
        # Routes that come while this is drawn drop the whole dict, so nothing old stays.
        known = self._kept
        kept = known.get(root_path)
        if kept is None:
            body = to_json(self.document(root_path))
            kept = (body, hashlib.blake2b(body, digest_size=16).hexdigest())
            if len(known) >= _KEPT:
                known.clear()
            known[root_path] = kept
        return kept

    def document(self, root_path: str = "") -> Written:
        """Return the document, drawn anew."""
        # Models and JSON schemas are loaded by who draws: most processes never do.
        from nexios.adapters.openapi.drawing import Drawing

        operations, _ = listed(() if self._routes is None else self._routes.units)
        drawing = Drawing(self.config, self._known_schemes(), plain_errors=self._plain_errors)
        return drawing.document(operations, root_path)

    def _known_schemes(self) -> dict[str, Any]:
        return {**self._schemes, **self.config.components.get("securitySchemes", {})}
