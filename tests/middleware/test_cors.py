"""CORS: who is granted what, on which answers."""

import logging
import re
from typing import Any

import pytest

from nexios.adapters.http.errors import HTTPException
from nexios.app import NexiosApp
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import ConfigWarning, MakeConfig
from nexios.middleware.cors import CORSMiddleware, CredentialsForEverybody
from nexios.middleware.rate_limiting import RateLimitMiddleware
from nexios.middleware.security import SecurityMiddleware
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio

OURS = "https://shop.example"


def app_with(middleware: CORSMiddleware | None = None, **cors: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(cors=cors))
    app.add_middleware(middleware or CORSMiddleware())

    @app.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.json("here")

    @app.get("/own")
    async def own(request: Any, response: Any) -> Any:
        response.set_header("access-control-allow-origin", "*")
        response.set_header("access-control-allow-credentials", "true")
        return response.set_header("vary", "Accept").json("here")

    @app.get("/status/{code:int}")
    async def status(request: Any, response: Any, code: int) -> Any:
        raise HTTPException(code)

    @app.get("/broken")
    async def broken(request: Any, response: Any) -> Any:
        raise RuntimeError

    return app


async def get(app: NexiosApp, origin: str | None, path: str = "/") -> Answer:
    return await ask(app, "GET", path, headers={} if origin is None else {"origin": origin})


async def preflight(app: NexiosApp, origin: str, method: str = "GET", names: str = "") -> Answer:
    headers = {"origin": origin, "access-control-request-method": method}
    if names:
        headers["access-control-request-headers"] = names
    return await ask(app, "OPTIONS", "/nowhere", headers=headers)


def granted(answer: Answer) -> str | None:
    assert len(answer.headers("access-control-allow-origin")) <= 1
    return answer.header("access-control-allow-origin")


def varies(answer: Answer) -> set[str]:
    (line,) = answer.headers("vary")
    return {part.strip() for part in line.split(",")}


@pytest.mark.parametrize(
    "origin",
    ["https://shop.example", "HTTPS://SHOP.EXAMPLE", "https://Shop.Example:443"],
)
async def test_case_of_scheme_and_host_and_the_default_port_do_not_matter(origin: str) -> None:
    assert granted(await get(app_with(allow_origins=[OURS]), origin)) == origin


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://shop.example@evil.example",
        "https://evil.example#https://shop.example",
        "https://evil.example?https://shop.example",
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example https://evil.example",
        "https://shop.example, https://evil.example",
        "https://shop.example\t",
        "https://shop.examplé",
        "shop.example",
        "//shop.example",
        "https:shop.example",
        "https://",
        "https://shop.example:",
        "https://shop.example:99999",
        "javascript://shop.example",
        "https://shop.example\\.evil.example",
        "x" * 3000,
    ],
)
@pytest.mark.parametrize("path", ["/", "/broken", "/nothing", "/status/429", "/status/503"])
async def test_hostile_origins_are_granted_nothing(origin: str, path: str) -> None:
    app = app_with(allow_origins=[OURS])
    answer = await get(app, origin, path)
    assert granted(answer) is None
    assert answer.header("access-control-allow-credentials") is None
    assert "Origin" in varies(answer)
    assert (await preflight(app, origin)).status == 400


async def test_several_origin_fields_are_granted_nothing() -> None:
    app = app_with(allow_origins=[OURS])
    for second in (OURS, "https://evil.example"):
        fields = [("origin", OURS), ("origin", second)]
        assert granted(await ask(app, "GET", "/", headers=fields)) is None
        fields.append(("access-control-request-method", "GET"))
        assert (await ask(app, "OPTIONS", "/", headers=fields)).status == 400


@pytest.mark.parametrize("path", ["/", "/nothing", "/broken", "/status/429", "/status/503"])
async def test_errors_carry_the_grant_too(path: str) -> None:
    answer = await get(app_with(allow_origins=[OURS]), OURS, path)
    assert granted(answer) == OURS
    assert "Origin" in varies(answer)
    assert answer.header("access-control-allow-credentials") == "true"


async def test_what_the_handler_said_is_replaced_and_its_vary_kept() -> None:
    app = app_with(allow_origins=[OURS])
    answer = await get(app, OURS, "/own")
    assert granted(answer) == OURS
    assert varies(answer) == {"Accept", "Origin"}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.example.org", True),
        ("https://A.EXAMPLE.org", True),
        ("https://example.org", False),
        ("https://a.b.example.org", False),
        ("https://aexample.org", False),
        ("http://a.example.org", False),
        ("https://.example.org", False),
    ],
)
async def test_a_wildcard_is_one_label(origin: str, allowed: bool) -> None:
    app = app_with(allow_origins=["https://*.example.org"])
    assert (granted(await get(app, origin)) is not None) is allowed


