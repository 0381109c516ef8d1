"""Clean-ups: last in, first out, all of them, shielded, each within a time limit."""

import types
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

import anyio

from nexios.container.errors import CleanupTimedOut, YieldedTwice
from nexios.container.nesting import Enclosing, encloser_of, innermost_of, nowhere
from nexios.records import dataclass

_NOTHING: Final = object()  # is waited for yet
_YIELDED: Final = object()


@dataclass(frozen=True, slots=True)
class Exit:
    """A generator that yielded its value and has its clean-up ahead.

    Attributes:
        inside: Whether it yielded inside a cancel scope of its own, such as a task group's. Such
            scopes end inside out, so that one cannot be left inside of a shield of ours.
    """

    name: str
    generator: Generator[object, None, None] | AsyncGenerator[object, None]
    tags: frozenset[int] = frozenset()
    inside: bool = False

    @property
    def awaits(self) -> bool:
        """Whether the clean-up has to be awaited."""
        return isinstance(self.generator, AsyncGenerator)


@dataclass(slots=True)
class Shield:
    """Keeps cancellation from a clean-up, and ends it when it takes too long.

    Attributes:
        timeout_s: How long one clean-up may take.
        scope_type: Makes the cancel scope. Found out once, when the container starts: anyio asks
            each time which event loop runs. 5.3 -> 2.3 us a clean-up that waits for nothing,
            benchmarks/container.py C2.
        innermost: Tells which cancel scope the running task is in.
        encloser: Enters a scope around a clean-up that has begun; None where that is unknown.
    """

    timeout_s: float
    scope_type: type[anyio.CancelScope] = anyio.CancelScope
    innermost: Callable[[], object] = nowhere
    encloser: type[Enclosing] | None = None

    def settle(self) -> None:
        """Take the kind of cancel scope of the running event loop."""
        self.scope_type = type(anyio.CancelScope())
        self.innermost = innermost_of(self.scope_type)
        self.encloser = encloser_of(self.scope_type)

    def unsettle(self) -> None:
        """Ask anyio again: the next start may be on another event loop."""
        self.scope_type, self.innermost, self.encloser = anyio.CancelScope, nowhere, None


async def close_exits(
    exits: Sequence[Exit],
    error: BaseException | None,
    shield: Shield,
    before: BaseException | None = None,
) -> None:
    """Run clean-ups last-in-first-out, shielded from cancellation, each within its time.

    What fails is thrown into the clean-ups after it, as nested ``async with`` would do, so an
    outer transaction rolls back when an inner commit fails. ``before`` is what a clean-up that
    ran before these raised.
    """
    failed: list[BaseException] = [] if before is None else [before]
    current = error if before is None else before
    for item in reversed(exits):
        try:
            if isinstance(item.generator, Generator):
                _finish(item.name, item.generator, current)
                continue
            if item.inside:
                await _finish_inside(item.name, item.generator, current)
                continue
            await _afinish(item.name, item.generator, current, shield)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


