"""Who is told what."""

import logging

import pytest

from nexios.application.listening import NotListening, Signals, attach
from nexios.application.security_events import SecurityEvent
from nexios.application.security_signals import ToldSecurityEvents
from nexios.application.signals import (
    AccessDenied,
    DependencyDown,
    DependencyUp,
    DrainStarted,
    LoginFailed,
    LoginSucceeded,
    LoopBlocked,
    TokenReused,
)


def test_listeners_are_called_in_the_order_they_came() -> None:
    signals, heard = Signals(), []
    signals.on(LoopBlocked, lambda event: heard.append(("first", event.lag_s)))

    @signals.on(LoopBlocked)
    def second(event: LoopBlocked) -> None:
        heard.append(("second", event.lag_s))

    signals.tell(LoopBlocked(0.5))
    signals.tell(DrainStarted())
    assert heard == [("first", 0.5), ("second", 0.5)]


def test_failing_listener_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    signals, heard = Signals(), []

    def broken(event: LoopBlocked) -> None:
        raise LookupError("gone")

    signals.on(LoopBlocked, broken)
    signals.on(LoopBlocked, heard.append)
    with caplog.at_level(logging.ERROR, "nexios.signals"):
        for _ in range(3):
            signals.tell(LoopBlocked(1.0))
    assert len(heard) == 3
    assert signals.failures == 3
    assert len(caplog.records) == 1  # said once, counted from then on


class Watcher:
    listens_to = (DependencyDown, DependencyUp)

    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, event: object) -> None:
        self.heard.append(event)


class Sorted:
    def __init__(self) -> None:
        self.down: list[str] = []
        self.listens_to = {DependencyDown: self.note}

    def note(self, event: DependencyDown) -> None:
        self.down.append(event.check)


def test_a_class_with_listens_to_gets_all_of_them() -> None:
    signals, watcher, sorted_ = Signals(), Watcher(), Sorted()
    signals.on(watcher)
    signals.on(sorted_)
    signals.tell(DependencyDown("database", "refused"))
    signals.tell(DependencyUp("database"))
    assert watcher.heard == [DependencyDown("database", "refused"), DependencyUp("database")]
    assert sorted_.down == ["database"]


def test_off_undoes_on() -> None:
    changes: list[bool] = []
    signals = Signals(changed=lambda: changes.append(signals.hears(DependencyDown)))
    watcher = Watcher()
    signals.on(watcher)
    assert signals.hears(DependencyDown, LoopBlocked)
    signals.off(watcher)
    signals.off(watcher)
    signals.tell(DependencyUp("database"))
    assert watcher.heard == []
    assert not signals.hears(DependencyDown, DependencyUp)
    assert changes[0] is True
    assert changes[-1] is False


def test_a_listener_may_take_itself_off() -> None:
    signals, heard = Signals(), []

    def once(event: LoopBlocked) -> None:
        heard.append("once")
        signals.off(LoopBlocked, once)

    signals.on(LoopBlocked, once)
    signals.on(LoopBlocked, lambda event: heard.append("other"))
    signals.tell(LoopBlocked(1.0))
    signals.tell(LoopBlocked(1.0))
    assert heard == ["once", "other", "other"]


async def _later(event: object) -> None: ...


class _Later:
    listens_to = (LoopBlocked,)

    async def __call__(self, event: object) -> None: ...


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((LoopBlocked, _later), "nobody would await it"),
        ((_Later(),), "nobody would await it"),
        ((Watcher,), "give an instance: Watcher()"),
        ((object(),), "does not say what it listens to"),
        (("RequestFinished", print), "is no class"),
    ],
)
def test_what_cannot_listen_is_refused(given: tuple[object, ...], says: str) -> None:
    signals = Signals()
    with pytest.raises(NotListening) as refused:
        signals.on(*given)  # type: ignore[call-overload]
    assert says in str(refused.value)
    assert "\n  fix: " in str(refused.value)
    assert not signals.hears(LoopBlocked)


def test_singletons_are_attached_once_and_tellers_are_given_the_signals() -> None:
    given: list[Signals] = []

    class Teller:
        def tell_to(self, signals: Signals) -> None:
            given.append(signals)

    signals, watcher, teller, known = Signals(), Watcher(), Teller(), set[int]()
    assert attach(signals, [watcher, teller, Watcher, 3], known) == [watcher]
    assert attach(signals, [watcher, teller, Watcher, 3], known) == []
    signals.tell(DependencyUp("x"))
    assert len(watcher.heard) == 1
    assert given == [signals]


@pytest.mark.asyncio
async def test_security_events_are_told_as_signals() -> None:
    signals, heard = Signals(), []
    for kind in (LoginSucceeded, LoginFailed, AccessDenied, TokenReused):
        signals.on(kind, heard.append)
    events = ToldSecurityEvents(signals)
    await events.record(SecurityEvent("login", "allowed", "7", "password"))
    await events.record(SecurityEvent("login", "failed", None, "password", "no such name"))
    await events.record(SecurityEvent("access.denied", "denied", "7", "jwt", "orders.write"))
    await events.record(SecurityEvent("token.reused", "denied", "7"))
    await events.record(SecurityEvent("something.else", "denied", "7"))
    assert heard == [
        LoginSucceeded("password"),
        LoginFailed("password", "no such name"),
        AccessDenied("access.denied", "jwt", "orders.write"),
        TokenReused(None),
    ]
