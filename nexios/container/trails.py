"""The way from who asked up to the entry point, as the problems show it."""

from collections import deque
from dataclasses import replace

from nexios.container.errors import Step
from nexios.container.graph import Argument, Asked, Graph, Wired


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
