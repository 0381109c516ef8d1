"""Every run-time refusal says what is wrong and how to go on; the full texts are reviewed."""

import pytest

from nexios.container import errors
from nexios.container.errors import (
    CleanupTimedOut,
    ContainerError,
    ContainerNotRunning,
    Deadlock,
    MarkerNotResolved,
    MisplacedArgument,
    NeedsAsyncClose,
    NothingYielded,
    ScopeClosed,
    UnknownKey,
    WiringErrors,
    WiringProblem,
    WrongEventLoop,
    WrongReplacement,
    WrongScope,
    YieldedTwice,
)
from tests.support.golden import assert_golden

TEXTS: dict[str, ContainerError] = {
    "cleanup_timed_out": CleanupTimedOut("Session", 0.5),
    "container_not_running": ContainerNotRunning("a REQUEST scope"),
    "deadlock": Deadlock(("Ping", "Pong")),
    "marker_without_place": MarkerNotResolved("", ""),
    "needs_async_close": NeedsAsyncClose(["Session", "Broker"]),
    "nothing_yielded": NothingYielded("Session"),
    "scope_closed_in_thread": ScopeClosed("CONNECTION", "Board", "MainThread"),
    "unknown_key": UnknownKey("Clok", ["Clock", "Clocks"]),
    "wrong_event_loop": WrongEventLoop(
        "the asyncio loop 0x1 of thread 'MainThread'", "the trio loop 0x2 of thread 'other'"
    ),
    "wrong_replacement": WrongReplacement("Clock", "str object is no Clock"),
    "wrong_scope": WrongScope("Session", "REQUEST", "SINGLETON"),
    "yielded_twice": YieldedTwice("Session"),
}
# Its text is its one argument, made where it is raised.
SAID_ELSEWHERE = {ContainerError, MisplacedArgument, WiringErrors}


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_a_run_time_refusal_is_the_reviewed_one(name: str) -> None:
    assert_golden(TEXTS[name], f"{name}.txt")


def test_every_run_time_refusal_has_a_reviewed_text() -> None:
    known = {
        item
        for item in vars(errors).values()
        if isinstance(item, type)
        and issubclass(item, ContainerError)
        and not issubclass(item, WiringProblem)
    }
    assert known - SAID_ELSEWHERE == {type(error) for error in TEXTS.values()}
