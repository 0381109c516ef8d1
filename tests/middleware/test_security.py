"""Security headers and the way to https."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nexios import StaticFiles
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.decorator import auth, has_permission
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import ConfigWarning, MakeConfig
from nexios.middleware.common import CommonMiddleware
from nexios.middleware.cors import CORSMiddleware, TwoCorsEngines
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.rate_limiting import RateLimitMiddleware
from nexios.middleware.security import SecurityMiddleware
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import Answer, Peer, ask, http_scope

pytestmark = pytest.mark.asyncio

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-dns-prefetch-control": "off",
    "x-download-options": "noopen",
}


def app_with(
    middleware: SecurityMiddleware | None = None,
    *,
    others: dict[str, Any] | None = None,
    **keys: Any,
) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(security=keys, **(others or {})))
    app.add_middleware(middleware or SecurityMiddleware())

    @app.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.json("here")

    @app.get("/page")
    async def page(request: Any, response: Any) -> Any:
        return response.html("<p>here")

    @app.get("/own")
    async def own(request: Any, response: Any) -> Any:
        response.set_header("x-frame-options", "SAMEORIGIN")
        response.set_header("content-security-policy", "default-src https:")
        response.set_header("cache-control", "max-age=5")
        response.set_header("server", "mine")
        return response.set_cookie("a", "b").json("here")

    @app.get("/cookie")
    async def cookie(request: Any, response: Any) -> Any:
        return response.set_cookie("a", "b").json("here")

    @app.get("/status/{code:int}")
    async def status(request: Any, response: Any, code: int) -> Any:
        if code >= 400:
            raise HTTPException(code)
        return response.empty(code)

    @app.get("/broken")
    async def broken(request: Any, response: Any) -> Any:
        raise RuntimeError

    @app.post("/orders")
    async def orders(request: Any, response: Any) -> Any:
        return response.json("ordered")

    return app


async def get(app: NexiosApp, path: str, **headers: str) -> Answer:
    return await ask(
        app, "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


HTTPS = {"x_forwarded_proto": "https"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page",
        "/nothing",
        "/broken",
        "/cookie",
        *(f"/status/{n}" for n in (204, 304, 429, 503)),
    ],
)
async def test_every_answer_carries_the_headers_once(path: str) -> None:
    answer = await get(app_with(), path, **HTTPS)
    for name, value in ALWAYS.items():
        assert answer.headers(name) == [value], name
    assert answer.headers("strict-transport-security") == ["max-age=31536000; includeSubDomains"]
    assert len(answer.headers("content-security-policy")) == 1


async def test_static_files_and_their_304_carry_them_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    app = app_with()
    app.register(StaticFiles(tmp_path), "/static")
    whole = await ask(app, "GET", "/static/a.txt", peer=Peer(stays=True))
    tag = {"if-none-match": whole.header("etag") or ""}
    known = await ask(app, "GET", "/static/a.txt", headers=tag)
    missing = await ask(app, "GET", "/static/b.txt")
    assert [one.status for one in (whole, known, missing)] == [200, 304, 404]
    for answer in (whole, known, missing):
        for name, value in ALWAYS.items():
            assert answer.headers(name) == [value], name


async def test_wrong_methods_carry_them_too() -> None:
    answer = await ask(app_with(), "DELETE", "/")
    assert answer.status == 405
    assert answer.headers("x-frame-options") == ["DENY"]


async def test_refusals_by_whatever_refuses_carry_them_once() -> None:
    class Always(AuthenticationBackend):
        scheme = "always"

        async def authenticate(self, connection: Any) -> Any:
            return {"id": 1} if "x-user" in connection.headers else None

    app = app_with(others={"allowed_hosts": ["testserver"], "limits": {"body": 10}})
    app.add_middleware(AuthenticationMiddleware(Always()))
    app.add_middleware(RateLimitMiddleware("6/hour"))
    app.get("/in", guards=[auth()])(lambda request, response: "in")
    app.get("/may", guards=[has_permission("x")])(lambda request, response: "in")
    app.get("/go")(lambda request, response: response.redirect("/"))

    @app.post("/body")
    async def body(request: Any, response: Any) -> Any:
        return response.json(len(await request.body))

    asked: list[tuple[int, str, str, dict[str, Any]]] = [
        (401, "GET", "/in", {}),
        (403, "GET", "/may", {"headers": {"x-user": "1"}}),
        (413, "POST", "/body", {"body": b"x" * 11}),
        (405, "DELETE", "/in", {}),
        (302, "GET", "/go", {}),
        (404, "GET", "/nothing", {}),
        (429, "GET", "/in", {}),
        (400, "GET", "/", {"headers": {"host": "evil.example"}}),
        (400, "GET", "/a%00", {}),
        (414, "GET", "/" + "a" * 9000, {}),
        (431, "GET", "/", {"headers": {"x-long": "x" * 9000}}),
    ]
    for status, method, path, options in asked:
        answer = await ask(app, method, path, **options)
        assert answer.status == status, path
        for name, value in ALWAYS.items():
            assert answer.headers(name) == [value], (status, name)
        assert len(answer.headers("content-security-policy")) == 1


async def test_a_denied_socket_carries_them_too() -> None:
    app = app_with()
    app.add_middleware(AuthenticationMiddleware(APIKeyAuthBackend(lambda key: {"id": key})))

    @app.websocket("/ws")
    @has_permission("chat")
    async def ws(websocket: WebSocket) -> None:
        raise AssertionError

    @app.websocket("/broken")
    async def broken(websocket: WebSocket) -> None:
        raise RuntimeError

    @app.websocket("/own")
    async def own(websocket: WebSocket) -> None:
        await websocket.deny(403, headers={"x-frame-options": "SAMEORIGIN"})

    for path, headers, status in (
        ("/ws", {}, 401),
        ("/ws", {"x-api-key": "ada"}, 403),
        ("/ws", {"origin": "https://evil.example"}, 403),
        ("/none", {}, 404),
        ("/broken", {}, 500),
        ("/own", {}, 403),
    ):
        with pytest.raises(SocketDenied) as denied:
            async with websocket_connect(app, path, headers=headers):
                pass
        assert denied.value.status == status
        for name, value in ALWAYS.items():
            expected = "SAMEORIGIN" if (path, name) == ("/own", "x-frame-options") else value
            assert denied.value.headers[name] == expected, (path, name)


async def test_what_the_handler_set_stays() -> None:
    answer = await get(app_with(), "/own")
    assert answer.headers("x-frame-options") == ["SAMEORIGIN"]
    assert answer.headers("content-security-policy") == ["default-src https:"]
    assert answer.headers("cache-control") == ["max-age=5"]
    assert answer.headers("server") == []


async def test_pages_may_load_from_themselves_and_data_from_nowhere() -> None:
    app = app_with()
    page = (await get(app, "/page")).header("content-security-policy")
    assert page == (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    data = (await get(app, "/")).header("content-security-policy")
    assert data == "default-src 'none'; frame-ancestors 'none'"
    # A 304 replaces the fields of the stored page.
    assert (await get(app, "/status/304")).header("content-security-policy") == page


class TestHsts:
    async def test_never_over_http(self) -> None:
        for path in ("/", "/nothing", "/broken"):
            answer = await get(app_with(), path)
            assert answer.headers("strict-transport-security") == []

    async def test_the_scheme_is_believed_of_a_trusted_proxy_only(self) -> None:
        app = app_with(others={"trusted_proxies": []})
        answer = await get(app, "/", **HTTPS)
        assert answer.headers("strict-transport-security") == []
        answer = await get(app_with(others={"trusted_proxies": ["10.0.0.0/8"]}), "/", **HTTPS)
        assert answer.headers("strict-transport-security") == []

    @pytest.mark.parametrize(
        ("keys", "value"),
        [
            ({"hsts_max_age": 60}, "max-age=60; includeSubDomains"),
            ({"hsts_include_subdomains": False, "hsts_preload": True}, "max-age=31536000"),
            ({"hsts_preload": True}, "max-age=31536000; includeSubDomains; preload"),
            ({"hsts_preload": True, "hsts_max_age": 9}, "max-age=9; includeSubDomains"),
            ({"hsts_enabled": False}, None),
        ],
    )
    async def test_its_value(self, keys: dict[str, Any], value: str | None) -> None:
        answer = await get(app_with(**keys), "/", **HTTPS)
        assert answer.header("strict-transport-security") == value


class TestRedirect:
    @pytest.mark.parametrize(
        ("method", "status", "temporary"),
        [("GET", 301, 302), ("HEAD", 301, 302), ("POST", 308, 307), ("DELETE", 308, 307)],
    )
    async def test_methods_that_write_keep_method_and_body(
        self, method: str, status: int, temporary: int
    ) -> None:
        for permanent, expected in ((True, status), (False, temporary)):
            app = app_with(ssl_redirect=True, ssl_permanent=permanent)
            answer = await ask(app, method, "/orders?a=b", headers={"host": "shop.example"})
            assert answer.status == expected
            assert answer.header("location") == "https://shop.example/orders?a=b"
            assert answer.headers("x-frame-options") == ["DENY"]

    async def test_over_https_nothing_is_redirected(self) -> None:
        answer = await get(app_with(ssl_redirect=True), "/", host="shop.example", **HTTPS)
        assert answer.status == 200

    async def test_an_untrusted_peer_cannot_say_https(self) -> None:
        app = app_with(ssl_redirect=True, others={"trusted_proxies": []})
        assert (await get(app, "/", host="shop.example", **HTTPS)).status == 301

    async def test_unsafe_methods_may_be_refused_instead(self) -> None:
        app = app_with(ssl_redirect=True, ssl_unsafe_methods="refuse")
        assert (await ask(app, "POST", "/orders", headers={"host": "a.example"})).status == 400
        assert (await get(app, "/", host="a.example")).status == 301

    @pytest.mark.parametrize(
        ("raw", "query", "target"),
        [
            (b"/a%2Fb/%C3%A4", b"x=%20&y=[1]&z=a'b\"c", "/a%2Fb/%C3%A4?x=%20&y=[1]&z=a'b\"c"),
            (b"//evil.example/x", b"", "//evil.example/x"),
            (b"/\\evil.example", b"", "/%5Cevil.example"),
            (b"/a b", b"q=a b", "/a%20b?q=a%20b"),
            (b"/x\r\nset-cookie: a=b", b"", "/x%0D%0Aset-cookie:%20a=b"),
            ("/ä".encode(), "ö".encode(), "/%C3%A4?%C3%B6"),
            (b"*", b"", "/*"),
            (b"", b"", "/decoded%20path"),
        ],
    )
    async def test_path_and_query_are_kept_and_nothing_else_gets_in(
        self, raw: bytes, query: bytes, target: str
    ) -> None:
        app = app_with(ssl_redirect=True)

        async def spoiled(scope: Any, receive: Any, send: Any) -> None:
            scope.update(raw_path=raw, query_string=query, path="/decoded path")
            await app(scope, receive, send)

        answer = await ask(spoiled, "GET", "/", headers={"host": "shop.example"})
        assert answer.status == 301
        assert answer.headers("location") == [f"https://shop.example{target}"]
        assert answer.headers("set-cookie") == []

    @pytest.mark.parametrize(
        ("host", "located"),
        [
            ("shop.example", "shop.example"),
            ("shop.example:80", "shop.example"),
            ("shop.example:8000", "shop.example:8000"),
            ("[::1]:80", "[::1]"),
        ],
    )
    async def test_the_target_is_on_the_host_that_was_named(self, host: str, located: str) -> None:
        answer = await get(app_with(ssl_redirect=True), "/x", host=host)
        assert answer.header("location") == f"https://{located}/x"

    @pytest.mark.parametrize(
        "host", ["evil.example/path", "a@evil.example", "evil.example\r\nx: y", "evil#", ""]
    )
    async def test_a_host_that_is_none_leads_nowhere(self, host: str) -> None:
        answer = await get(app_with(ssl_redirect=True), "/x", host=host)
        assert (answer.status, answer.header("location")) == (400, None)
        assert answer.header("x-content-type-options") == "nosniff"

    async def test_no_forwarded_host_is_ever_read(self) -> None:
        answer = await get(
            app_with(ssl_redirect=True), "/x", host="shop.example", x_forwarded_host="evil.example"
        )
        assert answer.header("location") == "https://shop.example/x"

    async def test_a_fixed_host_wins(self) -> None:
        app = app_with(ssl_redirect=True, ssl_host="secure.example:8443")
        answer = await get(app, "/x", host="evil.example")
        assert answer.header("location") == "https://secure.example:8443/x"

    @pytest.mark.parametrize(
        ("allowed", "host", "status"),
        [
            (["shop.example"], "shop.example", 301),
            (["shop.example"], "SHOP.example:8000", 301),
            (["shop.example:8000"], "shop.example:8000", 301),
            (["shop.example:8000"], "shop.example:8001", 400),
            (["shop.example"], "evil.example", 400),
            (["shop.example"], "evilshop.example", 400),
            (["shop.example"], "shop.example.evil.example", 400),
            (["*.shop.example"], "a.b.shop.example", 301),
            (["*.shop.example"], "shop.example", 400),
            (["*.shop.example"], "evilshop.example", 400),
            (["*"], "anything.example", 301),
            ([], "shop.example", 400),
        ],
    )
    async def test_only_hosts_served_here_are_redirected_to(
        self, allowed: list[str], host: str, status: int
    ) -> None:
        app = app_with(ssl_redirect=True, others={"allowed_hosts": allowed})
        answer = await get(app, "/x", host=host)
        assert answer.status == status
        assert (answer.header("location") is not None) is (status == 301)

    async def test_standing_outside_of_the_host_check_it_leads_nowhere_else(self) -> None:
        app = NexiosApp(config=MakeConfig(allowed_hosts=["a.example"]))
        own = SecurityMiddleware(ssl_redirect=True)
        app.add_middleware(own, before=TrustedHostMiddleware)
        assert (await get(app, "/x", host="a.example")).status == 301
        refused = await get(app, "/x", host="evil.example")
        assert (refused.status, refused.header("location")) == (400, None)

    async def test_a_socket_in_clear_text_is_refused(self) -> None:
        app = app_with(ssl_redirect=True)
        reached: list[str] = []

        @app.websocket("/ws")
        async def ws(websocket: WebSocket) -> None:
            reached.append(websocket.scheme)
            await websocket.accept()
            await websocket.close()

        for scheme, expected in (("ws", []), ("wss", ["wss"])):
            scope = http_scope("GET", "/ws", {"host": "shop.example"})
            scope.update(type="websocket", scheme=scheme, subprotocols=[])
            del scope["method"]
            incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])

            async def receive(incoming: Any = incoming) -> Any:
                return next(incoming)

            sent: list[Any] = []

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message["type"])

            await app(scope, receive, send)
            assert reached == expected
            assert ("websocket.accept" in sent) is (scheme == "wss")


class TestStoring:
    async def test_what_is_made_for_one_person_is_not_kept(self) -> None:
        class Always(AuthenticationBackend):
            scheme = "always"

            async def authenticate(self, connection: Any) -> Any:
                return {"id": 1} if "x-user" in connection.headers else None

        app = app_with(cache_control="public, max-age=60")
        app.add_middleware(AuthenticationMiddleware(Always()))
        assert (await get(app, "/", x_user="1")).headers("cache-control") == ["no-store"]
        assert (await get(app, "/cookie")).headers("cache-control") == ["no-store"]
        assert (await get(app, "/own", x_user="1")).headers("cache-control") == ["max-age=5"]
        assert (await get(app, "/")).headers("cache-control") == ["public, max-age=60"]

    async def test_public_answers_say_nothing_by_default(self) -> None:
        assert (await get(app_with(), "/")).headers("cache-control") == []


class TestSettings:
    @pytest.mark.parametrize(
        ("keys", "name", "value"),
        [
            (
                {"csp_policy": "default-src https:"},
                "content-security-policy",
                "default-src https:",
            ),
            (
                {"csp_policy": {"default-src": ["'self'", "https:"], "sandbox": ""}},
                "content-security-policy",
                "default-src 'self' https:; sandbox",
            ),
            (
                {"csp_report_only": True, "csp_policy": "x"},
                "content-security-policy-report-only",
                "x",
            ),
            ({"csp_enabled": False}, "content-security-policy", None),
            ({"frame_options": None}, "x-frame-options", None),
            ({"frame_options": "SAMEORIGIN"}, "x-frame-options", "SAMEORIGIN"),
            ({"content_type_options": False}, "x-content-type-options", None),
            (
                {
                    "permissions_policy": {
                        "camera": [],
                        "geolocation": ["self", "https://a.example"],
                    }
                },
                "permissions-policy",
                'camera=(), geolocation=(self "https://a.example")',
            ),
            ({"permissions_policy": {"camera": "()"}}, "permissions-policy", "camera=()"),
            ({"clear_site_data": ["cache", "cookies"]}, "clear-site-data", '"cache", "cookies"'),
            (
                {"cross_origin_embedder_policy": "require-corp"},
                "cross-origin-embedder-policy",
                "require-corp",
            ),
            ({"server_header": "shop"}, "server", "shop"),
        ],
    )
    async def test_each_key_changes_its_header(
        self, keys: dict[str, Any], name: str, value: str | None
    ) -> None:
        for app in (app_with(**keys), app_with(SecurityMiddleware(**keys))):
            assert (await get(app, "/page")).header(name) == value

    async def test_frames_from_one_place(self) -> None:
        app = app_with(frame_options_allow_from="https://a.example")
        answer = await get(app, "/page")
        assert answer.header("x-frame-options") is None
        policy = answer.header("content-security-policy") or ""
        assert policy.endswith("frame-ancestors https://a.example")

    @pytest.mark.parametrize(
        "keys",
        [
            {"referrer_policy": "x\r\nset-cookie: a=b"},
            {"csp_policy": "x\ny"},
            {"permissions_policy": {"camera": "()\r\nx: y"}},
            {"server_header": "x\x00"},
            {"frame_options": "ALLOWALL"},
            {"hsts_max_age": -1},
            {"hsts_enabled": "yes please"},
        ],
    )
    async def test_what_cannot_be_sent_is_refused_where_it_is_written(
        self, keys: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  # the texts differ
            SecurityMiddleware(**keys)

    async def test_an_unknown_keyword_is_refused_with_a_suggestion(self) -> None:
        with pytest.raises(TypeError, match="did you mean 'ssl_redirect'"):
            SecurityMiddleware(ssl_redirct=True)


async def test_common_middleware_is_fixed_whatever_the_section_says() -> None:
    app = NexiosApp(config=MakeConfig(security={"csp_enabled": False, "frame_options": None}))
    app.add_middleware(CommonMiddleware())
    app.get("/", lambda: "x", threaded=False)
    answer = await ask(app, "GET", "/", headers={"user-agent": "canary"})
    assert answer.header("x-frame-options") == "DENY"
    assert answer.header("content-security-policy") is not None
    assert not [value for _, value in answer.raw if b"canary" in value]


class TestWhatReportsAndTypes:
    async def test_reporting_is_written_as_json(self) -> None:
        group = {"group": "csp", "max_age": 60, "endpoints": [{"url": "https://r.example/"}]}
        app = app_with(report_to=group, nel={"report_to": "csp", "max_age": 60})

        answer = await ask(app, "GET", "/")

        assert json.loads(answer.header("report-to") or "") == group
        assert json.loads(answer.header("nel") or "") == {"report_to": "csp", "max_age": 60}

    @pytest.mark.parametrize(
        ("policies", "told"), [((), "'none'"), (("default", "markup"), "default markup")]
    )
    async def test_trusted_types_are_part_of_the_policy_of_pages(
        self, policies: tuple[str, ...], told: str
    ) -> None:
        app = app_with(trusted_types=True, trusted_types_policies=policies)

        csp = (await ask(app, "GET", "/page")).header("content-security-policy") or ""
        other = (await ask(app, "GET", "/")).header("content-security-policy") or ""

        assert csp.endswith(f"; require-trusted-types-for 'script'; trusted-types {told}")
        assert "trusted-types" not in other

    @pytest.mark.parametrize("key", ["xss_protection", "expect_ct"])
    async def test_what_browsers_dropped_is_read_with_a_warning_and_not_sent(
        self, key: str
    ) -> None:
        with pytest.warns(ConfigWarning, match=f"security.{key} has no effect"):
            app = app_with(**{key: True})

        answer = await ask(app, "GET", "/")

        assert answer.header("x-xss-protection") is None
        assert answer.header("expect-ct") is None


class TestOriginsGrantedHere:
    KEYS: ClassVar = {"cors_enabled": True, "allowed_origins": ["https://page.example"]}

    async def test_it_grants_and_answers_preflights(self) -> None:
        app = app_with(**self.KEYS)
        origin = ("origin", "https://page.example")

        answer = await ask(app, "GET", "/", headers=[origin])
        preflight = await ask(
            app,
            "OPTIONS",
            "/",
            headers=[origin, ("access-control-request-method", "PUT")],
        )
        foreign = await ask(app, "GET", "/", headers={"origin": "https://evil.example"})

        assert answer.headers("access-control-allow-origin") == ["https://page.example"]
        assert answer.headers("vary") == ["Origin"]
        assert preflight.status == 204
        assert "PUT" in (preflight.header("access-control-allow-methods") or "")
        assert foreign.header("access-control-allow-origin") is None

    @pytest.mark.parametrize("first", [CORSMiddleware, SecurityMiddleware])
    async def test_two_that_grant_refuse_the_start(self, first: type) -> None:
        app = NexiosApp(config=MakeConfig(security=self.KEYS))
        second = SecurityMiddleware if first is CORSMiddleware else CORSMiddleware
        app.add_middleware(first())
        app.add_middleware(second())

        with pytest.raises(TwoCorsEngines, match="fix: take CORSMiddleware away"):
            app.check()

    async def test_a_malformed_origin_is_warned_about(self) -> None:
        with pytest.warns(ConfigWarning, match=r"security\.allowed_origins: 'page\.example'"):
            MakeConfig(security={"cors_enabled": True, "allowed_origins": ["page.example"]})
