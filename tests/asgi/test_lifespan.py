"""Start once, stop once, whatever the server does and however many ask."""

from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from nexios.adapters.asgi.lifespan import Lifespan, Phase, describe, run_all
from nexios.adapters.asgi.types import Message, Scope

pytestmark = pytest.mark.anyio


class Life:
    """Notes what was called; may fail or wait."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fail_start: Exception | None = None
        self.fail_stop: Exception | None = None
        self.gate: anyio.Event | None = None

    async def start(self) -> Mapping[str, Any]:
        self.events.append("start")
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_start is not None:
            raise self.fail_start
        return {"db": "open"}

    async def stop(self) -> None:
        self.events.append("stop")
        if self.fail_stop is not None:
            raise self.fail_stop


async def drive(lifespan: Lifespan, *kinds: str, scope: Scope | None = None) -> list[Message]:
    """Send lifespan messages; return what was answered."""
    waiting = [{"type": f"lifespan.{kind}"} for kind in kinds]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await lifespan({"type": "lifespan"} if scope is None else scope, receive, send)
    return sent


async def test_the_protocol_from_start_to_end() -> None:
    life = Life()
    scope: Scope = {"type": "lifespan", "state": {}}
    sent = await drive(Lifespan(life.start, life.stop), "startup", "shutdown", scope=scope)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert life.events == ["start", "stop"]
    assert scope["state"] == {"db": "open"}


async def test_a_failing_start_is_told_with_its_text_and_nothing_is_stopped() -> None:
    life = Life()
    life.fail_start = ValueError("two routes are alike")
    sent = await drive(Lifespan(life.start, life.stop), "startup")
    assert sent == [
        {"type": "lifespan.startup.failed", "message": "ValueError: two routes are alike"}
    ]
    assert life.events == ["start"]


async def test_a_failing_stop_is_told() -> None:
    life = Life()
    life.fail_stop = ExceptionGroup("stop hooks", [KeyError("a"), OSError("b")])
    sent = await drive(Lifespan(life.start, life.stop), "startup", "shutdown")
    assert sent[1]["type"] == "lifespan.shutdown.failed"
    assert "KeyError: 'a'" in sent[1]["message"]
    assert "OSError: b" in sent[1]["message"]


async def test_ten_first_requests_start_the_app_once_and_all_wait_for_it() -> None:
    life = Life()
    life.gate = anyio.Event()
    lifespan = Lifespan(life.start, life.stop)
    served: list[int] = []

    async def request(number: int) -> None:
        await lifespan.ensure()
        served.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(request, number)
        await anyio.wait_all_tasks_blocked()
        assert served == []
        life.gate.set()

    assert sorted(served) == list(range(10))
    assert life.events == ["start"]


async def test_a_start_that_failed_is_tried_again_by_the_next_request() -> None:
    life = Life()
    life.fail_start = OSError("no database")
    lifespan = Lifespan(life.start, life.stop)
    with pytest.raises(OSError, match="no database"):
        await lifespan.ensure()
    life.fail_start = None
    await lifespan.ensure()
    assert life.events == ["start", "start"]
    assert lifespan.phase is Phase.RUNNING


async def test_a_cancelled_start_leaves_the_next_one_to_the_others() -> None:
    life = Life()
    life.gate = anyio.Event()
    lifespan = Lifespan(life.start, life.stop)
    started = anyio.Event()

    async def first(scope: anyio.CancelScope) -> None:
        with scope:
            await lifespan.ensure()

    async def second() -> None:
        await lifespan.ensure()
        started.set()

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first, scope)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        life.gate.set()

    assert started.is_set()
    assert life.events == ["start", "start"]


async def test_closing_stops_what_runs_once_and_it_may_start_again() -> None:
    life = Life()
    lifespan = Lifespan(life.start, life.stop)
    await lifespan.close()
    assert life.events == []
    await lifespan.ensure()
    await lifespan.close()
    await lifespan.close()
    assert life.events == ["start", "stop"]
    await lifespan.ensure()
    assert life.events == ["start", "stop", "start"]


async def test_who_comes_while_it_stops_is_refused() -> None:
    async def stop() -> None:
        with pytest.raises(RuntimeError, match="is stopping"):
            await lifespan.ensure()
        refused.append(True)

    refused: list[bool] = []
    lifespan = Lifespan(Life().start, stop)
    await lifespan.ensure()
    await lifespan.close()
    assert refused == [True]


async def test_all_blocks_run_although_one_before_raised() -> None:
    ran: list[str] = []

    async def bad(name: str) -> None:
        ran.append(name)
        raise ValueError(name)

    async def good() -> None:
        ran.append("good")

    blocks = [lambda: bad("a"), good, lambda: bad("b")]
    with pytest.raises(ExceptionGroup) as failures:
        await run_all(blocks, what="stop hooks")
    assert ran == ["a", "good", "b"]
    assert [str(error) for error in failures.value.exceptions] == ["a", "b"]
    with pytest.raises(ValueError, match="a"):
        await run_all(blocks[:2], what="stop hooks")


def test_an_error_is_described_with_its_notes() -> None:
    error = ValueError("words")
    error.add_note("a note")
    assert describe(error) == "ValueError: words\na note"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