async def test_null_is_granted_only_when_listed() -> None:
    assert granted(await get(app_with(allow_origins=["null"]), "null")) == "null"
    for cors in (
        {"allow_origins": ["*"]},
        {"allow_origin_regex": ".*"},
        {"dynamic_origin_validator": lambda origin: True},
    ):
        assert granted(await get(app_with(**cors), "null")) is None


async def test_star_echoes_and_never_with_credentials() -> None:
    for cors in ({"allow_origins": ["*"]}, {"allow_origins": ["*", OURS]}):
        app = app_with(**cors, allow_credentials=True)
        for answer in (await get(app, OURS), await preflight(app, OURS)):
            assert granted(answer) == OURS
            assert answer.header("access-control-allow-credentials") is None
            assert "Origin" in varies(answer)


@pytest.mark.parametrize("env", ["dev", "prod"])
async def test_star_and_credentials_written_out_refuse_production(env: str) -> None:
    def app(middleware: Any, **sections: Any) -> NexiosApp:
        made = NexiosApp(config=MakeConfig(env=env, secret_key="s" * 32, **sections))
        made.add_middleware(middleware)
        return made

    security = {"cors_enabled": True, "allowed_origins": ["*"]}
    contradicting = (
        app(CORSMiddleware(), cors={"allow_origins": ["*"], "allow_credentials": True}),
        app(CORSMiddleware(allow_origins=[OURS, "*"], allow_credentials=True)),
        app(SecurityMiddleware(), security={**security, "allow_credentials": True}),
    )
    for made in contradicting:
        if env == "prod":
            with pytest.raises(CredentialsForEverybody, match="fix: name the origins"):
                made.check()
        else:
            made.check()
            assert (await get(made, OURS)).header("access-control-allow-credentials") is None
    for sound in (
        app(CORSMiddleware(), cors={"allow_origins": ["*"]}),
        app(CORSMiddleware(), cors={"allow_origins": ["*"], "allow_credentials": False}),
        app(CORSMiddleware(), cors={"allow_origins": [OURS], "allow_credentials": True}),
        app(SecurityMiddleware(), security=security),
    ):
        sound.check()


async def test_a_preflight_needs_no_identity_and_is_not_limited() -> None:
    class Nobody(AuthenticationBackend):
        scheme = "nobody"
        asked = 0

        async def authenticate(self, connection: Any) -> None:
            self.asked += 1

    backend = Nobody()
    app = app_with(allow_origins=[OURS])
    app.add_middleware(AuthenticationMiddleware(backend))
    app.add_middleware(RateLimitMiddleware("1/hour"))
    app.get("/in", guards=[auth()])(lambda request, response: "")
    fields = {"origin": OURS, "access-control-request-method": "GET"}
    for _ in range(5):
        assert (await ask(app, "OPTIONS", "/in", headers=fields)).status == 204
    assert backend.asked == 0
    refused = await get(app, OURS, "/in")
    assert (refused.status, granted(refused)) == (401, OURS)
    limited = await get(app, OURS, "/in")
    assert (limited.status, granted(limited)) == (429, OURS)
    assert (await ask(app, "OPTIONS", "/in", headers=fields)).status == 204


async def test_the_regex_must_match_all_of_it_and_case_counts() -> None:
    app = app_with(allow_origin_regex=r"https://[a-z]+\.example")
    assert granted(await get(app, "https://a.example")) == "https://a.example"
    for origin in ("https://a.example.evil", "https://A.example", "xhttps://a.example"):
        assert granted(await get(app, origin)) is None


async def test_the_validator_may_be_async_and_only_true_is_yes() -> None:
    async def later(origin: str) -> Any:
        return origin == OURS

    assert granted(await get(app_with(dynamic_origin_validator=later), OURS)) == OURS
    other = "https://evil.example"
    assert granted(await get(app_with(dynamic_origin_validator=later), other)) is None
    for answer in (1, "yes", None, object()):
        app = app_with(dynamic_origin_validator=lambda origin, answer=answer: answer)
        assert granted(await get(app, OURS)) is None


