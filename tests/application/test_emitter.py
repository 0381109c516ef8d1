"""Events inside one process: order, failures, async listeners that nobody loses."""

import gc

import anyio
import anyio.lowlevel
import pytest

from nexios.application.emitter import (
    AsyncEventEmitter,
    Event,
    EventCancelledError,
    EventEmitter,
    EventPhase,
    EventPriority,
    ListenerAlreadyRegisteredError,
    MaxListenersExceededError,
)


def test_listeners_are_called_by_priority_then_in_order() -> None:
    emitter, heard = EventEmitter(), []

    @emitter.on("saved", priority=EventPriority.LOW)
    def low(name: str) -> None:
        heard.append(f"low {name}")

    emitter.on("saved", lambda name: heard.append(f"first {name}"))
    emitter.on("saved", lambda name: heard.append(f"second {name}"), priority=EventPriority.MEDIUM)
    emitter.on("saved", lambda name: heard.append(f"top {name}"), priority=EventPriority.HIGHEST)

    result = emitter.emit("saved", "x")

    assert heard == ["top x", "first x", "second x", "low x"]
    assert result["listeners_executed"] == 4
    assert result["failed"] == 0
    assert not result["cancelled"]
    assert low("again") is None  # the decorator gives the function back
    assert EventPriority.MEDIUM is EventPriority.NORMAL


def test_once_off_and_the_lists() -> None:
    emitter, heard = EventEmitter(), []

    def listener() -> None:
        heard.append("on")

    emitter.on("a", listener)
    emitter.once("a", lambda: heard.append("once"))
    emitter.emit("a")
    emitter.emit("a")
    emitter.off("a", listener)
    emitter.emit("a")
    assert heard == ["on", "once", "on"]
    assert emitter.event_names() == ["a"]
    assert emitter.has_event("a")
    assert "b" not in emitter
    emitter.on("a", listener)
    emitter.remove_all_listeners()
    assert emitter["a"].listener_count == 0
    emitter.remove_event("a")
    assert not emitter.has_event("a")


def test_namespaces_name_events_of_the_emitter() -> None:
    emitter, heard = EventEmitter(), []
    orders = emitter.namespace("shop").namespace("orders")
    orders.on("placed", heard.append)
    emitter.emit("shop:orders:placed", 1)
    orders.emit("placed", 2)
    assert heard == [1, 2]


def test_a_failing_listener_is_reported_and_the_next_one_called() -> None:
    emitter, told, heard = EventEmitter(), [], []
    emitter.drive(None, lambda error, name: told.append((str(error), name)))

    def broken() -> None:
        raise ValueError("broken")

    emitter.on("a", broken)
    emitter.on("a", lambda: heard.append("next"))
    result = emitter.emit("a")
    assert told == [("broken", "a")]
    assert heard == ["next"]
    assert result["failed"] == 1


def test_a_listener_may_keep_the_others_from_being_called() -> None:
    emitter, heard = EventEmitter(), []

    def stop() -> None:
        raise EventCancelledError

    emitter.on("a", stop, priority=EventPriority.HIGH)
    emitter.on("a", lambda: heard.append("never"))
    assert emitter.emit("a")["cancelled"]
    assert heard == []


def test_a_disabled_event_calls_nobody() -> None:
    emitter = EventEmitter()
    emitter.on("a", lambda: pytest.fail("called"))
    emitter["a"].enabled = False
    assert emitter.emit("a")["reason"] == "Event disabled"


def test_twice_the_same_and_too_many_are_refused() -> None:
    event = Event("a", max_listeners=1)

    def listener() -> None: ...

    event.listen(listener)
    with pytest.raises(ListenerAlreadyRegisteredError, match="listens to 'a'"):
        event.listen(listener)
    with pytest.raises(MaxListenersExceededError, match="fix: remove some"):
        event.listen(lambda: None)


def test_parents_hear_before_or_after_and_a_circle_ends() -> None:
    emitter, heard = EventEmitter(), []
    child, parent = emitter["child"], emitter["parent"]
    child.parent = parent
    parent.parent = child
    parent.listen(lambda: heard.append("after"))
    parent.listen(lambda: heard.append("before"), phase=EventPhase.CAPTURING)
    child.listen(lambda: heard.append("own"))
    child.trigger()
    assert heard == ["before", "own", "after"]


def test_a_weak_listener_is_forgotten_with_its_owner() -> None:
    heard: list[str] = []

    class Owner:
        def listen(self) -> None:
            heard.append("called")

    emitter, owner = EventEmitter(), Owner()
    emitter.on("a", owner.listen, weak_ref=True)
    emitter.emit("a")
    del owner
    gc.collect()
    assert emitter.emit("a")["listeners_executed"] == 0
    assert heard == ["called"]
    assert emitter["a"].listener_count == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_listeners_run_beside_the_caller_and_may_be_awaited(backend: str) -> None:
    async def main() -> list[str]:
        heard: list[str] = []

        async def slow(name: str) -> None:
            await anyio.lowlevel.checkpoint()
            heard.append(name)

        async def broken(name: str) -> None:
            raise ValueError(name)

        emitter = EventEmitter()
        emitter.on("a", slow)
        emitter.on("a", broken)
        emitter.on("a", lambda name: slow(f"{name} by a lambda"))
        async with anyio.create_task_group() as tasks:
            emitter.drive(tasks, lambda error, name: heard.append(f"failed {error}"))
            result = emitter.emit("a", "x")
            assert heard == []
            assert (await result)["failed"] == 1
            assert sorted(heard) == ["failed x", "x", "x by a lambda"]
            emitter.emit("a", "y")
        return heard

    heard = anyio.run(main, backend=backend)
    assert {"y", "y by a lambda", "failed y"} < set(heard)  # the group waited for them


def test_without_an_application_async_listeners_run_when_awaited() -> None:
    heard: list[int] = []

    async def listener(number: int) -> None:
        heard.append(number)

    async def main() -> None:
        emitter = AsyncEventEmitter()
        emitter.on("a", listener)
        assert (await emitter.emit_async("a", 1))["listeners_executed"] == 1
        await emitter.schedule_emit("a", 2)

    anyio.run(main)
    assert heard == [1, 2]


def test_an_emission_nobody_awaits_is_told() -> None:
    async def listener() -> None: ...

    emitter = EventEmitter()
    emitter.on("a", listener)

    def lose() -> None:
        emitter.emit("a")
        gc.collect()

    with pytest.warns(RuntimeWarning, match="async listeners of 'a' never ran"):
        lose()
