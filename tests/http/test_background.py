"""Work after the answer: when it starts, in which scope, and what becomes of its errors."""

import functools
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from nexios import Depend, HTTPException, MakeConfig, Module, NexiosApp, Response, Tasks
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.background import Background, Work
from nexios.application.caller import ANONYMOUS, Caller
from nexios.testing import AsyncTestClient
from tests.support.asgi import Peer, ask
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


class Session:
    count = 0

    def __init__(self) -> None:
        Session.count += 1
        self.number = Session.count
        self.open = True


def sessions() -> Module:
    module = Module("sessions")

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        made = Session()
        yield made
        made.open = False

    return module.export(Session)


async def settled(log: list[Any], length: int) -> None:
    with anyio.fail_after(5):
        while len(log) < length:  # noqa: ASYNC110  # a list tells nobody
            await anyio.sleep(0.005)


async def test_background_after_bytes() -> None:
    log: list[Any] = []
    app = NexiosApp(sessions())

    async def work(number: int, session: Session = Depend(), caller: Caller = Depend()) -> None:
        log.append(("work", number != session.number, session.open, caller.anonymous))

    @app.get("/builder")
    async def by_builder(response: Response, session: Session = Depend()) -> Response:
        return response.text("x").background(work, session.number)

    @app.get("/tasks")
    async def by_tasks(tasks: Tasks, session: Session = Depend()) -> str:
        tasks.add(work, number=session.number)
        return "x"

    class Service:
        tasks: Tasks

        def order(self) -> str:
            self.tasks.add(work, 0)
            return "x"

    @app.get("/service")
    async def by_service(service: Service = Depend()) -> str:
        return service.order()

    @app.get("/stream")
    async def by_stream(tasks: Tasks) -> AsyncIterator[str]:
        tasks.add(work, 0)
        yield "x"

    class Watching(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            await anyio.sleep(0.01)
            log.append("sent")

    async with AsyncTestClient(app):
        for path, messages in (("builder", 2), ("tasks", 2), ("service", 2), ("stream", 3)):
            log.clear()
            answer = await ask(app, "GET", f"/{path}", peer=Watching(stays=True))
            assert (answer.status, answer.body) == (200, b"x")
            await settled(log, messages + 1)
            assert log == ["sent"] * messages + [("work", True, True, True)], path


async def test_plain_functions_run_in_a_thread_and_methods_on_their_object() -> None:
    log: list[Any] = []

    class Mailer:
        def __init__(self, name: str) -> None:
            self.name = name

        def send(self, to: str, session: Session = Depend()) -> None:
            log.append((self.name, to, session.open, threading.current_thread().name))

        async def later(self, to: str) -> None:
            log.append((self.name, to))

    def note(*, text: str) -> None:
        log.append(text)

    app = NexiosApp(sessions())

    @app.get("/")
    async def order(response: Response) -> Response:
        mailer = Mailer("post")
        response.background(mailer.send, "you").background(mailer.later, "me")
        return response.background(note, text="noted").empty()

    async with AsyncTestClient(app) as client:
        assert (await client.get("/")).status_code == 204
        await settled(log, 3)
    assert ("post", "me") in log
    assert "noted" in log
    ((_, _, is_open, thread),) = [one for one in log if len(one) == 4]
    assert is_open
    assert thread != threading.current_thread().name


async def test_a_failure_is_logged_and_the_answer_unharmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    app = NexiosApp()

    async def breaks() -> None:
        raise LookupError("no such mail")

    async def asks(missing) -> None: ...  # type: ignore[no-untyped-def]

    async def works() -> None:
        log.append("worked")

    @app.get("/orders/{number}")
    async def order(response: Response, number: str) -> Response:
        for work in (breaks, asks, works):
            response.background(work)
        return response.background(works, 1, 2).text("x")

    async with AsyncTestClient(app) as client:
        for _ in range(2):
            assert (await client.get("/orders/7")).text == "x"
        await settled(log, 2)
    assert log == ["worked", "worked"]
    failed = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert len(failed) == 6
    assert all("breaks of /orders/{number}" in text for text in failed[::3])


async def test_nothing_starts_when_the_request_fails() -> None:
    log: list[str] = []
    app = NexiosApp()

    async def work(text: str) -> None:
        log.append(text)

    @app.get("/{status:int}")
    async def order(status: int, response: Response, tasks: Tasks) -> Response:
        response.background(work, "builder")
        tasks.add(work, "tasks")
        if status >= 500:
            raise LookupError
        if status >= 400:
            raise HTTPException(status)
        return response

    @app.get("/stream")
    async def stream(tasks: Tasks) -> AsyncIterator[str]:
        tasks.add(work, "stream")
        yield "a"
        raise LookupError

    @app.add_exception_handler(409)
    async def conflict(request, response, error):  # type: ignore[no-untyped-def]
        return response.background(work, "handler").text("sorry")

    async with AsyncTestClient(app) as client:
        for status in (404, 500):
            assert (await client.get(f"/{status}")).status_code == status
        with pytest.raises(LookupError):
            await ask(app, "GET", "/stream", peer=Peer(stays=True))
        assert (await client.get("/409")).text == "sorry"
        await settled(log, 1)
        await client.get("/200")
        await settled(log, 3)
    assert log == ["handler", "tasks", "builder"]


async def test_work_is_awaited_at_shutdown_up_to_the_grace_time() -> None:
    log: list[str] = []

    async def work(seconds: float, name: str) -> None:
        await anyio.sleep(seconds)
        log.append(name)

    app = NexiosApp(config=MakeConfig(server={"grace_s": 0.5}))

    @app.get("/")
    async def order(response: Response) -> Response:
        response.background(work, 0.2, "done").background(work, 60, "cut off")
        return response.text("x")

    with anyio.fail_after(10):
        async with AsyncTestClient(app) as client:
            await client.get("/")
            assert log == []
    assert log == ["done"]


async def test_callables_of_every_kind() -> None:
    log: list[Any] = []

    class Sync:
        def __call__(self, text: str, session: Session = Depend()) -> None:
            log.append(("object", text, session.open))

    class Async:
        async def __call__(self, text: str) -> None:
            log.append(("async object", text))

    async def both(one: str, two: str) -> None:
        log.append((one, two))

    def plain(text: str) -> None:
        log.append(("plain", text))

    @functools.wraps(plain)
    def decorated(text: str) -> None:
        plain(text.upper())

    app = NexiosApp(sessions())

    @app.get("/")
    async def order(tasks: Tasks) -> None:
        tasks.add(Sync(), "a")
        tasks.add(Async(), "b")
        tasks.add(functools.partial(both, "c"), two="d")
        tasks.add(plain, "e")
        tasks.add(decorated, "f")

    async with AsyncTestClient(app) as client:
        assert (await client.get("/")).status_code == 204
        await settled(log, 5)
        functools.update_wrapper(decorated, plain)  # takes over what was kept on the other
        await client.get("/")
        await settled(log, 10)
    wanted = [("object", "a", True), ("async object", "b"), ("c", "d"), ("plain", "e"),
              ("plain", "F")]  # fmt: skip
    assert sorted(log) == sorted(wanted * 2)


async def test_a_function_of_a_handler_is_not_kept() -> None:
    gone: list[weakref.ref[Any]] = []
    app = NexiosApp()

    @app.get("/")
    async def order(tasks: Tasks) -> None:
        class Mailer:
            def send(self) -> None: ...

        mailer = Mailer()
        gone.append(weakref.ref(mailer))
        tasks.add(mailer.send)

    async with AsyncTestClient(app) as client:
        await client.get("/")
        with anyio.fail_after(5):
            while gone[0]() is not None:  # the collector tells nobody
                await anyio.sleep(0.01)
                gc.collect()


async def test_work_that_comes_too_late_is_told() -> None:
    told: list[str] = []
    background = Background(NexiosApp().container, lambda error, work: told.append(str(error)))
    background.start([Work(test_work_that_comes_too_late_is_told)], ANONYMOUS, "/x")
    assert len(told) == 1
    assert "was not started" in told[0]


async def test_what_cannot_be_called_is_refused_where_it_is_noted() -> None:
    async def work() -> None: ...

    running = work()
    for noted in (running, "text", None):
        with pytest.raises(TypeError, match="background work is a function"):
            Response().background(noted)  # type: ignore[arg-type]
    running.close()
    assert Work(work).name.endswith("work")


async def test_background_work_over_a_real_server() -> None:
    done = threading.Event()
    app = NexiosApp()

    def work() -> None:
        done.set()

    @app.get("/")
    async def order(response: Response) -> Response:
        return response.background(work).json({"ok": True})

    def call() -> Any:
        with serving(app) as address:
            answer = httpx2.get(f"http://{address}/")
            assert done.wait(5)
            return answer.json()

    assert await anyio.to_thread.run_sync(call) == {"ok": True}
