"""Refusing what would not be finished in time."""

import anyio
import pytest

from nexios import MakeConfig, NexiosApp
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.application.errors import Overloaded
from nexios.middleware import LoadSheddingMiddleware
from nexios.testing.client import AsyncTestClient
from tests.support.asgi import Answer, Peer, ask

pytestmark = pytest.mark.asyncio

BAD, GOOD = 0.05, 0.001


class Crowd:
    """An application where so many requests wait until they are let go."""

    def __init__(self, shedder: LoadSheddingMiddleware, config: MakeConfig | None = None) -> None:
        self.shedder = shedder
        self.app = NexiosApp(config=config)
        self.app.add_middleware(shedder)
        self.go = anyio.Event()
        self.answers: list[Answer] = []

        @self.app.get("/wait")
        async def wait() -> str:
            await self.go.wait()
            return "done"

        @self.app.get("/")
        async def normal() -> str:
            return "normal"

        @self.app.get("/pay", priority="critical")
        async def pay() -> str:
            return "paid"

        @self.app.get("/hints/{n:int}", priority="sheddable")
        async def hints(n: int) -> str:
            return f"hint {n}"

        @self.app.get("/hints/main")
        async def main() -> str:
            return "main"

    async def wait(self) -> None:
        self.answers.append(await ask(self.app, "GET", "/wait"))

    async def status(self, target: str, **headers: str) -> int:
        return (await ask(self.app, "GET", target, headers=headers)).status


async def test_hundreds_that_wait_on_a_prompt_loop_all_pass() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    async with anyio.create_task_group() as tasks:
        for _ in range(400):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        assert crowd.shedder.running == 400
        for _ in range(50):
            crowd.shedder.window(GOOD)
        assert await crowd.status("/") == 200
        crowd.go.set()
    assert {one.status for one in crowd.answers} == {200}
    assert (crowd.shedder.running, crowd.shedder.refused) == (0, 0)


async def test_over_the_limit_is_503_by_priority() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        crowd.shedder.window(BAD)
        assert crowd.shedder.limit is None
        crowd.shedder.window(BAD)
        assert crowd.shedder.limit == 5
        assert await crowd.status("/health/live") == 200
        assert await crowd.status("/pay") == 200
        told = [await ask(crowd.app, "GET", "/") for _ in range(20)]
        assert {one.status for one in told} == {503}
        assert {one.json()["type"] for one in told} == {"urn:nexios:problem:overloaded"}
        assert {one.header("retry-after") for one in told} == {"1", "2", "3"}
        closing = [index for index, one in enumerate(told, 1) if one.header("connection")]
        assert closing == [10, 20]
        crowd.go.set()
    assert crowd.shedder.running == 0
    assert await crowd.status("/") == 200


async def test_sheddable_goes_first_and_the_table_says_what_is() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        crowd.shedder.window(BAD)
        crowd.shedder.window(BAD)
        crowd.go.set()
    crowd.go = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        assert crowd.shedder.limit == 10
        assert await crowd.status("/hints/1") == 503
        assert await crowd.status("/hints/main") == 200
        assert await crowd.status("/") == 200
        assert await crowd.status("/", priority="u=7") == 503  # of a proxy on this machine
        assert await crowd.status("/", priority="i, u=2") == 200
        assert await crowd.status("/pay", priority="u=7") == 200
        assert await crowd.status("/hints/1", priority="u=0") == 503
        crowd.go.set()


async def test_nobody_but_a_trusted_proxy_says_what_may_go() -> None:
    crowd = Crowd(LoadSheddingMiddleware(), MakeConfig(trusted_proxies=[]))
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        crowd.shedder.window(BAD)
        crowd.shedder.window(BAD)
        crowd.go.set()
    assert crowd.shedder.limit == 4
    crowd.go = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        assert await crowd.status("/", priority="u=7") == 200
        crowd.go.set()


async def test_routes_added_late_have_their_priority() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    assert await crowd.status("/") == 200

    async def late() -> str:
        return "late"

    crowd.app.get("/late", priority="critical")(late)
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        crowd.shedder.window(BAD)
        crowd.shedder.window(BAD)
        assert await crowd.status("/") == 503
        assert await crowd.status("/late") == 200
        crowd.go.set()


