"""A time limit for the head of an answer, as middleware."""

from collections.abc import AsyncIterator

import anyio
import pytest

from nexios import Module, NexiosApp
from nexios.adapters.http.router import Router
from nexios.container.depend import Depend
from nexios.middleware import TimeoutMiddleware
from tests.support.asgi import Peer, ask

pytestmark = pytest.mark.asyncio


class Session: ...


async def test_what_takes_too_long_is_504_and_rolled_back() -> None:
    seen: list[str] = []
    module = Module("data")

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except BaseException:
            seen.append("rolled back")
            raise

    app = NexiosApp(module.export(Session))
    app.add_middleware(TimeoutMiddleware(0.05))

    @app.get("/slow")
    async def slow(session: Session = Depend()) -> str:
        await anyio.sleep(10)
        return "late"

    @app.get("/fast")
    async def fast(session: Session = Depend()) -> str:
        return "in time"

    answer = await ask(app, "GET", "/slow")
    assert (answer.status, answer.json()["detail"]) == (504, "the request took too long")
    assert seen == ["rolled back"]
    assert (await ask(app, "GET", "/fast")).text == "in time"


async def test_a_stream_has_all_the_time_it_needs() -> None:
    app = NexiosApp()
    app.add_middleware(TimeoutMiddleware(0.05))

    @app.get("/")
    async def parts() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep(0.1)
        yield "b"

    assert (await ask(app, "GET", "/", peer=Peer(stays=True))).body == b"ab"


async def test_it_may_stand_on_one_router() -> None:
    router = Router(prefix="/in", middleware=[TimeoutMiddleware(0.05)])
    app = NexiosApp()

    async def slow() -> str:
        await anyio.sleep(0.1)
        return "done"

    router.get("/slow", slow)
    app.get("/slow", slow)
    app.mount_router(router)
    assert (await ask(app, "GET", "/in/slow")).status == 504
    assert (await ask(app, "GET", "/slow")).text == "done"


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_a_limit_is_above_zero(seconds: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TimeoutMiddleware(seconds)
