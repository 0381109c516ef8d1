"""The one table from exceptions to answers, row by row; no internals leave."""

import json
from typing import Any

import pytest

from nexios.adapters.asgi.errors import (
    ClientDisconnect,
    CookiesTooLarge,
    NulInQuery,
    TooManyQueryFields,
)
from nexios.adapters.http import errors as http
from nexios.adapters.http.debug_page import debug_answer
from nexios.adapters.http.problems import (
    internal_error,
    leaves,
    problem_for,
    shed,
)
from nexios.application import errors as application
from nexios.application.errors import Overloaded
from nexios.application.scrub import MASK, is_secret
from nexios.application.showing import shown
from nexios.domain import errors as domain

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/orders", "headers": []}


class OutOfStock(domain.RuleViolated):
    """A user's own error: the nearest row in its MRO holds."""


FAULT = {"in": "query", "name": "page", "pointer": "#/page", "code": "x", "detail": "no"}
TABLE: list[tuple[Exception, int, str]] = [
    (http.HTTPException(418, "teapot"), 418, "about:blank"),
    (http.HTTPException(400), 400, "about:blank"),
    (http.NotFoundException("gone"), 404, "about:blank"),
    (http.MethodNotAllowed("GET, HEAD"), 405, "about:blank"),
    (http.RequestInvalid([FAULT]), 422, "urn:nexios:problem:request-invalid"),
    (http.MalformedBody("bad"), 400, "urn:nexios:problem:malformed-body"),
    (http.JsonTooComplex("deep"), 400, "urn:nexios:problem:json-too-complex"),
    (http.UnsupportedMediaType("kind"), 415, "urn:nexios:problem:unsupported-media-type"),
    (http.BodyTooLarge(9), 413, "urn:nexios:problem:body-too-large"),
    (http.BodyStalled(15.0), 408, "urn:nexios:problem:body-stalled"),
    (http.PaginationError("page"), 400, "urn:nexios:problem:page-invalid"),
    (TooManyQueryFields(256), 400, "urn:nexios:problem:too-many-query-fields"),
    (NulInQuery(), 422, "urn:nexios:problem:nul-in-query"),
    (CookiesTooLarge(64, "pairs"), 431, "urn:nexios:problem:cookies-too-large"),
    (domain.InvalidValue("v"), 422, "urn:nexios:problem:invalid-value"),
    (domain.NotFound("n"), 404, "urn:nexios:problem:not-found"),
    (domain.RuleViolated("r"), 409, "urn:nexios:problem:rule-violated"),
    (domain.AlreadyExists("a"), 409, "urn:nexios:problem:already-exists"),
    (domain.Conflict("c"), 409, "urn:nexios:problem:conflict"),
    (domain.NotAllowed("n"), 403, "urn:nexios:problem:not-allowed"),
    (OutOfStock("none left"), 409, "urn:nexios:problem:out-of-stock"),
    (application.Unauthenticated(), 401, "urn:nexios:problem:unauthenticated"),
    (application.Forbidden(), 403, "urn:nexios:problem:forbidden"),
    (application.RateLimited(), 429, "urn:nexios:problem:rate-limited"),
    (application.Overloaded(), 503, "urn:nexios:problem:overloaded"),
    (application.Unavailable(), 503, "urn:nexios:problem:unavailable"),
    (application.OutcomeUnknown(), 503, "urn:nexios:problem:outcome-unknown"),
    (application.TimedOut(), 504, "urn:nexios:problem:timed-out"),
    (application.KeyReused("k"), 422, "urn:nexios:problem:key-reused"),
]


def answer_for(error: Exception, **scope: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    answer = problem_for(error, {**SCOPE, **scope})
    assert answer is not None
    return answer.status_code, json.loads(answer.body), dict(answer.headers.items())


@pytest.mark.parametrize(
    ("error", "status", "kind"), TABLE, ids=[type(row[0]).__name__ for row in TABLE]
)
def test_row_by_row(error: Exception, status: int, kind: str) -> None:
    found, body, headers = answer_for(error)
    assert (found, body["status"], body["type"], body["instance"]) == (
        status,
        status,
        kind,
        "/orders",
    )
    assert body["title"]
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("hunter2"),
        http.Unencodable("$", "object"),
        domain.DomainError("root"),
        application.ApplicationError("root"),
        ClientDisconnect(),
    ],
)
def test_what_has_no_row_is_left_to_the_caller(error: Exception) -> None:
    assert problem_for(error, SCOPE) is None


