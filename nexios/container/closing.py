"""Clean-ups: last in, first out, all of them, shielded, each within a time limit."""

from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from nexios.container.errors import CleanupTimedOut, YieldedTwice


@dataclass(frozen=True, slots=True)
class Exit:
    """A generator that yielded its value and has its clean-up ahead."""

    name: str
    generator: Generator[object, None, None] | AsyncGenerator[object, None]
    tags: frozenset[int] = frozenset()

    @property
    def awaits(self) -> bool:
        """Whether the clean-up has to be awaited."""
        return isinstance(self.generator, AsyncGenerator)


async def close_exits(
    exits: Sequence[Exit],
    error: BaseException | None,
    timeout_s: float,
    before: BaseException | None = None,
) -> None:
    """Run clean-ups last-in-first-out, shielded from cancellation, each within ``timeout_s``.

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
            with anyio.move_on_after(timeout_s, shield=True) as limit:
                await _afinish(item.name, item.generator, current)
            if limit.cancelled_caught:
                raise CleanupTimedOut(item.name, timeout_s)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


def close_exits_now(
    exits: Sequence[Exit], error: BaseException | None, before: BaseException | None = None
) -> None:
    """Run clean-ups that do not await, last-in-first-out."""
    failed: list[BaseException] = [] if before is None else [before]
    current = error if before is None else before
    for item in reversed(exits):
        try:
            if isinstance(item.generator, Generator):
                _finish(item.name, item.generator, current)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a plan that opens something."""

    name: str
    awaits: bool


Generators = tuple[Any, ...]
"""What a plan opened, place by place; None where it has not come so far."""


async def unwind(
    places: Sequence[Place], opened: Generators, error: BaseException, timeout_s: float
) -> None:
    """Close what a failed plan had opened, the error thrown into it."""
    await close_exits(_exits(places, opened), error, timeout_s)


def unwind_now(places: Sequence[Place], opened: Generators, error: BaseException) -> None:
    """Do the same where no clean-up awaits."""
    close_exits_now(_exits(places, opened), error)


async def close_opened(places: Sequence[Place], opened: Generators, timeout_s: float) -> None:
    """Close what a plan opened; what ``close_exits`` does, without an object for each."""
    at = len(opened)
    failure: BaseException | None = None
    while at and failure is None:
        at -= 1
        place, generator = places[at], opened[at]
        try:
            if place.awaits:
                with anyio.move_on_after(timeout_s, shield=True) as limit:
                    await generator.__anext__()
                    await generator.aclose()
                if limit.cancelled_caught:
                    raise CleanupTimedOut(place.name, timeout_s)
            else:
                next(generator)
                generator.close()
            raise YieldedTwice(place.name)
        except (StopIteration, StopAsyncIteration):
            continue
        except BaseException as raised:  # all clean-ups run; it is raised below
            failure = raised
    if failure is not None:
        await close_exits(_exits(places, opened[:at]), None, timeout_s, before=failure)


def close_opened_now(places: Sequence[Place], opened: Generators) -> None:
    """Do the same where no clean-up awaits."""
    at = len(opened)
    failure: BaseException | None = None
    while at and failure is None:
        at -= 1
        try:
            next(opened[at])
            opened[at].close()
            raise YieldedTwice(places[at].name)
        except StopIteration:
            continue
        except BaseException as raised:  # all clean-ups run; it is raised below
            failure = raised
    if failure is not None:
        close_exits_now(_exits(places, opened[:at]), None, before=failure)


def _exits(places: Sequence[Place], opened: Generators) -> list[Exit]:
    return [
        Exit(place.name, generator)
        for place, generator in zip(places, opened, strict=False)
        if generator is not None
    ]


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


async def _afinish(
    name: str, generator: AsyncGenerator[object, None], error: BaseException | None
) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    except RuntimeError as wrapped:
        stopped = isinstance(error, StopIteration | StopAsyncIteration)
        if stopped and wrapped.__cause__ is error:
            return
        raise
    await generator.aclose()
    raise YieldedTwice(name)


def _raise(failed: Sequence[BaseException], error: BaseException | None) -> None:
    if not failed:
        return
    outcome = failed[0]
    if len(failed) > 1:
        outcome = BaseExceptionGroup(f"{len(failed)} clean-ups failed", failed)
    if error is not None and outcome.__context__ is None:
        outcome.__context__ = error
    raise outcome
