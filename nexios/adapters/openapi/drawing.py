"""Draws the document of one application from its operations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nexios.adapters.openapi.config import OpenAPIConfig, Written
from nexios.adapters.openapi.listing import asked_for
from nexios.adapters.openapi.operations import Facts, operation
from nexios.adapters.openapi.schemas import Schemas, used
from nexios.adapters.openapi.security import requirements

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

    def document(self, facts: Sequence[Facts], schemas: Schemas, root_path: str) -> Written:
        """Return the whole.

        Args:
            facts: The operations, in their order.
            schemas: With every slot filled.
            root_path: Where the server has put the application; the default server.
        """
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
        unit = facts.listed.unit
        security = requirements(unit.guards, asked_for(unit), self._known)
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