def test_http_exceptions_bring_headers_and_any_detail() -> None:
    _, body, headers = answer_for(http.HTTPException(400, {"a": [1]}, {"X-A": "1"}))
    assert (body["data"], headers["x-a"]) == ({"a": [1]}, "1")
    assert "detail" not in body
    assert answer_for(http.HTTPException(400, "text"))[1]["detail"] == "text"
    assert answer_for(http.MethodNotAllowed("GET, HEAD"))[2]["allow"] == "GET, HEAD"
    with pytest.raises(ValueError, match="400 to 599"):
        http.HTTPException(302)


def test_a_domain_error_gives_code_message_and_details() -> None:
    _, body, _ = answer_for(OutOfStock("none left", code="sold-out", sku="tea", left=0))
    assert (body["type"], body["detail"]) == ("urn:nexios:problem:sold-out", "none left")
    assert body["details"] == {"sku": "tea", "left": 0}


def test_details_never_overwrite_members_of_the_problem() -> None:
    error = domain.NotFound("n", status=200, title="x", type="y", headers="z", errors=[1])
    _, body, _ = answer_for(error)
    assert (body["status"], body["title"]) == (404, "Not Found")
    assert body["details"]["status"] == 200


def test_details_that_are_no_json_are_text_and_no_500() -> None:
    assert answer_for(domain.NotFound("n", what=frozenset({1}), how=OSError("x")))[0] == 404


def test_conflict_is_412_when_the_request_had_if_match() -> None:
    headers = [(b"if-match", b'"1"')]
    assert answer_for(domain.Conflict("c"), headers=headers)[0] == 412
    assert answer_for(domain.RuleViolated("c"), headers=headers)[0] == 409


def test_401_has_one_challenge_per_backend() -> None:
    class Failed(application.Unauthenticated):
        challenges: tuple[str, ...] = ()

    scope = {**SCOPE, "nexios.challenges": lambda: ("Bearer", 'Basic realm="x"')}
    answer = problem_for(Failed(), scope)
    assert answer is not None
    assert answer.headers.getlist("www-authenticate") == ["Bearer", 'Basic realm="x"']
    own = Failed()
    own.challenges = ("Own",)
    answer = problem_for(own, scope)
    assert answer is not None
    assert answer.headers.getlist("www-authenticate") == ["Own"]


@pytest.mark.parametrize(
    ("wait", "header"), [(None, None), (0, "0"), (0.2, "1"), (3, "3"), (3.01, "4"), (-5, "0")]
)
def test_retry_after_is_whole_seconds_rounded_up(wait: float | None, header: str | None) -> None:
    for kind in (application.RateLimited, application.Overloaded, application.Unavailable):
        assert answer_for(kind(retry_after_s=wait))[2].get("retry-after") == header


def test_an_unread_body_closes_the_connection() -> None:
    for error in (http.BodyTooLarge(9), http.BodyStalled(1.0)):
        assert answer_for(error)[2]["connection"] == "close"


def test_the_rest_of_many_faults_is_a_number() -> None:
    _, body, _ = answer_for(http.RequestInvalid([FAULT] * 50, 10_000))
    assert len(body["errors"]) == 50
    assert body["detail"] == "10000 fields are not valid"


def test_request_id_when_it_is_known() -> None:
    assert answer_for(domain.NotFound("n"), request_id="r-1")[1]["request_id"] == "r-1"
    assert "request_id" not in answer_for(domain.NotFound("n"))[1]


# Groups.


def test_a_group_with_one_leaf_is_that_leaf_however_deep() -> None:
    group = ExceptionGroup("a", [ExceptionGroup("b", [domain.NotFound("n", id=7)])])
    assert answer_for(group) == answer_for(domain.NotFound("n", id=7))


def test_of_several_the_highest_status_answers_and_lists_the_others() -> None:
    group = ExceptionGroup(
        "a",
        [
            domain.NotFound("first"),
            ExceptionGroup("b", [http.RequestInvalid([FAULT])]),
            domain.Conflict("second"),
        ],
    )
    status, body, _ = answer_for(group)
    assert (status, body["type"]) == (422, "urn:nexios:problem:request-invalid")
    assert body["errors"][0] == FAULT
    assert [other["status"] for other in body["errors"][1:]] == [404, 409]
    assert body["errors"][1]["detail"] == "first"


def test_one_leaf_without_a_row_makes_the_whole_a_500() -> None:
    group = ExceptionGroup("a", [domain.NotFound("n"), ExceptionGroup("b", [ValueError("x")])])
    assert problem_for(group, SCOPE) is None
    assert [type(leaf) for leaf in leaves(group)] == [domain.NotFound, ValueError]


