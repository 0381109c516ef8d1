"""Class middleware of one's own."""

import asyncio
from typing import Any

import pytest

from nexios.app import NexiosApp
from nexios.middleware.base import BaseMiddleware
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio


def app_with(middleware: Any) -> NexiosApp:
    app = NexiosApp()
    app.add_middleware(middleware)

    @app.get("/{name}")
    async def index(request: Any, response: Any, name: str) -> Any:
        await asyncio.sleep(0)
        return response.set_header("x-name", name).json(name)

    return app


async def get(app: NexiosApp, path: str = "/a") -> Answer:
    return await ask(app, "GET", path)


async def test_a_class_that_overrides_nothing_changes_nothing() -> None:
    answer = await get(app_with(BaseMiddleware()))
    assert (answer.status, answer.json(), answer.header("x-name")) == (200, "a", "a")


async def test_both_halves_run_around_the_inner_answer() -> None:
    class Both(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            request.state.seen = "before"
            return await call_next()

        async def process_response(self, request: Any, response: Any) -> Any:
            response.set_header("x-seen", request.state.seen)
            return response

    answer = await get(app_with(Both()))
    assert (answer.json(), answer.header("x-seen")) == ("a", "before")


async def test_the_second_half_is_skipped_when_the_first_answered_itself() -> None:
    ran: list[str] = []

    class Early(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            return {"early": True}, 202

        async def process_response(self, request: Any, response: Any) -> Any:
            ran.append("ran")

    answer = await get(app_with(Early()))
    assert (answer.status, answer.json()) == (202, {"early": True})
    assert ran == []


async def test_another_value_after_call_next_reaches_the_second_half() -> None:
    class Replaced(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            await call_next()
            return {"replaced": True}

        async def process_response(self, request: Any, response: Any) -> Any:
            response.set_header("x-body", response.body.decode())

    answer = await get(app_with(Replaced()))
    assert answer.json() == {"replaced": True}
    assert answer.header("x-body") == '{"replaced":true}'


async def test_an_exception_may_be_caught_there() -> None:
    class Catching(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            try:
                return await call_next()
            except ZeroDivisionError:
                return response.json("caught", 418)

    app = app_with(Catching())

    @app.get("/zero/division")
    async def zero(request: Any, response: Any) -> Any:
        return response.json(1 / 0)

    answer = await get(app, "/zero/division")
    assert (answer.status, answer.json()) == (418, "caught")


async def test_one_instance_under_a_hundred_requests_mixes_nothing() -> None:
    class Marked(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            request.state.name = request.path
            await asyncio.sleep(0)
            await call_next()

        async def process_response(self, request: Any, response: Any) -> Any:
            response.set_header("x-path", request.state.name)

    middleware = Marked()
    app = app_with(middleware)
    answers = await asyncio.gather(*(get(app, f"/{number}") for number in range(100)))
    for number, answer in enumerate(answers):
        assert answer.header("x-name") == str(number)
        assert answer.header("x-path") == f"/{number}"
    assert vars(middleware) == {}


async def test_calling_next_twice_is_refused_by_name() -> None:
    class Twice(BaseMiddleware):
        async def process_request(self, request: Any, response: Any, call_next: Any) -> Any:
            await call_next()
            with pytest.raises(RuntimeError, match="Twice"):
                await call_next()

    assert (await get(app_with(Twice()))).status == 200


async def test_the_face_has_every_middleware_and_loads_some_of_them_late() -> None:
    import nexios.middleware as face

    for name in face.__all__:
        assert getattr(face, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Sessions'"):
        face.Sessions  # noqa: B018