async def test_a_client_that_has_left_is_not_worked_for() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    crowd.shedder.window(BAD)
    crowd.shedder.window(BAD)
    assert crowd.shedder.limit == 2
    seen: list[str] = []

    @crowd.app.get("/seen")
    async def note() -> str:
        seen.append("worked")
        return ""

    gone = Peer((), leaves=True)
    with pytest.raises(AssertionError, match="nothing was answered"):
        await ask(crowd.app, "GET", "/seen", peer=gone)
    assert seen == []
    assert await crowd.status("/seen") == 200
    assert crowd.shedder.running == 0


async def test_a_body_is_read_whole_after_the_look_for_its_client() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    crowd.shedder.window(BAD)
    crowd.shedder.window(BAD)

    @crowd.app.post("/echo")
    async def echo(request: Request) -> str:
        return (await request.body).decode()

    peer = Peer((b"one ", b"two ", b"three"))
    answer = await ask(crowd.app, "POST", "/echo", peer=peer)
    assert answer.text == "one two three"


async def test_a_ceiling_holds_on_a_prompt_loop_and_has_a_line_before_it() -> None:
    crowd = Crowd(LoadSheddingMiddleware(max_running=2, max_waiting=1, wait_s=60))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        assert crowd.shedder.running == 2
        assert await crowd.status("/") == 503
        assert await crowd.status("/pay") == 200
        crowd.go.set()
    assert [one.status for one in crowd.answers] == [200, 200, 200]


async def test_the_section_says_what_the_middleware_does_not() -> None:
    config = MakeConfig(shedding={"target_lag_s": 0.5, "max_running": 1})
    crowd = Crowd(LoadSheddingMiddleware(), config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        crowd.shedder.window(0.4)
        crowd.shedder.window(0.4)
        assert crowd.shedder.limit is None
        assert await crowd.status("/") == 503
        crowd.go.set()


async def test_on_a_router_it_is_a_ceiling_for_that_part() -> None:
    shedder, go = LoadSheddingMiddleware(max_running=1), anyio.Event()
    router = Router(prefix="/in", middleware=[shedder])

    @router.get("/wait")
    async def wait() -> str:
        await go.wait()
        return "done"

    app = NexiosApp()
    app.mount_router(router)
    app.get("/out")(wait)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, app, "GET", "/in/wait")
        tasks.start_soon(ask, app, "GET", "/out")
        await anyio.wait_all_tasks_blocked()
        assert (await ask(app, "GET", "/in/wait")).status == 503
        go.set()


async def test_the_application_looks_at_its_loop_while_it_runs() -> None:
    crowd = Crowd(LoadSheddingMiddleware())
    async with AsyncTestClient(crowd.app) as client:
        assert (await client.get("/")).status_code == 200
        crowd.shedder.window(BAD)
        crowd.shedder.window(BAD)
        assert crowd.shedder.limit == 2
    # Nobody looks any more, so nothing could take the limit away.
    assert crowd.shedder.limit is None


async def test_a_handler_of_ones_own_may_answer_it() -> None:
    crowd = Crowd(LoadSheddingMiddleware(max_running=1))

    @crowd.app.exception_handler(Overloaded)
    async def busy(request: Request, response: object, error: Overloaded) -> tuple[str, int]:
        return "busy", 503

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crowd.wait)
        await anyio.wait_all_tasks_blocked()
        assert (await ask(crowd.app, "GET", "/")).text == "busy"
        crowd.go.set()


async def test_one_instance_serves_one_application() -> None:
    shedder = LoadSheddingMiddleware()
    first, second = NexiosApp(middleware=[shedder]), NexiosApp(middleware=[shedder])
    first.check()
    with pytest.raises(RuntimeError, match="two applications"):
        second.check()


@pytest.mark.parametrize(
    "wrong",
    [{"target_lag_s": 0}, {"max_running": 0}, {"max_waiting": -1}, {"wait_s": 0}],
)
async def test_numbers_are_above_zero(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        LoadSheddingMiddleware(**wrong)  # type: ignore[arg-type]
