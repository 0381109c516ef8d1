"""Draws the document of one application from its operations."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

from nexios.adapters.openapi.config import OpenAPIConfig, Requirement, Written
from nexios.adapters.openapi.listing import Listed, asked_for
from nexios.adapters.openapi.operations import Facts, operation, read
from nexios.adapters.openapi.schemas import Schemas, used

VERSION: Final = "3.1.1"


class Drawing:
    """What an application says beside its routes, put around their operations."""

    def __init__(
        self, config: OpenAPIConfig, known: Mapping[str, Any], *, plain_errors: bool
    ) -> None:
        """Note what is known beside the routes.

        Args:
            known: Every security scheme, by name.
            plain_errors: ``HTTPException`` answers with its bare detail, as 2.11 did.
        """
        self._config = config
        self._known = known
        self._plain_errors = plain_errors

    def document(self, operations: Sequence[Listed], root_path: str) -> Written:
        """Return the whole.

        Args:
            root_path: Where the server has put the application; the default server.
        """
        schemas = Schemas()
        facts = [read(one, schemas) for one in operations]
        schemas.resolve()
        paths: dict[str, dict[str, Any]] = {}
        names: set[str] = set()
        for one in facts:
            written = self._operation(one, schemas)
            paths.setdefault(one.listed.path, {})[one.listed.method] = written
            names.update(name for each in written.get("security", ()) for name in each)
        names.update(name for each in self._config.security or () for name in each)
        whole: Written = {
            "openapi": VERSION,
            "info": self._config.info,
            "servers": self._config.servers or [{"url": root_path or "/"}],
            "paths": paths,
            "components": {},
            "security": self._config.security,
            "tags": self._tags(facts) or None,
            "externalDocs": self._config.external_docs,
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
        known, added = self._known, self._config.components
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
        told = {tag["name"] for tag in self._config.tags}
        found = {
            tag
            for one in facts
            for tag in (*one.listed.unit.flat.around.tags, *one.listed.unit.flat.route.tags)
        }
        return [*self._config.tags, *({"name": name} for name in sorted(found - told))]

    def _security(self, one: Listed) -> list[Requirement] | None:
        """Return what an operation asks for: what its guards do, then what ``security=`` adds."""
        known = self._known
        wanted = [_schemes_of(guard, known) for guard in one.unit.guards]
        choices = [names for names in wanted if names]
        guarded: list[Requirement] = []
        if choices:
            sets = list(dict.fromkeys(frozenset(chosen) for chosen in product(*choices)))
            # Who meets a smaller set meets the larger one too.
            least = [each for each in sets if not any(other < each for other in sets)]
            guarded = [{name: [] for name in sorted(each)} for each in least]
        said = asked_for(one.unit)
        if said is None:
            return guarded or None
        return [*guarded, *(dict(each) for each in said if each not in guarded)]


def _schemes_of(guard: Any, known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the schemes any one of which satisfies a guard; none where it does not say."""
    named: tuple[str, ...] | None = getattr(guard, "schemes", None)
    if named is None and not hasattr(guard, "permissions"):
        return ()
    return tuple(name for name in named or sorted(known) if name in known)