async def test_a_validator_that_fails_denies(caplog: pytest.LogCaptureFixture) -> None:
    def fails(origin: str) -> bool:
        raise ConnectionError

    with caplog.at_level(logging.CRITICAL):
        answer = await get(app_with(dynamic_origin_validator=fails), OURS)
    assert answer.status == 200
    assert granted(answer) is None


async def test_the_blacklist_wins_over_everything() -> None:
    for cors in (
        {"allow_origins": ["*"]},
        {"allow_origins": [OURS]},
        {"allow_origin_regex": ".*"},
        {"dynamic_origin_validator": lambda origin: True},
    ):
        app = app_with(**cors, blacklist_origins=[OURS])
        assert granted(await get(app, OURS)) is None
        assert (await preflight(app, OURS)).status == 400


async def test_without_credentials_there_is_no_such_header() -> None:
    app = app_with(allow_origins=[OURS], allow_credentials=False)
    for answer in (await get(app, OURS), await preflight(app, OURS)):
        assert granted(answer) == OURS
        assert answer.header("access-control-allow-credentials") is None


async def test_a_handler_cannot_grant_the_credentials_that_the_settings_refuse() -> None:
    for cors in ({"allow_origins": [OURS], "allow_credentials": False}, {"allow_origins": ["*"]}):
        answer = await get(app_with(**cors), OURS, "/own")
        assert granted(answer) == OURS
        assert answer.header("access-control-allow-credentials") is None


async def test_exposed_headers_are_named_on_answers_only() -> None:
    app = app_with(allow_origins=[OURS], expose_headers=["x-total", "etag"])
    assert (await get(app, OURS)).header("access-control-expose-headers") == "x-total, etag"
    assert (await preflight(app, OURS)).header("access-control-expose-headers") is None
    assert (await get(app, None)).header("access-control-expose-headers") is None


async def test_nothing_configured_does_nothing() -> None:
    for cors in ({}, {"allow_origins": []}, {"blacklist_origins": [OURS]}):
        app = app_with(**cors)
        answer = await get(app, OURS)
        assert granted(answer) is None
        assert answer.headers("vary") == []
        assert (await preflight(app, OURS)).status == 404


class TestPreflight:
    async def test_it_is_204_without_body_and_echoes_what_is_allowed(self) -> None:
        app = app_with(allow_origins=[OURS], allow_headers=["X-Token"], max_age=5)
        answer = await preflight(app, OURS, "DELETE", "X-TOKEN, content-type")
        assert answer.status == 204
        assert answer.body == b""
        assert answer.header("access-control-allow-methods") == "DELETE"
        assert answer.header("access-control-allow-headers") == "x-token, content-type"
        assert answer.header("access-control-max-age") == "5"
        assert answer.header("access-control-allow-private-network") is None
        assert varies(answer) == {
            "Origin",
            "Access-Control-Request-Method",
            "Access-Control-Request-Headers",
        }

    @pytest.mark.parametrize("status", [200, 201])
    async def test_other_statuses_carry_a_json_string(self, status: int) -> None:
        answer = await preflight(app_with(allow_origins=[OURS], preflight_status=status), OURS)
        assert answer.status == status
        assert answer.json() == "OK"

    @pytest.mark.parametrize(
        ("method", "names"),
        [
            ("TRACE", ""),
            ("get", ""),
            ("", ""),
            ("GET, POST", ""),
            ("GET\t", ""),
            ("GET", "x-other"),
            ("GET", "content-type, x-other"),
            ("GET", "content type"),
            ("GET", "x-blocked"),
            ("GET", "é"),
            ("GET", ",".join(f"x-{number}" for number in range(33))),
            ("GET", "accept," * 200),
        ],
    )
    async def test_what_is_not_allowed_is_refused(self, method: str, names: str) -> None:
        app = app_with(
            allow_origins=[OURS], allow_headers=["x-blocked"], blacklist_headers=["X-Blocked"]
        )
        answer = await preflight(app, OURS, method, names)
        assert answer.status == 400
        assert granted(answer) is None
        assert answer.header("access-control-allow-methods") is None
        assert answer.header("access-control-allow-headers") is None
        assert "Origin" in varies(answer)

    async def test_two_methods_are_none(self) -> None:
        fields = [("origin", OURS), ("access-control-request-method", "GET")]
        app = app_with(allow_origins=[OURS])
        assert (await ask(app, "OPTIONS", "/", headers=fields)).status == 204
        for second in ("GET", "POST", ""):
            twice = [*fields, ("access-control-request-method", second)]
            assert (await ask(app, "OPTIONS", "/", headers=twice)).status == 400

    async def test_star_allows_any_well_formed_method_and_name(self) -> None:
        app = app_with(
            allow_origins=[OURS],
            allow_methods=["*"],
            allow_headers=["*"],
            blacklist_headers=["x-blocked"],
        )
        assert (await preflight(app, OURS, "PURGE", "x-any")).status == 204
        assert (await preflight(app, OURS, "PURGE", "x-blocked")).status == 400
        assert (await preflight(app, OURS, "PU RGE")).status == 400

    async def test_the_limits_of_names_one_at_and_above(self) -> None:
        app = app_with(allow_origins=[OURS], allow_headers=["*"])
        for count, status in ((31, 204), (32, 204), (33, 400)):
            names = ",".join(f"x-{number}" for number in range(count))
            assert (await preflight(app, OURS, "GET", names)).status == status
        for size, status in ((1023, 204), (1024, 204), (1025, 400)):
            assert (await preflight(app, OURS, "GET", "x" * size)).status == status

    async def test_status_and_message_of_a_refusal_can_be_chosen(self) -> None:
        app = app_with(
            allow_origins=[OURS],
            custom_error_status=403,
            custom_error_messages={"disallowed_method": "no"},
        )
        answer = await preflight(app, OURS, "PURGE")
        assert (answer.status, answer.json()) == (403, "no")
        answer = await preflight(app, "https://evil.example")
        assert (answer.status, answer.json()) == (403, "Origin is not allowed")

    async def test_an_options_request_that_asks_nothing_is_an_ordinary_one(self) -> None:
        app = app_with(allow_origins=[OURS])
        answer = await ask(app, "OPTIONS", "/", headers={"origin": OURS})
        assert answer.status == 204
        assert answer.header("allow") is not None
        assert granted(answer) == OURS


