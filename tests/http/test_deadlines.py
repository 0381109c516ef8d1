"""What takes too long, or whose client has left: cancelled through a scope, cleaned up."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios import MakeConfig, Module, NexiosApp
from nexios.adapters.asgi.inflight import End, InFlight
from nexios.adapters.http.idle import Waits
from nexios.adapters.http.router import Router
from nexios.application.errors import TimedOut
from nexios.container.depend import Depend
from nexios.http import Controller, StreamingResponse, get
from nexios.middleware import TimeoutMiddleware, deadline
from tests.support.asgi import Peer, ask

pytestmark = pytest.mark.asyncio


class Session: ...


class Log:
    """A module with a session that notes how it ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.module = Module("data")

        @self.module.provides()
        async def session() -> AsyncIterator[Session]:
            try:
                yield Session()
            except BaseException as error:
                self.seen.append(type(error).__name__)
                raise
            else:
                self.seen.append("committed")

        self.module.export(Session)


def app_of(log: Log, **limits: Any) -> NexiosApp:
    return NexiosApp(log.module, config=MakeConfig(limits=limits))


async def test_the_limit_of_the_app_ends_what_waits_and_closes_its_scope() -> None:
    log = Log()
    app = app_of(log, request_s=0.2)

    @app.get("/slow")
    async def slow(session: Session = Depend()) -> str:
        await anyio.sleep_forever()
        return "late"

    @app.get("/fast")
    async def fast(session: Session = Depend()) -> str:
        await anyio.lowlevel.checkpoint()
        return "in time"

    answer = await ask(app, "GET", "/slow")
    assert (answer.status, answer.json()["type"]) == (504, "urn:nexios:problem:timed-out")
    assert log.seen == ["CancelledError"]
    assert (await ask(app, "GET", "/fast")).text == "in time"
    assert log.seen == ["CancelledError", "committed"]


async def test_a_deadline_of_a_route_is_more_or_less_than_the_apps() -> None:
    app = NexiosApp(config=MakeConfig(limits={"request_s": 0.05}))

    @app.get("/more")
    @deadline(60)
    async def more() -> str:
        await anyio.sleep(0.4)
        return "done"

    @app.get("/all", limits={"request_s": None})
    async def all_the_time() -> str:
        await anyio.sleep(0.4)
        return "done"

    assert (await ask(app, "GET", "/more")).text == "done"
    assert (await ask(app, "GET", "/all")).text == "done"

    other = NexiosApp()

    @other.get("/less")
    @deadline(0.05)
    async def less() -> None:
        await anyio.sleep_forever()

    assert (await ask(other, "GET", "/less")).status == 504


async def test_a_deadline_behind_middleware_counts_from_the_beginning() -> None:
    app = NexiosApp(config=MakeConfig(limits={"request_s": 0.05}))

    @app.middleware
    async def slow(request: Any, response: Any, call_next: Any) -> Any:
        if request.path == "/stuck":
            await anyio.sleep_forever()
        return await call_next()

    @app.get("/more")
    @deadline(60)
    async def more() -> str:
        await anyio.sleep(0.4)
        return "done"

    @app.get("/less")
    async def less() -> None:
        await anyio.sleep_forever()

    app.get("/stuck", more)
    assert (await ask(app, "GET", "/more")).text == "done"
    assert (await ask(app, "GET", "/less")).status == 504
    assert (await ask(app, "GET", "/stuck")).status == 504


async def test_of_two_that_say_it_the_nearer_counts() -> None:
    app = NexiosApp()
    app.add_middleware(TimeoutMiddleware(0.05))
    router = Router(prefix="/in", middleware=[TimeoutMiddleware(60)])

    @deadline(0.05)
    class Slow(Controller, path="/c"):
        @get("/class")
        async def of_class(self) -> None:
            await anyio.sleep_forever()

        @get("/method")
        @deadline(60)
        async def of_method(self) -> str:
            await anyio.sleep(0.4)
            return "done"

    @router.get("/here")
    async def here() -> str:
        await anyio.sleep(0.4)
        return "done"

    app.mount_router(router)
    app.router.add_controller(Slow)
    assert (await ask(app, "GET", "/in/here")).text == "done"
    assert (await ask(app, "GET", "/c/class")).status == 504
    assert (await ask(app, "GET", "/c/method")).text == "done"


async def test_a_handler_of_ones_own_may_answer_it() -> None:
    app, router = NexiosApp(), Router(prefix="/in")

    @router.get("/slow")
    @deadline(0.05)
    async def slow() -> None:
        await anyio.sleep_forever()

    @router.add_exception_handler(TimedOut)
    async def late(request: Any, response: Any, error: TimedOut) -> tuple[str, int]:
        return "late", 504

    app.mount_router(router)
    assert (await ask(app, "GET", "/in/slow")).text == "late"


