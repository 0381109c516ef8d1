"""The way of an entry without a plan of its own: walk the order, call the providers."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol, cast

from nexios.container.binding import Answer
from nexios.container.entry import EntryPoint, Held, Plan
from nexios.container.errors import ContainerNotRunning
from nexios.container.graph import Argument, Call, Wired
from nexios.container.interpreter import Ask, Interpreter, Values
from nexios.container.keys import MISSING, AnyKey, Key
from nexios.container.places import Where
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Kind, Parameter

Function = Callable[..., object]
_OF_SCOPE: Final = (Answer.GIVEN, Answer.CURRENT, Answer.PROVIDER, Answer.LAZY)


class Running(Protocol):
    """What an entry needs of the container."""

    root: ScopeContext
    interpreter: Interpreter

    @property
    def started(self) -> frozenset[int]:
        """The singletons that are there before a call; before the start, those that will be."""

    def child(
        self,
        parent: ScopeContext,
        kind: Scope,
        values: dict[AnyKey, object],
        supplies: Mapping[AnyKey, Callable[[], object]] | None,
    ) -> ScopeContext:
        """Return a scope below ``parent``."""


def interpreted(container: Running, wired: Wired) -> Plan:
    """Return the way to run an entry under the overrides of the moment."""
    if awaits(container, wired):
        return Plan(_scoped(container, wired), awaits=True)
    return Plan(_scoped_now(container, wired), awaits=False)


def awaits(container: Running, wired: Wired) -> bool:
    """Return whether a call of the entry has to be awaited."""
    if any(call.awaits or any(map(waits, call.arguments)) for call in wired.calls):
        return True
    return container.interpreter.paths.first_awaiting(wired.slots, container.started) is not None


def is_idle(container: Running, wired: Wired) -> bool:
    """Return whether an entry needs no more than values: those of its call, those of modules."""
    nodes = container.interpreter.paths.graph.nodes
    reach = container.interpreter.paths.graph.reach(wired.slots)
    return all(nodes[slot].binding.answer in (Answer.VALUE, Answer.GIVEN) for slot in reach)


def parent_place(point: EntryPoint) -> int | None:
    """Return which of an entry's values is the scope that its calls stand below or run in."""
    current: AnyKey = Key(ScopeContext)
    return point.values.index(current) if current in point.values else None


def opening(container: Running, wired: Wired) -> Callable[[Values], tuple[ScopeContext, bool]]:
    """Return what opens the scope of a call, and whether the call closes it."""
    point = wired.point
    keys, place = point.values, parent_place(point)
    supplies = dict(point.supplies)
    idle = is_idle(container, wired)
    passes_through = place is not None and not _asks_of_its_own_scope(container, wired)

    def open_(values: Values) -> tuple[ScopeContext, bool]:
        parent = container.root if place is None else cast("ScopeContext", values[place])
        if point.shared and place is not None:
            return parent, False
        if parent.closed and not idle:
            if place is None:
                raise ContainerNotRunning(point.label)
            parent.refuse_if_closed(point.label)
        if passes_through and parent.kind is Scope.CONNECTION:
            return parent, False
        given = dict(zip(keys, values, strict=True))
        lazily = {key: partial(make, *values) for key, make in supplies.items()}
        return container.child(parent, point.scope, given, lazily or None), True

    return open_


def _asks_of_its_own_scope(container: Running, wired: Wired) -> bool:
    """Return whether a call makes, keeps or hands out anything that ends with the call."""
    paths = container.interpreter.paths
    reached = paths.graph.reach(wired.slots)
    return not paths.instead.keys().isdisjoint(reached) or any(
        node.lifetime is Scope.REQUEST
        or (node.lifetime is Scope.TRANSIENT and (node.driven or node.binding.answer in _OF_SCOPE))
        for node in map(paths.graph.nodes.__getitem__, reached)
    )


def _scoped(container: Running, wired: Wired) -> Function:
    point = wired.point
    open_ = opening(container, wired)
    finish, streams = point.finish, point.streams
    paths = container.interpreter.paths
    steps = [
        (
            call, call.slots, with_owner(call),
            any(map(waits, call.arguments)),
            paths.first_awaiting(call.slots, container.started) is not None,
        )
        for call in wired.calls
    ]  # fmt: skip

    async def call(*values: object) -> object:
        interpreter, ask = container.interpreter, Ask(values, point.label)
        scope, ours = open_(values)
        try:
            result: object = None
            for item, slots, arguments, reading, making in steps:
                if reading:
                    read = await interpreter.read(item.arguments, values)
                else:
                    read = interpreter.read_now(item.arguments, values)
                # An override that began since may bring something that awaits.
                if making or interpreter.paths is not paths:
                    prepared = await interpreter.fill(scope, slots, ask)
                else:
                    prepared = interpreter.fill_now(scope, slots, ask)
                positional, named = interpreter.arguments(
                    arguments, read, scope, prepared, point.label
                )
                if item.function is not None:
                    result = item.function(*positional, **named)
                    if item.awaits:
                        result = await cast("Awaitable[object]", result)
            if finish is not None:
                result = finish(result)
            if streams is not None and ours and streams(result):
                return Held(result, scope.close)
        except BaseException as error:
            if ours:
                await scope.close(error)
            raise
        if ours:
            await scope.close()
        return result

    return call


def _scoped_now(container: Running, wired: Wired) -> Function:
    point = wired.point
    open_ = opening(container, wired)
    finish, streams = point.finish, point.streams
    steps = [(call, call.slots, with_owner(call)) for call in wired.calls]

    def call(*values: object) -> object:
        interpreter, ask = container.interpreter, Ask(values, point.label)
        scope, ours = open_(values)
        try:
            result: object = None
            for item, slots, arguments in steps:
                read = interpreter.read_now(item.arguments, values)
                prepared = interpreter.fill_now(scope, slots, ask)
                positional, named = interpreter.arguments(
                    arguments, read, scope, prepared, point.label
                )
                if item.function is not None:
                    result = item.function(*positional, **named)
            if finish is not None:
                result = finish(result)
            if streams is not None and ours and streams(result):
                return Held(result, scope.close)
        except BaseException as error:
            if ours:
                scope.close_now(error)
            raise
        if ours:
            scope.close_now()
        return result

    return call


def with_owner(call: Call) -> tuple[Argument, ...]:
    """Return what fills a call's parameters, the object it is a method of first."""
    if call.owner is None:
        return call.arguments
    self_ = Parameter("self", MISSING, MISSING, Kind.POSITIONAL_ONLY, 0, Where("", 0, "self"))
    first = Argument(self_, by_name=False, slot=call.owner)
    return (first, *call.arguments)


def waits(argument: Argument) -> bool:
    """Return whether reading an argument has to be awaited."""
    return argument.getter is not None and argument.getter.awaits
