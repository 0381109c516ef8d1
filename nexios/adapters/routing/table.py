"""Finds the target for a path and a method.

Cost grows with the segments of a path and with the templates that overlap on it, not with the
number of routes. The search keeps its own stack, so a deep path cannot exhaust Python's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from nexios.adapters.routing.errors import DuplicateRoute
from nexios.adapters.routing.template import Kind, Reader, Segment, Template, read_int

T = TypeVar("T")

ANY_METHOD: Final = "*"
"""The method of a mount: whatever is asked goes there."""

NO_PARAMS: Final[Mapping[str, Any]] = MappingProxyType({})

# Values of a path have the types their converters give them.
Values = tuple[Any, ...]


_ANY_DIGITS: Final = 640  # Python converts as many, whatever it is told


class Found(Generic[T]):
    """A route that answers.

    Attributes:
        target: What was registered.
        params: Converted values by name; empty and read-only for a static path.
        at: For a mount the part of the path it stands at (``""`` at the root), else None.
        template: Of the route; its ``raw`` labels metrics and logs.
    """

    __slots__ = ("at", "params", "target", "template")

    def __init__(
        self,
        target: T,
        template: Template,
        params: Mapping[str, Any] = NO_PARAMS,
        at: str | None = None,
    ) -> None:
        self.target = target
        self.template = template
        self.params = params
        self.at = at


class MethodMiss:
    """The path is known, the method is not: 405, or 204 for OPTIONS.

    Attributes:
        allow: The value of ``Allow``: the methods of all routes that match the path, sorted.
    """

    __slots__ = ("allow",)

    def __init__(self, allow: str) -> None:
        self.allow = allow


class _Route(Generic[T]):
    """One method at a leaf."""

    __slots__ = ("mount", "name", "names", "plain", "static", "target", "template")

    def __init__(self, template: Template, target: T) -> None:
        self.template = template
        self.target = target
        self.mount = template.mount
        self.names = template.param_names
        self.name = self.names[0] if len(self.names) == 1 else ""
        self.static = Found(target, template)
        self.plain: Plain[T] = (target, NO_PARAMS)

    def found(self, values: Values, segments: Sequence[str]) -> Found[T]:
        names = self.names
        # Names and values are of one length by construction, but for the place of a mount.
        params = {names[0]: values[0]} if len(names) == 1 else dict(zip(names, values))  # noqa: B905
        if not self.mount:
            return Found(self.target, self.template, params)
        at = "".join(f"/{segment}" for segment in segments[: values[-1]])
        return Found(self.target, self.template, params, at)


_Leaf = dict[str, _Route[T]]

Plain = tuple[T, Mapping[str, Any]]
"""A target with the values of its path: what nearly every request needs to know."""


class _Node(Generic[T]):
    """A place in the tree: the routes that end here and the ways on."""

    __slots__ = ("_made", "edges", "leaf", "static")

    def __init__(self) -> None:
        self.static: dict[str, _Node[T]] = {}
        self.edges: list[_Edge[T]] = []  # in the order they are tried
        self.leaf: _Leaf[T] = {}
        self._made: dict[tuple[object, ...], _Node[T]] = {}

    def child(self, segment: Segment, tail: int) -> "_Node[T]":
        """Return the node behind ``segment``, making it; ``tail`` segments follow a rest."""
        if segment.kind is Kind.STATIC:
            return self.static.setdefault(segment.text, _Node())
        node = self._made.setdefault(segment.shape, _Node())
        edge: _Edge[T]
        if segment.kind is Kind.REST:
            edge = _Rest(node, tail)
        elif segment.kind is Kind.PLAIN:
            edge = _One(node, Kind.PLAIN, _text)
        else:
            edge = _One(node, Kind.TYPED, segment.convert or _nothing)
        self._add(edge)
        return node

    def mount(self) -> "_Node[T]":
        """Return the node of what is mounted here, making it."""
        node = self._made.setdefault((Kind.MOUNT,), _Node())
        self._add(_Mount(node))
        return node

    def _add(self, edge: "_Edge[T]") -> None:
        if not any(edge.rank == present.rank and edge.same(present) for present in self.edges):
            self.edges.append(edge)
            self.edges.sort(key=lambda present: present.rank)  # stable: first registered first


class _Edge(Generic[T]):
    """A way on that is not one fixed text."""

    __slots__ = ("node", "rank")

    def __init__(self, node: _Node[T], rank: tuple[int, int]) -> None:
        self.node = node
        self.rank = rank

    def same(self, other: "_Edge[T]") -> bool:
        return self.node is other.node

    def take(self, segments: Sequence[str], index: int, end: int) -> tuple[int, Values] | None:
        """Return how far this way leads and what it read, or None."""
        raise NotImplementedError


class _One(_Edge[T]):
    """A way that takes one segment, typed or plain."""

    __slots__ = ("read",)

    def __init__(self, node: _Node[T], kind: Kind, read: Reader) -> None:
        super().__init__(node, (kind, 0))
        self.read = read

    def take(self, segments: Sequence[str], index: int, end: int) -> tuple[int, Values] | None:
        if index < end and (values := self.read(segments[index])) is not None:
            return index + 1, values
        return None


class _Rest(_Edge[T]):
    """``path``. A template has one, so what follows it tells where it ends."""

    __slots__ = ("_tail",)

    def __init__(self, node: _Node[T], tail: int) -> None:
        # What says more about the end of a path is asked first, or it could never answer.
        super().__init__(node, (Kind.REST, -tail))
        self._tail = tail

    def take(self, segments: Sequence[str], index: int, end: int) -> tuple[int, Values] | None:
        stop = end - self._tail
        return (stop, ("/".join(segments[index:stop]),)) if stop > index else None


class _Mount(_Edge[T]):
    __slots__ = ()

    def __init__(self, node: _Node[T]) -> None:
        super().__init__(node, (Kind.MOUNT, 0))

    def take(self, segments: Sequence[str], index: int, end: int) -> tuple[int, Values] | None:  # noqa: ARG002
        return end, (index,)


class _Last(Generic[T]):
    """What may stand as last segment behind a fixed beginning, in the order it is tried.

    Most paths are such: ``/users/{id:int}`` is found by its beginning, without walking the tree,
    4.3 -> 1.4 us. Whatever is less plain than one segment is left to the search.
    """

    __slots__ = ("longer", "number", "ways")

    def __init__(self, node: _Node[T]) -> None:
        self.longer = node.static  # fixed texts come first, and something stands behind them
        ways = []
        for edge in node.edges:
            if not isinstance(edge, _One):
                break
            # No store takes U+0000, so no value of a path holds one; digits are none.
            read = edge.read if edge.read is read_int else _without_nul(edge.read)
            ways.append((read, edge.node.leaf))
        self.ways = tuple(ways)
        # What a number leads to, where it is asked first: found without a call, 0.1 us.
        self.number = ways[0][1] if ways and ways[0][0] is read_int else None

    def find(self, segment: str, method: str) -> tuple[_Route[T], Values] | None:
        if segment not in self.longer:
            for read, leaf in self.ways:
                values = read(segment)
                if values is not None:
                    route = leaf.get(method) or leaf.get(ANY_METHOD)
                    return None if route is None else (route, values)
        return None


class Table(Generic[T]):
    """The compiled routes of one app, immutable once made.

    Precedence at each segment is static, typed, ``str``, ``path``, mount, whatever the order of
    registration; among typed ones the first registered wins. A leaf that lacks the method is
    remembered and the search goes on.

    Attributes:
        problems: ``DuplicateRoute`` errors; the first of two routes is kept, and whoever builds
            the table decides whether that refuses the start.
        plain: Returns the target and values of a route without a mount for a path and a method,
            where little work finds it. What ``find`` says, 0.9 -> 0.5 us for one value; None says
            that ``find`` has to be asked.
        slashed: Whether a path that ends with a slash may be found, the root apart.
    """

    __slots__ = ("_deep", "_lasts", "_paths", "_root", "plain", "problems", "slashed")

    def __init__(self, entries: Iterable[tuple[Template, str, T]] = ()) -> None:
        """Compile templates, each with a method (any case, ``*`` for all) and its target."""
        self._paths: dict[str, _Leaf[T]] = {}
        self._root: _Node[T] = _Node()
        self.problems: list[DuplicateRoute] = []
        self.slashed = False
        for template, method, target in entries:
            self.slashed = self.slashed or _ends_with_slash(template)
            self._add(self._leaf(template), method.upper(), _Route(template, target))
        for leaf in self._leaves():
            if "GET" in leaf:
                leaf.setdefault("HEAD", leaf["GET"])
        self._lasts = {beginning: _Last(node) for beginning, node in self._fixed() if node.edges}
        self._deep = bool(self._root.static or self._root.edges)
        self.plain = self._finder()

    def _fixed(self) -> Iterator[tuple[str, _Node[T]]]:
        """Yield the nodes that only fixed texts lead to, each with its path."""
        waiting = [("", self._root)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            waiting += [(f"{path}/{text}", child) for text, child in node.static.items()]

    def _leaf(self, template: Template) -> _Leaf[T]:
        if template.static:
            return self._paths.setdefault(template.raw, {})
        node = self._root
        count = len(template.segments)
        for index, segment in enumerate(template.segments, start=1):
            node = node.child(segment, count - index)
        return node.mount().leaf if template.mount else node.leaf

    def _add(self, leaf: _Leaf[T], method: str, route: _Route[T]) -> None:
        present = leaf.setdefault(method, route)
        if present is not route:
            first, second = present.template, route.template
            self.problems.append(
                DuplicateRoute(method, (first.raw, first.where), (second.raw, second.where))
            )

    def _leaves(self) -> list[_Leaf[T]]:
        leaves = list(self._paths.values())
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            leaves.append(node.leaf)
            waiting += node.static.values()
            waiting += {id(edge.node): edge.node for edge in node.edges}.values()
        return leaves

    def find(self, path: str, method: str) -> Found[T] | MethodMiss | None:
        """Return the route for a decoded path and a method as it stands on the wire.

        Returns:
            The route; or which methods the path has; or None when nothing matches it.
        """
        leaf = self._paths.get(path)
        if leaf is not None:
            route = leaf.get(method)
            if route is not None:
                return route.static
        if not self._deep:
            return None if leaf is None else MethodMiss(_allow([leaf]))
        # No store takes U+0000, so no value of a path holds one.
        if path[:1] != "/" or "\x00" in path:
            return None
        beginning, _, segment = path.rpartition("/")
        last = self._lasts.get(beginning)
        if last is not None:
            known = last.find(segment, method)
            if known is not None:
                route, values = known
                return route.found(values, ())
        return self._search(path[1:].split("/"), method, [] if leaf is None else [leaf])

    def _finder(self) -> "Callable[[str, str], Plain[T] | None]":
        # What it looks in is at hand in a closure: 0.05 us.
        paths, lasts = self._paths, self._lasts

        def plain(path: str, method: str) -> "Plain[T] | None":
            leaf = paths.get(path)
            if leaf is not None:
                route = leaf.get(method)
                return None if route is None else route.plain
            beginning, slash, segment = path.rpartition("/")
            last = lasts.get(beginning)
            if last is None or not slash or segment in last.longer:
                return None
            numbered = last.number
            if (
                numbered is not None
                and segment.isdigit()
                and segment.isascii()
                and len(segment) < _ANY_DIGITS
            ):
                route = numbered.get(method) or numbered.get(ANY_METHOD)
                if route is None or not route.name:
                    return None
                return route.target, {route.name: int(segment)}
            for read, leaf in last.ways:
                values = read(segment)
                if values is not None:
                    route = leaf.get(method) or leaf.get(ANY_METHOD)
                    if route is None or not route.name:
                        return None
                    return route.target, {route.name: values[0]}
            return None

        return plain

    def _search(
        self, segments: list[str], method: str, seen: list[_Leaf[T]]
    ) -> Found[T] | MethodMiss | None:
        end = len(segments)
        # Where the search may go on if this way leads nowhere: node, index, values, next edge.
        later: list[tuple[_Node[T], int, Values, int]] = []
        node, index, turn = self._root, 0, 0
        values: Values = ()
        while True:
            edges = node.edges
            if turn == 0:  # just arrived
                if index == end:
                    leaf = node.leaf
                    route = leaf.get(method) or leaf.get(ANY_METHOD)
                    if route is not None:
                        return route.found(values, segments)
                    if leaf:
                        seen.append(leaf)
                else:
                    child = node.static.get(segments[index])
                    if child is not None:
                        if edges:
                            later.append((node, index, values, 1))
                        node, index = child, index + 1
                        continue
                turn = 1
            while turn <= len(edges):
                edge = edges[turn - 1]
                turn += 1
                step = edge.take(segments, index, end)
                if step is not None:
                    if turn <= len(edges):
                        later.append((node, index, values, turn))
                    node, turn = edge.node, 0
                    index, more = step
                    values = values + more if values else more
                    break
            else:
                if not later:
                    return MethodMiss(_allow(seen)) if seen else None
                node, index, values, turn = later.pop()


def _ends_with_slash(template: Template) -> bool:
    if template.mount or not template.segments:
        return template.mount
    last = template.segments[-1]
    if last.kind is Kind.TYPED:
        try:
            return (last.convert or _nothing)("") is not None
        except Exception:  # a converter of one's own, which no path has asked yet
            return True
    return last.kind is Kind.REST or (template.raw.endswith("/") and template.raw != "/")


def _without_nul(read: Reader) -> Reader:
    def reading(segment: str) -> Values | None:
        return None if "\x00" in segment else read(segment)

    return reading


def _nothing(_text: str) -> None:
    return None


def _text(text: str) -> tuple[str] | None:
    return (text,) if text else None


def _allow(leaves: Iterable[Mapping[str, object]]) -> str:
    methods = {method for leaf in leaves for method in leaf}
    return ", ".join(sorted(methods | {"OPTIONS"}))