class TestSettings:
    async def test_keywords_count_instead_of_the_section(self) -> None:
        app = app_with(CORSMiddleware(allowed_origins=["https://b.example"]), allow_origins=[OURS])
        assert granted(await get(app, OURS)) is None
        assert granted(await get(app, "https://b.example")) == "https://b.example"

    @pytest.mark.parametrize(
        ("keys", "says"),
        [
            ({"allow_orign": []}, "did you mean 'allow_origins'?"),
            ({"zzz": 1}, "known: allow_origins"),
            ({"allow_origins": [], "allowed_origins": []}, "the same setting"),
        ],
    )
    async def test_a_keyword_written_wrongly_is_a_type_error(
        self, keys: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(TypeError, match=re.escape(says)):
            CORSMiddleware(**keys)

    @pytest.mark.parametrize(
        ("keys", "says"),
        [
            ({"allow_origins": OURS}, "allow_origins must be a list of texts"),
            ({"allow_origins": [1]}, "allow_origins must be a list of texts"),
            ({"allow_credentials": "no"}, "allow_credentials must be true or false"),
            ({"max_age": "1"}, "max_age must be a whole number"),
            ({"max_age": -1}, "max_age must not be negative"),
            ({"dynamic_origin_validator": "x"}, "must be a function or None"),
            ({"allow_origin_regex": "("}, "is no regex"),
            ({"preflight_status": 302}, "from 200 to 299"),
            ({"custom_error_status": 200}, "from 400 to 499"),
            ({"expose_headers": ["a b"]}, "header"),
            ({"expose_headers": ["a\r\nb: c"]}, "header"),
        ],
    )
    async def test_a_value_that_cannot_be_is_refused_where_it_is_written(
        self, keys: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(ValueError, match=says):
            CORSMiddleware(**keys)

    async def test_a_malformed_origin_warns_and_never_matches(self) -> None:
        with pytest.warns(ConfigWarning, match="write 'https://localhost:5000'"):
            middleware = CORSMiddleware(allow_origins=["https//localhost:5000", OURS])
        app = app_with(middleware)
        for origin in ("https//localhost:5000", "https://localhost:5000"):
            assert granted(await get(app, origin)) is None
        assert granted(await get(app, OURS)) == OURS

    async def test_strict_checking_refuses_requests_without_origin(self) -> None:
        app = app_with(allow_origins=[OURS], strict_origin_checking=True)
        answer = await get(app, None)
        assert (answer.status, answer.json()) == (400, "Origin header is required")
        assert "Origin" in varies(answer)
        assert (await get(app, OURS)).status == 200
