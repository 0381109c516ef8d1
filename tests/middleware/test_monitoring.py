"""The sink of 2.11 among the signals."""

from typing import Any

import pytest

from nexios import NexiosApp
from nexios.application.listening import NotListening
from nexios.application.signals import RequestFinished, RequestStarted
from nexios.middleware import MonitoringMiddleware
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


def app_with(sink: Any) -> NexiosApp:
    app = NexiosApp()
    app.add_middleware(MonitoringMiddleware(sink))

    @app.get("/users/{id:int}")
    async def user(id: int) -> str:
        return str(id)

    return app


async def test_a_sink_is_told_of_each_request_by_its_template() -> None:
    heard: list[RequestFinished] = []
    app = app_with(heard.append)
    for number in range(3):
        assert (await ask(app, "GET", f"/users/{number}")).text == str(number)
    assert [(one.route, one.status) for one in heard] == [("/users/{id:int}", 200)] * 3


async def test_a_listener_says_what_it_wants() -> None:
    class Sink:
        listens_to = (RequestStarted,)

        def __init__(self) -> None:
            self.heard: list[object] = []

        def __call__(self, event: object) -> None:
            self.heard.append(event)

    sink = Sink()
    await ask(app_with(sink), "GET", "/users/1")
    assert len(sink.heard) == 1


async def test_a_sink_that_fails_stops_nobody() -> None:
    def broken(event: object) -> None:
        raise LookupError

    app = app_with(broken)
    assert (await ask(app, "GET", "/users/1")).status == 200
    assert app.signals.failures == 1


async def test_a_sink_nobody_would_await_is_refused_at_start() -> None:
    async def sink(event: object) -> None: ...

    with pytest.raises(NotListening):
        app_with(sink).check()
