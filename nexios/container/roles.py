"""Decides, node by node, how a plan comes by an object: constant, local, inlined, fetched."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from nexios.container.binding import Answer
from nexios.container.graph import Node, Paths
from nexios.container.scope import Scope


class Role(Enum):
    """How a plan comes by the object of a node."""

    CONSTANT = auto()
    """A value, or a singleton made at start."""
    LAZY = auto()
    """A singleton made at first use."""
    ABOVE = auto()
    """Kept by the connection that the call stands below."""
    LOCAL = auto()
    """Made once a call, kept in a local variable."""
    GIVEN = auto()
    """Comes with the call."""
    INLINE = auto()
    """Made for each asker, written into the asker's call."""
    DRIVEN = auto()
    """Made for each asker by awaiting or opening something."""
    SCOPE = auto()
    """A handle or the scope itself: needs a scope object to point at."""


class Unplanned(Exception):  # a fact between the writer and its caller, never shown
    """An entry that is better interpreted; says why."""


class Roles:
    """The roles of a graph's nodes for one kind of plan."""

    def __init__(self, paths: Paths, eager: frozenset[int], *, above: bool) -> None:
        """Take the graph.

        Args:
            paths: The order of making, nothing overridden.
            eager: The singletons made at start.
            above: Whether a connection keeps what has CONNECTION scope.
        """
        self.paths = paths
        self.eager = eager
        self._above = above
        self._heights: dict[int, int] = {}

    def of(self, slot: int) -> Role:
        """Return the role of a node."""
        node = self.paths.graph.nodes[slot]
        answer = node.binding.answer
        if answer is Answer.VALUE:
            return Role.CONSTANT
        if node.lifetime is Scope.SINGLETON:
            if answer is not Answer.SOURCE:
                raise Unplanned(f"{node.title} is a given SINGLETON")
            return Role.CONSTANT if slot in self.eager else Role.LAZY
        if answer is Answer.GIVEN:
            return Role.GIVEN
        if node.soft or answer is Answer.CURRENT:
            return Role.SCOPE
        if node.lifetime is Scope.TRANSIENT:
            return Role.DRIVEN if node.driven else Role.INLINE
        return Role.ABOVE if self._above and node.lifetime is Scope.CONNECTION else Role.LOCAL

    def region(self, slots: Iterable[int]) -> frozenset[int]:
        """Return what a plan deals with itself: nodes made here, and the first ones beyond."""
        found = set(slots)
        stack = list(found)
        while stack:
            for inner in self._made_of(self.paths.graph.nodes[stack.pop()]):
                if inner not in found:
                    found.add(inner)
                    stack.append(inner)
        return frozenset(found)

    def order(self, slots: Iterable[int]) -> Iterator[int]:
        """Return the region of ``slots`` in the one order; what is kept elsewhere has no inside.

        So a kept object comes before what it needs itself, which its own making brings about.
        """
        done: set[int] = set()
        for start in slots:
            stack = [(start, iter(self._made_of(self.paths.graph.nodes[start])))]
            while stack:
                slot, rest = stack[-1]
                inner = None if slot in done else next(rest, None)
                if inner is None:
                    stack.pop()
                    if slot not in done:
                        done.add(slot)
                        yield slot
                elif inner not in done:
                    stack.append((inner, iter(self._made_of(self.paths.graph.nodes[inner]))))

    def height(self, slot: int) -> int:
        """Return how deep the calls nest when a node made for each asker is written out."""
        stack = [slot]
        while stack:
            node = self.paths.graph.nodes[stack[-1]]
            inner = [item for item in node.slots if self.of(item) is Role.INLINE]
            waiting = [item for item in inner if item not in self._heights]
            if waiting:
                stack += waiting
                continue
            tallest = max((self._heights[item] for item in inner), default=0)
            self._heights[stack.pop()] = 1 + tallest
        return self._heights[slot]

    def _made_of(self, node: Node) -> Iterable[int]:
        made_here = self.of(node.slot) in (Role.LOCAL, Role.INLINE, Role.DRIVEN)
        return node.slots if made_here else ()