def close_exits_now(
    exits: Sequence[Exit], error: BaseException | None, before: BaseException | None = None
) -> None:
    """Run clean-ups that wait for nothing, last-in-first-out."""
    failed: list[BaseException] = [] if before is None else [before]
    current = error if before is None else before
    for item in reversed(exits):
        try:
            if isinstance(item.generator, Generator):
                _finish(item.name, item.generator, current)
            else:
                _finish_prompt(item.name, item.generator, current)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a plan that opens something.

    Attributes:
        awaits: Its clean-up is a step of an async generator.
        prompt: That step waits for nothing, so that no cancellation can meet it.
    """

    name: str
    awaits: bool
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """A generator that a plan opened and that yielded inside a cancel scope of its own."""

    generator: AsyncGenerator[object, None]


Generators = tuple[Any, ...]
"""What a plan opened, place by place; None where it has not come so far."""


async def unwind(
    places: Sequence[Place], opened: Generators, error: BaseException, shield: Shield
) -> None:
    """Close what a failed plan had opened, the error thrown into it."""
    await close_exits(_exits(places, opened), error, shield)


def unwind_now(places: Sequence[Place], opened: Generators, error: BaseException) -> None:
    """Do the same where no clean-up waits for anything."""
    close_exits_now(_exits(places, opened), error)


async def close_opened(places: Sequence[Place], opened: Generators, shield: Shield) -> None:
    """Close what a plan opened; what ``close_exits`` does, without an object for each."""
    at = len(opened)
    failure: BaseException | None = None
    while at and failure is None:
        at -= 1
        try:
            if isinstance(opened[at], Inside):
                await _finish_inside(places[at].name, opened[at].generator, None)
            elif places[at].awaits:
                await _afinish(places[at].name, opened[at], None, shield)
            else:
                _finish(places[at].name, opened[at], None)
        except BaseException as raised:  # all clean-ups run; it is raised below
            failure = raised
    if failure is not None:
        await close_exits(_exits(places, opened[:at]), None, shield, before=failure)


def close_opened_now(places: Sequence[Place], opened: Generators) -> None:
    """Do the same where no clean-up waits for anything: no shield is needed, 2 us less."""
    at = len(opened)
    failure: BaseException | None = None
    while at and failure is None:
        at -= 1
        try:
            if places[at].awaits:
                _finish_prompt(places[at].name, opened[at], None)
            else:
                _finish(places[at].name, opened[at], None)
        except BaseException as raised:  # all clean-ups run; it is raised below
            failure = raised
    if failure is not None:
        close_exits_now(_exits(places, opened[:at]), None, before=failure)


def _exits(places: Sequence[Place], opened: Generators) -> list[Exit]:
    return [
        _exit(place.name, generator)
        for place, generator in zip(places, opened, strict=False)
        if generator is not None
    ]


def _exit(name: str, opened: Any) -> Exit:
    if isinstance(opened, Inside):
        return Exit(name, opened.generator, inside=True)
    return Exit(name, opened)


def _finish(
    name: str, generator: Generator[object, None, None], error: BaseException | None
) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as wrapped:
        # Python wraps a StopIteration that passes through a generator.
        if error is not None and wrapped.__cause__ is error and isinstance(error, StopIteration):
            return
        raise
    generator.close()
    raise YieldedTwice(name)


def _finish_prompt(
    name: str, generator: AsyncGenerator[object, None], error: BaseException | None
) -> None:
    """Finish an async generator whose code holds no ``await`` (PEP 525: each step is one send)."""
    step: Any = generator.__anext__() if error is None else generator.athrow(error)
    try:
        step.send(None)
    except StopAsyncIteration:
        return
    except StopIteration:  # it yielded
        closing: Any = generator.aclose()
        with suppress(StopIteration):
            closing.send(None)
    except RuntimeError as wrapped:
        if _is_stop(wrapped, error):
            return
        raise
    raise YieldedTwice(name)


async def _afinish(
    name: str,
    generator: AsyncGenerator[object, None],
    error: BaseException | None,
    shield: Shield,
) -> None:
    step: Any = anext(generator) if error is None else generator.athrow(error)
    around, encloser = shield.innermost(), shield.encloser
    if encloser is None or encloser.closed(around):
        limit = shield.scope_type(shield=True)
        await _limited(name, generator, step, _NOTHING, error, shield.timeout_s, limit, limit)
        return
    # What ends at once cannot be cancelled, and most clean-ups do: those need no scope, which in
    # a task that has none yet is 4 us.
    try:
        waited = step.send(None)
    except StopAsyncIteration:
        return
    except StopIteration:
        waited = _YIELDED
    except RuntimeError as wrapped:
        if _is_stop(wrapped, error):
            return
        raise
    limit = shield.scope_type(shield=True)
    entering = encloser(limit, around)
    await _limited(name, generator, step, waited, error, shield.timeout_s, limit, entering)


async def _limited(
    name: str,
    generator: AsyncGenerator[object, None],
    step: Any,
    waited: object,
    error: BaseException | None,
    seconds: float,
    limit: anyio.CancelScope,
    entering: AbstractContextManager[object],
) -> None:
    """Finish within a scope; ``waited`` is what has come of the step so far."""
    with entering:
        try:
            if waited is _NOTHING:
                waited = step.send(None)
            # It waits for something; what ends at once needs no timer.
            limit.deadline = anyio.current_time() + seconds
            if waited is not _YIELDED:
                await _rest(step, waited)
        except StopAsyncIteration:
            return
        except StopIteration:  # it yielded, without waiting first
            limit.deadline = anyio.current_time() + seconds
        except RuntimeError as wrapped:
            if _is_stop(wrapped, error):
                return
            raise
        await generator.aclose()
    if limit.cancelled_caught:
        raise CleanupTimedOut(name, seconds)
    raise YieldedTwice(name)


def _is_stop(wrapped: RuntimeError, error: BaseException | None) -> bool:
    """Return whether Python has wrapped the stop that was thrown in and came out again."""
    stopped = isinstance(error, StopIteration | StopAsyncIteration)
    return stopped and wrapped.__cause__ is error


async def _finish_inside(
    name: str, generator: AsyncGenerator[object, None], error: BaseException | None
) -> None:
    """Finish without shield and limit: cancelled or not, it ends as its own scope lets it."""
    try:
        await (anext(generator) if error is None else generator.athrow(error))
    except StopAsyncIteration:
        return
    except RuntimeError as wrapped:
        if _is_stop(wrapped, error):
            return
        raise
    await generator.aclose()
    raise YieldedTwice(name)


@types.coroutine
def _rest(step: Any, waited: object) -> Generator[object, object, object]:
    """Await what is left of a step that waits for ``waited`` (PEP 342, PEP 492)."""
    try:
        while True:
            try:
                sent = yield waited
            except BaseException as thrown:  # by the event loop, into the step
                waited = step.throw(thrown)
            else:
                waited = step.send(sent)
    except StopIteration as done:
        return done.value


def _raise(failed: Sequence[BaseException], error: BaseException | None) -> None:
    if not failed:
        return
    outcome = failed[0]
    if len(failed) > 1:
        outcome = BaseExceptionGroup(f"{len(failed)} clean-ups failed", failed)
    if error is not None and outcome.__context__ is None:
        outcome.__context__ = error
    raise outcome
