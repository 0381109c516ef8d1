"""Turns a wired entry into its plan: straight where it needs nothing, interpreted otherwise."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol, cast

from nexios.container.binding import Answer
from nexios.container.entry import EntryPoint, Held, Plan
from nexios.container.errors import ContainerNotRunning, Where
from nexios.container.graph import Argument, Call, Wired
from nexios.container.interpreter import Interpreter, Values
from nexios.container.keys import MISSING, AnyKey, Key
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import Kind, Parameter

Function = Callable[..., object]


class Running(Protocol):
    """What plans need of the container."""

    root: ScopeContext
    eager: frozenset[int]
    interpreter: Interpreter

    def is_constant(self, slot: int) -> bool:
        """Return whether a slot holds a value or a started singleton, and nothing stands in."""

    def child(
        self,
        parent: ScopeContext,
        kind: Scope,
        values: dict[AnyKey, object],
        supplies: Mapping[AnyKey, Callable[[], object]] | None,
    ) -> ScopeContext:
        """Return a scope below ``parent``."""


def plan_of(container: Running, wired: Wired) -> Plan:
    """Return the way to run an entry under the overrides of the moment."""
    slots = tuple(slot for call in wired.calls for slot in call.slots)
    if all(container.is_constant(slot) for slot in slots):
        return _Straight(container, wired).plan()
    awaits = any(
        call.awaits or any(_waits(argument) for argument in call.arguments) for call in wired.calls
    )
    paths = container.interpreter.paths
    if awaits or paths.first_awaiting(slots, container.eager) is not None:
        return Plan(_scoped(container, wired), awaits=True)
    return Plan(_scoped_now(container, wired), awaits=False)


def opening(
    container: Running, point: EntryPoint
) -> Callable[[Values], tuple[ScopeContext, bool]]:
    """Return what opens the scope of a call, and whether the call closes it."""
    keys = point.values
    current: AnyKey = Key(ScopeContext)
    place = keys.index(current) if current in keys else None
    supplies = dict(point.supplies)

    def open_(values: Values) -> tuple[ScopeContext, bool]:
        parent = container.root if place is None else cast("ScopeContext", values[place])
        if point.shared and place is not None:
            return parent, False
        if parent.closed:
            if place is None:
                raise ContainerNotRunning(point.label)
            parent.refuse_if_closed(point.label)
        given = dict(zip(keys, values, strict=True))
        lazily = {key: partial(make, *values) for key, make in supplies.items()}
        return container.child(parent, point.scope, given, lazily or None), True

    return open_


def _scoped(container: Running, wired: Wired) -> Function:
    point = wired.point
    open_ = opening(container, point)
    finish, streams = point.finish, point.streams
    paths = container.interpreter.paths
    steps = [
        (
            call, call.slots, _with_owner(call),
            any(map(_waits, call.arguments)),
            paths.first_awaiting(call.slots, container.eager) is not None,
        )
        for call in wired.calls
    ]  # fmt: skip

    async def call(*values: object) -> object:
        interpreter = container.interpreter
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
                    prepared = await interpreter.fill(scope, slots, values)
                else:
                    prepared = interpreter.fill_now(scope, slots, values)
                positional, named = interpreter.arguments(arguments, read, scope, prepared)
                if item.function is not None:
                    result = item.function(*positional, **named)
                    if item.awaits:
                        result = await cast("Awaitable[object]", result)
            if finish is not None:
                result = finish(result)
            if streams is not None and ours and scope.exits and streams(result):
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
    open_ = opening(container, point)
    finish, streams = point.finish, point.streams
    steps = [(call, call.slots, _with_owner(call)) for call in wired.calls]

    def call(*values: object) -> object:
        interpreter = container.interpreter
        scope, ours = open_(values)
        try:
            result: object = None
            for item, slots, arguments in steps:
                read = interpreter.read_now(item.arguments, values)
                prepared = interpreter.fill_now(scope, slots, values)
                positional, named = interpreter.arguments(arguments, read, scope, prepared)
                if item.function is not None:
                    result = item.function(*positional, **named)
            if finish is not None:
                result = finish(result)
            if streams is not None and ours and scope.exits and streams(result):
                return Held(result, scope.close)
        except BaseException as error:
            if ours:
                scope.close_now(error)
            raise
        if ours:
            scope.close_now()
        return result

    return call


def _waits(argument: Argument) -> bool:
    return argument.getter is not None and argument.getter.awaits


def _function(call: Call) -> Function:
    return _nothing if call.function is None else call.function


def _nothing(*_: object) -> None:
    return


def _with_owner(call: Call) -> tuple[Argument, ...]:
    if call.owner is None:
        return call.arguments
    self_ = Parameter("self", MISSING, MISSING, Kind.POSITIONAL_ONLY, 0, Where("", 0, "self"))
    first = Argument(self_, by_name=False, slot=call.owner)
    return (first, *call.arguments)


class _Straight:
    """An entry that opens no scope: values read, constants and app-wide singletons only."""

    def __init__(self, container: Running, wired: Wired) -> None:
        self._container = container
        self._wired = wired

    def plan(self) -> Plan:
        """Return the plan, the target called directly where nothing has to be awaited first."""
        steps = [self._step(call) for call in self._wired.calls]
        before = steps[:-1]
        function, awaits = steps[-1]
        # With no scope to close after it, finishing is the caller's: one coroutine less a call.
        finish = self._wired.point.finish
        if not before:
            return Plan(function, awaits, finish)
        if not awaits and not any(waits for _, waits in before):
            guards = [guard for guard, _ in before]
            return Plan(_guarded(guards, function), awaits=False, finish=finish)
        return Plan(_guarded_later(steps), awaits=True, finish=finish)

    def _step(self, call: Call) -> tuple[Function, bool]:
        arguments = _with_owner(call)
        if any(_waits(item) for item in arguments):
            return self._reading_later(call, arguments), True
        return self._reading(_function(call), arguments), call.awaits

    def _read(self, argument: Argument) -> Function:
        if argument.getter is not None:
            return argument.getter.read
        if argument.slot is None:
            value = argument.value
            return lambda *_: value
        container, slot = self._container, argument.slot

        def singleton(*_: object) -> object:
            found = container.root.cache.get(slot, MISSING)
            if found is MISSING:
                raise ContainerNotRunning(argument.parameter.where.text)
            return found

        node = container.interpreter.paths.graph.nodes[slot]
        if node.binding.answer is Answer.VALUE:
            return lambda *_: container.interpreter.engine.call(slot)
        return singleton

    def _reading(self, function: Function, arguments: tuple[Argument, ...]) -> Function:
        """Return ``function`` behind its readers; the common shapes are written out."""
        positional = tuple(self._read(item) for item in arguments if not item.by_name)
        named = {item.parameter.name: self._read(item) for item in arguments if item.by_name}
        # Passing values on by star costs about as much as the call itself.
        shapes = _ONE_VALUE if len(self._wired.point.values) == 1 else _ANY_VALUES
        if not named and len(positional) < len(shapes):
            return shapes[len(positional)](function, *positional)
        pairs = tuple(named.items())

        def call(*values: object) -> object:
            return function(
                *[read(*values) for read in positional],
                **{name: read(*values) for name, read in pairs},
            )

        return call

    def _reading_later(self, call: Call, arguments: tuple[Argument, ...]) -> Function:
        function, awaits = _function(call), call.awaits
        readers = [
            (
                None if not item.by_name else item.parameter.name,
                self._read(item),
                _waits(item),
            )
            for item in arguments
        ]

        async def run(*values: object) -> object:
            positional: list[object] = []
            named: dict[str, object] = {}
            for name, read, waits in readers:
                value = read(*values)
                if waits:
                    value = await cast("Awaitable[object]", value)
                if name is None:
                    positional.append(value)
                else:
                    named[name] = value
            result = function(*positional, **named)
            return await cast("Awaitable[object]", result) if awaits else result

        return run


_ANY_VALUES: tuple[Callable[..., Function], ...] = (
    lambda function: lambda *_: function(),
    lambda function, a: lambda *values: function(a(*values)),
    lambda function, a, b: lambda *values: function(a(*values), b(*values)),
    lambda function, a, b, c: lambda *values: function(a(*values), b(*values), c(*values)),
)
_ONE_VALUE: tuple[Callable[..., Function], ...] = (
    lambda function: lambda _: function(),
    lambda function, a: lambda value: function(a(value)),
    lambda function, a, b: lambda value: function(a(value), b(value)),
    lambda function, a, b, c: lambda value: function(a(value), b(value), c(value)),
    lambda function, a, b, c, d: lambda value: function(a(value), b(value), c(value), d(value)),
)


def _guarded(guards: list[Function], function: Function) -> Function:
    def call(*values: object) -> object:
        for guard in guards:
            guard(*values)
        return function(*values)

    return call


def _guarded_later(steps: list[tuple[Function, bool]]) -> Function:
    async def call(*values: object) -> object:
        result: object = None
        for function, waits in steps:
            result = function(*values)
            if waits:
                result = await cast("Awaitable[object]", result)
        return result

    return call
