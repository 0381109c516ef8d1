"""Routes that are cancelled with their client, and the options beside it."""

import socket
import time
from typing import Any

import pytest

from nexios import NexiosApp
from nexios.adapters.http.router import Router
from tests.support.asgi import Served
from tests.support.server import serving


@pytest.mark.parametrize(("option", "ended"), [(True, "cancelled"), (False, "finished")])
def test_cancel_on_disconnect_over_a_real_server(option: bool, ended: str) -> None:
    import anyio

    app, log = NexiosApp(), []

    @app.post("/slow/{name}", cancel_on_disconnect=option)
    async def slow(request, response, name):  # type: ignore[no-untyped-def]
        body = await request.body
        log.append(f"{name} began {body.decode()}")
        try:
            await anyio.sleep(1.0)
            log.append("finished")
        except BaseException:
            log.append("cancelled")
            raise

    with serving(app) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(b"POST /slow/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            _until(lambda: log == ["x began hi"])
        _until(lambda: len(log) == 2)
    assert log == ["x began hi", ended]


@pytest.mark.asyncio
async def test_a_handler_whose_client_stays_answers_and_raises_as_ever() -> None:
    router = Router()

    @router.get("/{n:int}", cancel_on_disconnect=True)
    async def show(n: int) -> Any:
        if n == 0:
            raise KeyError("zero")
        return {"n": n}

    async with Served(router) as app:
        assert (await app.get("/3")).json() == {"n": 3}
        assert (await app.get("/0")).status == 500
        error, _, where = app.reports[0]
    assert isinstance(error, KeyError)
    assert where == "/{n:int}"


def test_a_priority_is_one_of_three() -> None:
    router = Router()
    router.get("/a", lambda: "", priority="critical")
    with pytest.raises(TypeError, match="priority is one of normal, critical, sheddable"):
        router.get("/b", lambda: "", priority="urgent")  # type: ignore[arg-type]


def _until(true: Any) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)