async def test_a_stream_keeps_what_it_was_made_in_for_as_long_as_it_lasts() -> None:
    log = Log()
    app = app_of(log, request_s=0.1)

    @app.get("/")
    async def parts(session: Session = Depend()) -> StreamingResponse:
        await anyio.lowlevel.checkpoint()

        async def chunks() -> AsyncIterator[str]:
            for part in "abc":
                await anyio.sleep(0.15)
                yield part

        return StreamingResponse(chunks())

    answer = await ask(app, "GET", "/", peer=Peer(stays=True))
    assert (answer.status, answer.body) == (200, b"abc")
    assert log.seen == ["committed"]


async def test_a_client_that_leaves_ends_reading_and_not_writing() -> None:
    log = Log()
    app = app_of(log)
    finished = anyio.Event()

    async def work(session: Session = Depend()) -> str:
        await anyio.sleep(2.0)
        finished.set()
        return "done"

    app.get("/", work)
    app.post("/", work)
    with pytest.raises(AssertionError, match="nothing was answered"):
        await ask(app, "GET", "/", peer=Peer((), leaves=True))
    assert (finished.is_set(), log.seen) == (False, ["CancelledError"])
    assert (await ask(app, "POST", "/", peer=Peer((), leaves=True))).text == "done"
    assert (finished.is_set(), log.seen[1:]) == (True, ["committed"])


async def test_what_the_application_still_does_when_it_stops_is_cancelled() -> None:
    log = Log()
    app = app_of(log)
    app.check()
    begun = anyio.Event()

    @app.get("/")
    async def wait(session: Session = Depend()) -> None:
        begun.set()
        await anyio.sleep_forever()

    peer = Peer()

    async def request() -> None:
        await ask(app, "GET", "/", peer=peer)

    incoming, tell = anyio.create_memory_object_stream[dict[str, Any]](2), []
    send, receive = incoming

    started = anyio.Event()

    async def said(message: Any) -> None:
        tell.append(message["type"])
        started.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, {"type": "lifespan", "asgi": {}}, receive.receive, said)
        await send.send({"type": "lifespan.startup"})
        await started.wait()
        tasks.start_soon(request)
        await begun.wait()
        await send.send({"type": "lifespan.shutdown"})
    send.close()
    receive.close()
    assert tell == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert peer.answer().status == 503
    assert peer.answer().header("retry-after") == "1"
    assert log.seen == ["CancelledError"]


async def test_aborted_requests_leave_no_flight_behind() -> None:
    app = NexiosApp(config=MakeConfig(limits={"request_s": 0.1}))

    @app.get("/{n:int}")
    async def work(n: int) -> str:
        await anyio.sleep_forever() if n % 2 else await anyio.lowlevel.checkpoint()
        if n % 4 == 0:
            raise KeyError(n)
        return "done"

    statuses: list[int] = []

    async def request(n: int) -> None:
        statuses.append((await ask(app, "GET", f"/{n}")).status)

    async with anyio.create_task_group() as tasks:
        for n in range(40):
            tasks.start_soon(request, n)
    assert {one: statuses.count(one) for one in set(statuses)} == {200: 10, 500: 10, 504: 20}
    assert len(app._house.gateway.flights) == 0  # type: ignore[union-attr]


async def test_what_cannot_wait_has_no_scope() -> None:
    app = NexiosApp()

    class Sync: ...

    async def made() -> AsyncIterator[Sync]:
        yield Sync()

    @app.get("/none/{n:int}")
    async def none(n: int, sync: Sync = Depend(made)) -> dict[str, int]:
        return {"n": n}

    @app.post("/body")
    async def body(value: dict[str, int]) -> dict[str, int]:
        return value

    @app.get("/waits")
    async def waits() -> str:
        await anyio.lowlevel.checkpoint()
        return ""

    @app.get("/inner")
    async def inner(session: Session = Depend(slow_session)) -> str:
        return ""

    found = {point.label: app.container.waits(point) for point in app_points(app)}
    ours = ("/none", "/body", "/waits", "/inner")
    assert [found[label] for path in ours for label in found if path in label] == [
        *(False, False),
        *(True, True),
    ]


async def slow_session() -> Session:
    await anyio.lowlevel.checkpoint()
    return Session()


def app_points(app: NexiosApp) -> tuple[Any, ...]:
    app.check()
    return app._house.gateway.routes.points  # type: ignore[union-attr]


async def test_a_scope_around_a_shield_lets_it_come_to_its_end() -> None:
    log: list[str] = []
    flights = InFlight(Waits())
    flight = flights.begin(0.01, False, None)
    became: Exception | None = None
    try:
        async with anyio.create_task_group() as watchers:
            flights.look(flight.began + 5, watchers)
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
                log.append("commit")
        await anyio.sleep_forever()
    except BaseException as error:
        became = flights.failed(flight, error)
    assert isinstance(became, TimedOut)
    assert log == ["commit"]
    assert (flight.why, len(flights)) == (End.TIME, 0)
