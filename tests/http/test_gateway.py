"""The gateway: every exception has its answer, and nothing inside shows outside."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from nexios import Depend, HTTPException, JSONResponse, NotFoundException, Request, Response
from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.http.handlers import HandlerFailed
from nexios.adapters.http.pipeline import CallNext
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.errors import (
    Forbidden,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from nexios.application.sections.answers import NotFoundSettings
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
)
from tests.support.asgi import Peer, Served, ask

pytestmark = pytest.mark.asyncio


def raising(error: BaseException | Callable[[], BaseException], **given: Any) -> Router:
    router = Router(**given)

    @router.get("/orders/{n}")
    async def handler(n: str) -> None:
        raise error() if callable(error) else error

    return router


class PaymentRefused(RuleViolated):
    pass


# Hostile and broken first.


async def test_no_internals_outside_debug() -> None:
    class SecretTableError(Exception):
        pass

    def fail() -> BaseException:
        error = SecretTableError("SELECT password FROM users -- /srv/app.py")
        error.add_note("dsn=postgres://user:hunter2@db")
        return error

    async with Served(raising(fail)) as served:
        answer = await served.get("/orders/hunter2")
        assert answer.status == 500
        assert answer.header("content-type") == "application/problem+json"
        for word in (b"SecretTable", b"SELECT", b"/srv", b"Traceback", b"postgres"):
            assert word not in answer.body
        ((error, error_id, where),) = served.reports
    assert isinstance(error, SecretTableError)
    assert where == "/orders/{n}"
    assert answer.json()["error_id"] == error_id


async def test_debug_shows_what_happened_and_only_then() -> None:
    settings = HttpSettings(debug=True)
    async with Served(raising(RuntimeError("the cause")), settings=settings) as served:
        answer = await served.get("/orders/1")
    assert answer.status == 500
    assert b"the cause" in answer.body


async def test_a_peer_that_leaves_is_not_answered_and_is_no_error() -> None:
    events: list[str] = []

    async def session():  # type: ignore[no-untyped-def]
        try:
            yield "s"
        except ClientDisconnect:
            events.append("told")
            raise
        finally:
            events.append("cleaned")

    router = Router()

    @router.post("/")
    async def handler(request: Request, s: str = Depend(session)) -> None:
        await request.body

    @router.post("/typed")
    async def typed(data: dict[str, int]) -> None: ...

    async with Served(router) as served:
        for path in ("/", "/typed"):
            peer = Peer((b'{"a"',), leaves=True)
            with pytest.raises(AssertionError, match="nothing was answered"):
                await served.post(path, headers={"content-type": "application/json"}, peer=peer)
        assert served.reports == []
    assert events == ["told", "cleaned"]


async def test_a_peer_that_is_gone_when_the_answer_goes_out_is_no_error() -> None:
    class Gone(Peer):
        async def send(self, message: Any) -> None:
            raise OSError("gone")

    async with Served(Router()) as served:
        with pytest.raises(AssertionError, match="nothing was answered"):
            await ask(served.gateway, "GET", "/", peer=Gone())
        assert served.reports == []


async def test_405_then_200() -> None:
    router = Router()
    router.get("/u/me", lambda: "me", threaded=False)
    router.post("/u/{n}", lambda n: n, threaded=False)
    async with Served(router) as served:
        for _ in range(1000):
            refused = await served.call("DELETE", "/u/me")
            assert refused.status == 405
        assert refused.header("allow") == "GET, HEAD, OPTIONS, POST"
        assert (await served.get("/u/me")).text == "me"
        assert (await served.post("/u/me")).text == "me"


async def test_twenty_requests_never_mix() -> None:
    router = Router()

    @router.post("/{n:int}")
    async def handler(request: Request, response: Response, n: int, data: dict[str, int]) -> Any:
        await anyio.lowlevel.checkpoint()
        response.set_header("x-n", request.headers["x-n"] or "")
        await anyio.lowlevel.checkpoint()
        response.set_cookie("n", request.cookies["n"])
        return [n, data["n"]]

    async with Served(router) as served:

        async def one(n: int) -> None:
            headers = {"x-n": str(n), "cookie": f"n={n}"}
            answer = await served.post(f"/{n}", headers=headers, as_json={"n": n})
            assert answer.json() == [n, n]
            assert answer.header("x-n") == str(n)
            assert (answer.header("set-cookie") or "").startswith(f"n={n};")

        async with anyio.create_task_group() as tasks:
            for n in range(20):
                tasks.start_soon(one, n)


# The table.


def _after(seconds: int) -> dict[str, str]:
    return {"retry-after": str(seconds)}


@pytest.mark.parametrize(
    ("error", "status", "kind", "headers"),
    [
        (HTTPException(418, "tea", {"x-a": "1"}), 418, "about:blank", {"x-a": "1"}),
        (NotFoundException(), 404, "about:blank", {}),
        (InvalidValue("bad"), 422, "urn:nexios:problem:invalid-value", {}),
        (NotFound("gone"), 404, "urn:nexios:problem:not-found", {}),
        (PaymentRefused("no"), 409, "urn:nexios:problem:payment-refused", {}),
        (AlreadyExists("twice"), 409, "urn:nexios:problem:already-exists", {}),
        (Conflict("changed"), 409, "urn:nexios:problem:conflict", {}),
        (NotAllowed("no"), 403, "urn:nexios:problem:not-allowed", {}),
        (Forbidden("no"), 403, "urn:nexios:problem:forbidden", {}),
        (Unauthenticated("who"), 401, "urn:nexios:problem:unauthenticated", {}),
        (
            RateLimited(retry_after_s=2),
            429,
            "urn:nexios:problem:rate-limited",
            {"retry-after": "2"},
        ),
        (Overloaded(retry_after_s=1), 503, "urn:nexios:problem:overloaded", _after(1)),
        (Unavailable(), 503, "urn:nexios:problem:unavailable", {}),
        (TimedOut(), 504, "urn:nexios:problem:timed-out", {}),
        (OutcomeUnknown(), 503, "urn:nexios:problem:outcome-unknown", {}),
    ],
)
async def test_table_row_by_row(
    error: Exception, status: int, kind: str, headers: dict[str, str]
) -> None:
    async with Served(raising(error)) as served:
        answer = await served.get("/orders/1")
        assert served.reports == []
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == (kind, status)
    assert problem["instance"] == "/orders/1"
    for name, value in headers.items():
        assert answer.header(name) == value


async def test_conflict_is_412_when_the_request_was_conditional() -> None:
    async with Served(raising(Conflict("changed"))) as served:
        assert (await served.get("/orders/1", headers={"if-match": '"1"'})).status == 412


async def test_exception_groups() -> None:
    def group(*errors: Exception) -> ExceptionGroup[Exception]:
        return ExceptionGroup("several", list(errors))

    for error, status in (
        (group(NotFound("a")), 404),
        (group(group(NotFound("a"))), 404),
        (group(NotFound("a"), RuleViolated("b")), 409),
        (group(NotFound("a"), KeyError("b")), 500),
    ):
        async with Served(raising(error)) as served:
            answer = await served.get("/orders/1")
            assert answer.status == status, error
            assert len(served.reports) == (status == 500)


async def test_cancellation_and_exit_are_never_answered() -> None:
    for error in (KeyboardInterrupt(), SystemExit(1)):
        async with Served(raising(error), exception_handlers={Exception: _text("x")}) as served:
            with pytest.raises(type(error)):
                await served.get("/orders/1")


# Who answers.


def _text(text: str) -> Callable[..., Any]:
    async def handler(request: Request, response: Response, error: Exception) -> Any:
        return response.text(text)

    return handler


async def test_class_over_status_over_catch_all_over_table() -> None:
    handlers: dict[Any, Any] = {}
    async with Served(raising(PaymentRefused("no")), exception_handlers=handlers) as served:
        for key, text in (
            (Exception, "catch-all"),
            (409, "status"),
            (RuleViolated, "base class"),
            (PaymentRefused, "class"),
        ):
            handlers[key] = _text(text)
            served.gateway.configure(exception_handlers=handlers)
            answer = await served.get("/orders/1")
            assert (answer.status, answer.text) == (409, text)


async def test_innermost_router_answers_and_status_catches_the_routers_own() -> None:
    inner = raising(NotFound("a"), prefix="/in", exception_handlers={NotFound: _text("inner")})
    outer = raising(NotFound("b"), exception_handlers={NotFound: _text("outer")})
    outer.mount_router(inner)

    @inner.get("/rule")
    async def rule() -> None:
        raise RuleViolated("c")

    async with Served(
        outer, exception_handlers={404: _text("status"), RuleViolated: _text("app")}
    ) as served:
        assert (await served.get("/in/orders/1")).text == "inner"
        assert (await served.get("/orders/1")).text == "outer"
        assert (await served.get("/in/rule")).text == "app"
        missed = await served.get("/none")
        assert (missed.status, missed.text) == (404, "status")


async def test_status_500_handler_answers_every_500() -> None:
    async with Served(raising(KeyError("x")), exception_handlers={500: _text("sorry")}) as served:
        answer = await served.get("/orders/1")
    assert (answer.status, answer.text) == (500, "sorry")


async def test_405_may_be_answered_by_status_and_keeps_allow_in_the_error() -> None:
    async def handler(request: Request, response: Response, error: HTTPException) -> Any:
        return {"allow": error.headers["allow"]}

    async with Served(raising(KeyError()), exception_handlers={405: handler}) as served:
        answer = await served.post("/orders/1")
    assert (answer.status, answer.json()) == (405, {"allow": "GET, HEAD, OPTIONS"})


async def test_handler_inherits_status_unless_it_sets_one() -> None:
    async def plain(request: Request, response: Response, error: Exception) -> Any:
        return {"a": 1}

    def sync(request: Request, response: Response, error: Exception) -> Any:
        response.status(418)
        return {"a": 1}

    async def by_tuple(request: Request, response: Response, error: Exception) -> Any:
        return {"a": 1}, 419

    async def final(request: Request, response: Response, error: Exception) -> Any:
        return JSONResponse({"a": 1}, status_code=420)

    async def nothing(request: Request, response: Response, error: Exception) -> None: ...

    for handler, status, body in (
        (plain, 403, {"a": 1}),
        (sync, 418, {"a": 1}),
        (by_tuple, 419, {"a": 1}),
        (final, 420, {"a": 1}),
        (nothing, 403, None),
    ):
        served = Served(raising(Forbidden("no")), exception_handlers={Forbidden: handler})
        async with served:
            answer = await served.get("/orders/1")
            assert answer.status == status
            assert (answer.json() if answer.body else None) == body


async def test_headers_set_before_an_error_stay_and_those_of_the_lost_body_go() -> None:
    router = Router()

    @router.get("/")
    async def handler(response: Response) -> None:
        response.set_cookie("a", "1").set_header("x-a", "1").html("<p>half").etag("t").status(201)
        raise RuleViolated("no")

    for handlers in ({}, {RuleViolated: _text("no")}):
        async with Served(router, exception_handlers=handlers) as served:
            answer = await served.get("/")
        assert answer.status == 409
        assert answer.header("x-a") == "1"
        assert len(answer.headers("set-cookie")) == 1
        assert answer.header("etag") is None
        assert len(answer.headers("content-type")) == 1
        assert "html" not in (answer.header("content-type") or "")


async def test_handler_that_raises_gives_500_with_both_in_one_report() -> None:
    async def broken(request: Request, response: Response, error: Exception) -> None:
        raise KeyError("second")

    for key in (RuleViolated, Exception, 409):
        async with Served(raising(RuleViolated("a")), exception_handlers={key: broken}) as served:
            assert (await served.get("/orders/1")).status == 500
            ((error, _, _),) = served.reports
        assert isinstance(error, HandlerFailed)
        assert [type(one) for one in error.exceptions] == [RuleViolated, KeyError]


async def test_handler_that_raises_a_tabled_error_gets_its_row() -> None:
    async def turning(request: Request, response: Response, error: Exception) -> None:
        raise NotFound("hidden")

    served = Served(raising(NotAllowed("no")), exception_handlers={NotAllowed: turning})
    async with served:
        assert (await served.get("/orders/1")).status == 404
        assert served.reports == []


async def test_server_error_handler_wins_in_debug_too_and_may_fail() -> None:
    async def sorry(request: Request, response: Response, error: Exception) -> Any:
        return response.text(type(error).__name__)

    def broken(request: Request, response: Response, error: Exception) -> Any:
        raise OSError("again")

    for debug in (False, True):
        served = Served(
            raising(KeyError("x")),
            server_error_handler=sorry,
            settings=HttpSettings(debug=debug),
        )
        async with served:
            answer = await served.get("/orders/1")
            assert (answer.status, answer.text) == (500, "KeyError")
            assert len(served.reports) == 1
    async with Served(raising(KeyError("x")), server_error_handler=broken) as served:
        answer = await served.get("/orders/1")
        assert answer.status == 500
        assert answer.json()["title"] == "Internal Server Error"
        assert [type(error) for error, _, _ in served.reports] == [KeyError, OSError]


async def test_errors_of_middleware_are_answered_by_the_same_table() -> None:
    async def refusing(request: Request, response: Response, call_next: CallNext) -> Any:
        raise RateLimited(retry_after_s=5)

    async def breaking(request: Request, response: Response, call_next: CallNext) -> Any:
        await call_next()
        raise RuntimeError("after")

    router = Router()
    router.get("/", lambda: "a")
    async with Served(router, middleware=[refusing]) as served:
        answer = await served.get("/")
        assert (answer.status, answer.header("retry-after")) == (429, "5")
    async with Served(router, middleware=[breaking]) as served:
        assert (await served.get("/")).status == 500
        assert len(served.reports) == 1


async def test_a_guard_that_refuses_opens_nothing() -> None:
    opened: list[str] = []

    async def connection():  # type: ignore[no-untyped-def]
        opened.append("open")
        yield "c"

    async def closed(connection: Request) -> None:
        raise Unauthenticated("who")

    router = Router()

    @router.get("/", guards=[closed])
    async def handler(page: int, c: str = Depend(connection)) -> str:
        return c

    async with Served(router) as served:
        assert (await served.get("/?page=x")).status == 401
    assert opened == []


async def test_a_hook_that_breaks_is_a_500_and_not_the_end_of_the_connection() -> None:
    def breaking(headers: Any) -> None:
        raise RuntimeError("in a hook")

    async def hooking(request: Request, response: Response, call_next: CallNext) -> Any:
        response.on_send(breaking)
        return await call_next()

    router = Router()
    router.get("/", lambda: "a")
    async with Served(router, middleware=[hooking]) as served:
        answer = await served.get("/")
        assert answer.status == 500
        assert b"hook" not in answer.body
        assert str(served.reports[0][0]) == "in a hook"


async def test_the_answer_to_a_broken_hook_has_what_the_others_add() -> None:
    router = Router()

    @router.get("/")
    async def handler(request: Request, response: Response) -> Response:
        response.on_send(((b"x-first", b"1"),))
        response.on_send(lambda headers: headers.update({"x": "a\r\nb"}))
        return response.on_send(((b"x-last", b"1"),)).json("never sent")

    async with Served(router) as served:
        answer = await served.get("/")
    assert (answer.status, len(served.reports)) == (500, 2)
    assert (answer.header("x-first"), answer.header("x-last")) == ("1", "1")
    assert answer.headers("x") == []


async def test_a_tagged_answer_meets_the_conditions_of_the_request() -> None:
    router = Router()

    @router.get("/")
    async def show(response: Response) -> Response:
        return response.json({"a": 1}).etag("v1").set_header("x-kept", "1")

    async with Served(router) as served:
        assert (await served.get("/", headers={"if-none-match": '"v1"'})).status == 304
        refused = await served.get("/", headers={"if-match": '"v2"'})
        assert (refused.status, refused.json()["title"]) == (412, "Precondition Failed")
        assert refused.header("etag") is None
        assert refused.header("x-kept") == "1"
        assert served.reports == []


# Groups of errors.


def group_of(*errors: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("several", list(errors))


class Failures(ExceptionGroup[Exception]):
    pass


async def test_a_handler_for_a_group_comes_before_those_for_its_leaves() -> None:
    handlers: dict[Any, Any] = {NotFound: _text("leaf"), ExceptionGroup: _text("group")}
    for error, status in ((group_of(NotFound("a")), 404), (group_of(KeyError()), 500)):
        async with Served(raising(error), exception_handlers=handlers) as served:
            answer = await served.get("/orders/1")
            assert (answer.status, answer.text) == (status, "group")
    handlers[Failures] = _text("own group")
    own = Failures("several", [NotFound("a"), RuleViolated("b")])
    async with Served(raising(own), exception_handlers=handlers) as served:
        answer = await served.get("/orders/1")
        assert (answer.status, answer.text) == (409, "own group")


async def test_a_handler_for_its_one_leaf_answers_a_group_nobody_else_does() -> None:
    for key in (NotFound, 404, Exception):
        served = Served(raising(group_of(NotFound("a"))), exception_handlers={key: _text("x")})
        async with served:
            answer = await served.get("/orders/1")
            assert (answer.status, answer.text) == (404, "x")


async def test_several_leaves_list_the_others_and_an_unmapped_one_is_logged_with_all() -> None:
    async with Served(raising(group_of(NotFound("a"), RuleViolated("b")))) as served:
        answer = await served.get("/orders/1")
    assert (answer.status, answer.json()["detail"]) == (409, "b")
    assert [other["detail"] for other in answer.json()["errors"]] == ["a"]
    error = group_of(NotFound("a"), group_of(KeyError("b")))
    async with Served(raising(error)) as served:
        answer = await served.get("/orders/1")
        assert answer.status == 500
        assert "errors" not in answer.json()
        ((reported, _, _),) = served.reports
    assert reported is error


async def test_peers_that_left_are_no_errors_of_a_group() -> None:
    gone = group_of(ClientDisconnect(), group_of(ClientDisconnect()))
    async with Served(raising(gone)) as served:
        with pytest.raises(AssertionError, match="nothing was answered"):
            await served.get("/orders/1")
        assert served.reports == []
    async with Served(raising(group_of(ClientDisconnect(), NotFound("a")))) as served:
        assert (await served.get("/orders/1")).status == 404


async def test_readers_in_a_task_group_learn_that_the_peer_left() -> None:
    router = Router()

    @router.post("/")
    async def handler(request: Request) -> None:
        async def read() -> None:
            await request.body

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(read)

    async with Served(router) as served:
        with pytest.raises(AssertionError, match="nothing was answered"):
            await served.post("/", peer=Peer((b"a",), leaves=True))
        assert served.reports == []


async def test_a_500_is_a_page_where_the_settings_say_so() -> None:
    settings = HttpSettings(not_found=NotFoundSettings(use_html=True))
    async with Served(raising(KeyError("secret")), settings=settings) as served:
        page = await served.get("/orders/1", headers={"accept": "text/html"})
        problem = await served.get("/orders/1", headers={"accept": "*/*"})
    assert (page.status, page.header("content-type")) == (500, "text/html; charset=utf-8")
    assert served.reports[0][1] in page.text
    assert "secret" not in page.text
    assert problem.json()["error_id"] == served.reports[1][1]
