"""The way from who asked up to the entry point, as the problems show it."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nexios.container.binding import Origin
from nexios.container.graph import Argument, Asked, Graph, Node, Wired
from nexios.container.places import Step
from nexios.container.signature import place_of
from nexios.records import dataclass


def path_of(graph: Graph, asked: Asked | None) -> tuple[tuple[Step, ...], str]:
    """Return the steps from an asker up to its entry point, and the entry's label."""
    steps: list[Step] = []
    seen: set[int] = set()
    while asked is not None:
        step = asked.step
        if step is not None and step.where.ours:
            # What binds our class can be mended; our own functions stand below their label.
            bound = asked.above is not None and graph.nodes[asked.above].binding.where
            step = replace(step, where=bound) if bound else None if asked.entry else step
        if step is not None:
            steps.append(step)
        if asked.entry:
            steps.append(Step("asked by", asked.entry))
            return tuple(steps), asked.entry
        if asked.above is None or asked.above in seen:
            break
        seen.add(asked.above)
        asked = graph.nodes[asked.above].asked_by
    return tuple(steps), ""


def forms_above(graph: Graph, node: Node) -> list[tuple[Node, int]]:
    """Return the closed forms of one open binding on the way up to who asked first, that first.

    Each comes with the slot of its own through which it asks for the next one.
    """
    found: list[tuple[Node, int]] = []
    below, asked = node.slot, node.asked_by
    while node.binding.open is not None and asked is not None and asked.above is not None:
        above = graph.nodes[asked.above]
        if above.binding.open is node.binding.open:
            found.append((above, below))
        below, asked = above.slot, above.asked_by
    return found[::-1]


def path_within(graph: Graph, entry: Wired, slot: int) -> tuple[Step, ...]:
    """Return the shortest way from a node up to ``entry``, that entry's own and no other's."""
    waiting: deque[tuple[Argument, int | None, tuple[Step, ...]]] = deque()
    for call in entry.calls:
        above: tuple[Step, ...] = (Step("asked by", entry.point.label),)
        if call.owner is not None:
            owner = graph.nodes[call.owner]
            waiting += [(item, call.owner, above) for item in owner.arguments]
        waiting += [(item, None, above) for item in call.arguments]
    seen: set[int] = set()
    while waiting:
        argument, asker, above = waiting.popleft()
        if argument.slot is None or argument.slot in seen:
            continue
        where = argument.parameter.where
        if where.ours and asker is not None:
            where = graph.nodes[asker].binding.where
        # Our own functions tell nobody anything.
        here = (
            above
            if where.ours
            else (Step("asked by", argument.parameter.where.text, where), *above)
        )
        if argument.slot == slot:
            return here
        seen.add(argument.slot)
        waiting += [(item, argument.slot, here) for item in graph.nodes[argument.slot].arguments]
    return (Step("asked by", entry.point.label),)


@dataclass(frozen=True, slots=True)
class _Asker:
    """A node or an entry that asks, and with which parameter; None for the owner of a target."""

    above: int | Wired
    argument: Argument | None


def ways_up(graph: Graph, slot: int) -> tuple[tuple[Step, ...], ...]:
    """Return, for each who asks directly, the shortest way from there up to an entry."""
    above = _askers(graph)
    ways = (_way_up(graph, above, asker) for asker in above.get(slot, ()))
    return tuple(dict.fromkeys(ways))


def _askers(graph: Graph) -> dict[int, list[_Asker]]:
    above: dict[int, list[_Asker]] = {}
    for wired in graph.wired.values():
        for call in wired.calls:
            if call.owner is not None:
                above.setdefault(call.owner, []).append(_Asker(wired, None))
            for argument in call.arguments:
                if argument.slot is not None:
                    above.setdefault(argument.slot, []).append(_Asker(wired, argument))
    for node in graph.nodes:
        if node.binding.origin is not Origin.OVERRIDE:
            for argument in node.arguments:
                if argument.slot is not None:
                    above.setdefault(argument.slot, []).append(_Asker(node.slot, argument))
    return above


def _way_up(
    graph: Graph, above: Mapping[int, Sequence[_Asker]], start: _Asker
) -> tuple[Step, ...]:
    waiting: deque[tuple[_Asker, tuple[Step, ...]]] = deque([(start, ())])
    seen: set[int] = set()
    first: tuple[Step, ...] = ()
    while waiting:
        asker, steps = waiting.popleft()
        steps = (*steps, *_steps(graph, asker))
        if isinstance(asker.above, Wired):
            return steps
        first = first or steps
        if asker.above not in seen:
            seen.add(asker.above)
            waiting += [(outer, steps) for outer in above.get(asker.above, ())]
    return first


def _steps(graph: Graph, asker: _Asker) -> Iterator[Step]:
    argument = asker.argument
    if argument is not None:
        where = argument.parameter.where
        if not where.ours and where.text != str(argument.asked):
            yield Step("asked by", where.text, where)
        elif isinstance(asker.above, int):
            # Our own functions, aliases and collections have no line that tells anybody anything.
            node = graph.nodes[asker.above]
            yield Step("asked by", node.title, node.binding.where)
    if isinstance(asker.above, Wired):
        point = asker.above.point
        yield Step("asked by", point.label, place_of(point.target))
