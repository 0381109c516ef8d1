"""Draws the document of one application from its compiled routes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

from pydantic_core import to_json

from nexios.adapters.http.compile import CompiledRoutes, Unit
from nexios.adapters.openapi.config import OpenAPIConfig, Written
from nexios.adapters.openapi.listing import Listed, listed
from nexios.adapters.openapi.operations import Facts, operation, read
from nexios.adapters.openapi.schemas import Schemas, used
from nexios.adapters.openapi.words import Requirement

VERSION: Final = "3.1.1"
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
            for requirement in _asked_for(unit) or ()
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
        schemas = Schemas()
        operations, _ = listed(() if self._routes is None else self._routes.units)
        facts = [read(one, schemas) for one in operations]
        schemas.resolve()
        paths: dict[str, dict[str, Any]] = {}
        names: set[str] = set()
        for one in facts:
            written = self._operation(one, schemas)
            paths.setdefault(one.listed.path, {})[one.listed.method] = written
            names.update(name for each in written.get("security", ()) for name in each)
        names.update(name for each in self.config.security or () for name in each)
        whole: Written = {
            "openapi": VERSION,
            "info": self.config.info,
            "servers": self.config.servers or [{"url": root_path or "/"}],
            "paths": paths,
            "components": {},
            "security": self.config.security,
            "tags": self._tags(facts) or None,
            "externalDocs": self.config.external_docs,
        }
        whole["components"] = self._components(schemas, whole, names)
        return {name: value for name, value in whole.items() if value is not None}

    def _operation(self, facts: Facts, schemas: Schemas) -> dict[str, Any]:
        security = self._security(facts.listed)
        written = operation(facts, schemas, security)
        if self._plain_errors:
            written["responses"]["default"]["content"]["application/json"] = {}
        return written

    def _components(
        self, schemas: Schemas, whole: Written, names: Iterable[str]
    ) -> dict[str, dict[str, Any]]:
        known, added = self._known_schemes(), self.config.components
        schemes = {name: known[name] for name in names if name in known}
        schemes |= added.get("securitySchemes", {})
        needed = used({**schemas.components, **added.get("schemas", {})}, [whole, added])
        written = {
            **added,
            "schemas": {**needed, **added.get("schemas", {})},
            "securitySchemes": schemes,
        }
        return {
            kind: dict(sorted(written[kind].items())) for kind in sorted(written) if written[kind]
        }

    def _tags(self, facts: Iterable[Facts]) -> list[Written]:
        told = {tag["name"] for tag in self.config.tags}
        found = {
            tag
            for one in facts
            for tag in (*one.listed.unit.flat.around.tags, *one.listed.unit.flat.route.tags)
        }
        return [*self.config.tags, *({"name": name} for name in sorted(found - told))]

    def _known_schemes(self) -> dict[str, Any]:
        return {**self._schemes, **self.config.components.get("securitySchemes", {})}

    def _security(self, one: Listed) -> list[Requirement] | None:
        """Return what an operation asks for: what its guards do, then what ``security=`` adds."""
        known = self._known_schemes()
        wanted = [_schemes_of(guard, known) for guard in one.unit.guards]
        choices = [names for names in wanted if names]
        guarded: list[Requirement] = []
        if choices:
            sets = list(dict.fromkeys(frozenset(chosen) for chosen in product(*choices)))
            # Who meets a smaller set meets the larger one too.
            least = [each for each in sets if not any(other < each for other in sets)]
            guarded = [{name: [] for name in sorted(each)} for each in least]
        said = _asked_for(one.unit)
        if said is None:
            return guarded or None
        return [*guarded, *(dict(each) for each in said if each not in guarded)]


def _asked_for(unit: Unit) -> Sequence[Requirement] | None:
    own = unit.flat.route.options.get("security")
    return unit.flat.around.security if own is None else own


def _schemes_of(guard: Any, known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the schemes any one of which satisfies a guard; none where it does not say."""
    named: tuple[str, ...] | None = getattr(guard, "schemes", None)
    if named is None and not hasattr(guard, "permissions"):
        return ()
    return tuple(name for name in named or sorted(known) if name in known)
