"""Route name to path."""

from collections.abc import Iterable, Iterator, Mapping

from nexios.adapters.routing.errors import UnknownRoute
from nexios.adapters.routing.template import Template


class Names:
    """The named routes of one app. Of two with one name the first is meant."""

    __slots__ = ("_templates",)

    def __init__(self, entries: Iterable[tuple[str, Template]] = ()) -> None:
        """Take dotted names and their templates, in order of registration."""
        self._templates: dict[str, Template] = {}
        for name, template in entries:
            self._templates.setdefault(name, template)

    def __contains__(self, name: object) -> bool:
        return name in self._templates

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def url_for(self, name: str, params: Mapping[str, object] | None = None) -> str:
        """Return the percent-encoded path of a route.

        Raises:
            UnknownRoute: There is none of that name (a ValueError).
            UnbuildablePath: A value is missing, too many or does not match (a ValueError).
        """
        template = self._templates.get(name)
        if template is None:
            raise UnknownRoute(name, self._templates)
        return template.build(params or {})