# The 500.


def test_the_500_says_an_id_and_nothing_else() -> None:
    answer = internal_error(SCOPE, "e-1")
    assert json.loads(answer.body) == {
        "type": "urn:nexios:problem:internal-error",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something went wrong here. It was noted under error_id.",
        "instance": "/orders",
        "error_id": "e-1",
    }


# What developers see. The secret is put together, since source lines are shown as they are.

SECRET = "".join(("hun", "ter2"))


def _fails(password: str, scope: dict[str, Any]) -> None:
    api_key = f"k-{SECRET}"  # noqa: F841
    nested = {"user": {"auth_token": SECRET, "name": "bob"}}  # noqa: F841
    pairs = [(b"authorization", SECRET.encode()), ("x", "shown")]  # noqa: F841
    try:
        raise KeyError("inner")
    except KeyError as cause:
        raise ValueError("outer") from cause


def _debugged() -> tuple[str, dict[str, Any]]:
    scope = {
        **SCOPE,
        "headers": [
            (b"authorization", SECRET.encode()),
            (b"cookie", SECRET.encode()),
            (b"x-api-key", SECRET.encode()),
            (b"accept", b"application/json"),
        ],
    }
    try:
        _fails(SECRET, scope)
    except ValueError as error:
        answer = debug_answer(error, scope, "e-1", route="GET /orders")
        return answer.body.decode(), json.loads(answer.body)
    raise AssertionError


def test_the_debug_problem_masks_headers_and_locals() -> None:
    text, body = _debugged()
    assert SECRET not in text
    assert ["accept", "application/json"] in body["request"]["headers"]
    assert ["authorization", MASK] in body["request"]["headers"]
    local = body["frames"][-1]["locals"]
    assert (local["password"], local["api_key"]) == (MASK, MASK)
    assert "bob" in local["nested"]
    assert "shown" in local["pairs"]


def test_the_debug_problem_shows_error_cause_route_and_source() -> None:
    _, body = _debugged()
    assert (body["status"], body["error_id"], body["route"]) == (500, "e-1", "GET /orders")
    assert body["error"]["class"] == "ValueError"
    assert body["error"]["message"] == "outer"
    assert [cause["class"] for cause in body["causes"]] == ["KeyError"]
    assert body["frames"][-1]["function"] == "_fails"
    assert "raise ValueError" in body["frames"][-1]["source"]


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Sealed(dict[str, str]):
    def items(self) -> Any:
        raise RuntimeError("not now")


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_hostile_values_do_not_break_the_debug_answer() -> None:
    assert shown(Hostile()) == "<Hostile>"
    assert shown({"a": Sealed()}) == "{'a': <Sealed>}"
    circle: list[object] = []
    circle.append(circle)
    assert "<list>" in shown(circle)
    assert len(shown("x" * 10_000)) < 300
    assert len(shown({str(n): "x" * 100 for n in range(1000)})) < 300
    hostile, value = HostileError(), Hostile()  # noqa: F841
    assert debug_answer(hostile, SCOPE, "e").status_code == 500


@pytest.mark.parametrize(
    "name", ["Password", "X-API-KEY", b"set-cookie", "csrftoken", "client_secret", "Authorization"]
)
def test_names_that_are_masked(name: str | bytes) -> None:
    assert is_secret(name)
    assert not is_secret("name")
    assert not is_secret(7)


@pytest.mark.parametrize("scope", [{"path": "/a"}, {"path": "/b" * 300, "request_id": "r-1"}])
@pytest.mark.parametrize("wait", [0.2, 1.0, 7])
@pytest.mark.parametrize("text", ["", "too many passwords are checked now"])
def test_a_refusal_made_ahead_says_what_the_table_says(
    scope: dict[str, Any], wait: float, text: str
) -> None:
    error = Overloaded(text, retry_after_s=wait)
    made, told = shed(error, scope), problem_for(error, scope)
    assert made is not None
    assert told is not None
    assert json.loads(made.body) == json.loads(told.body)
    assert made.status_code == told.status_code
    assert sorted(made.raw_headers) == sorted(told.raw_headers)


def test_a_refusal_with_words_of_its_own_is_left_to_the_table() -> None:
    class Busy(Overloaded): ...

    assert shed(Busy(retry_after_s=1), {}) is None
    assert shed(Overloaded(), {}) is None
    assert shed(Overloaded(retry_after_s=1, queue=7), {}) is None
