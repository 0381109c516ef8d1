"""Mistakes in routes, found while the table is made."""

import difflib
from collections.abc import Iterable


class RoutingError(Exception):
    """Root of the errors of this room."""


class RouteWarning(UserWarning):
    """A route or prefix was written in a way that is understood, but not meant to be."""


class InvalidTemplate(RoutingError, ValueError):
    """A path template that cannot be read."""

    def __init__(self, template: str, reason: str, *, where: str = "") -> None:
        self.template = template
        self.reason = reason
        self.where = where
        super().__init__(template, reason)

    def __str__(self) -> str:
        place = f"   ({self.where})" if self.where else ""
        return f"path template {self.template!r}: {self.reason}{place}"


class DuplicateRoute(RoutingError):
    """Two routes of the same shape and method: the second could never answer."""

    def __init__(self, method: str, first: tuple[str, str], second: tuple[str, str]) -> None:
        """Name both, each by its template and the line it was registered at."""
        self.method = method
        self.first = first
        self.second = second
        super().__init__(method, first, second)

    def __str__(self) -> str:
        lines = "".join(
            f"\n  {order}  {self.method} {template}{f'   {where}' if where else ''}"
            for order, (template, where) in (("first ", self.first), ("second", self.second))
        )
        return (
            f"{self.method} {self.second[0]} is registered twice{lines}"
            "\n  fix: remove one, or give one another path or method"
        )


class UnknownRoute(RoutingError, ValueError):
    """No route has the name a URL was asked for."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.near = tuple(difflib.get_close_matches(name, list(known), n=1))
        super().__init__(name)

    def __str__(self) -> str:
        hint = f"; did you mean {self.near[0]!r}?" if self.near else ""
        return f"no route is named {self.name!r}{hint}"


class UnbuildablePath(RoutingError, ValueError):
    """A path cannot be made from the values given: it would not lead back to its route."""

    def __init__(self, template: str, reason: str) -> None:
        self.template = template
        self.reason = reason
        super().__init__(template, reason)

    def __str__(self) -> str:
        return f"no path for {self.template!r}: {self.reason}"
