"""``nexios check --deploy`` of applications: a bad one and a good one for each rule."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import Database
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.oidc import OIDCProvider
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application.deploy import errors, findings
from nexios.application.keyring import Secret
from nexios.application.rates import CounterStore
from nexios.application.sessions import SessionStore
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import public
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.cli.main import main
from nexios.deploying import facts_of
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.csrf import CSRFMiddleware
from nexios.middleware.rate_limiting import RateLimitMiddleware, rate_limit
from nexios.middleware.security import SecurityMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.middleware.timeout import TimeoutMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed

KEY = "9f2c41d87be05a63c8e7f1b24d90a6e35c7b8d1f02e4a697"
OTHER = "41d87be05a63c8e7f1b24d90a6e35c7b8d1f02e4a6979f2c"
GOOD: dict[str, Any] = {
    "allowed_hosts": ["shop.test", "testserver"],
    "secret_key": KEY,
    "trusted_proxies": ["10.0.0.5"],
    "openapi": {"enabled": False},
    "auth": {"deny_by_default": False},
}
Change = Callable[[NexiosApp], None]


class LoadSheddingMiddleware:
    """Stands where the real one does, which is made elsewhere."""

    async def __call__(self, request: Any, response: Any, call_next: Any) -> Any:
        return await call_next()


def user(**claims: Any) -> Any:
    return claims


def app(*add: Any, modules: tuple[Module, ...] = (), **config: Any) -> NexiosApp:
    made = NexiosApp(*modules, config=MakeConfig({**GOOD, **config}))
    for one in add:
        made.add_middleware(one)
    made.add_middleware(LoadSheddingMiddleware())
    made.add_middleware(TimeoutMiddleware(5))

    @made.get("/")
    @public
    async def index() -> str:
        return "shop"

    return made


def bound(key: Any, source: type, *, to: bool = True) -> Module:
    module = Module("stores")
    module.bind(key, scope=Scope.SINGLETON).to(source)
    return module.export(key)


def valued(key: Any, value: Any) -> Module:
    module = Module("values")
    module.bind(key).value(value)
    return module.export(key)


def routed(path: str, *marks: Callable[[Any], Any], method: str = "post") -> NexiosApp:
    made = app()

    async def handler() -> str:
        return "done"

    for mark in marks:
        handler = mark(handler)
    getattr(made, method)(path)(handler)
    return made


def oidc(**options: Any) -> NexiosApp:
    provider = OIDCProvider(
        "idp", issuer="https://idp.test", client_id="shop", client_secret=OTHER, **options
    )
    backend = OIDCAuthBackend(provider, lambda identity: {"id": identity.subject})
    return app(
        AuthenticationMiddleware(backend=backend),
        SessionMiddleware(store=MemorySessions()),
    )


def logging_in(*modules: Module) -> NexiosApp:
    backend = SessionAuthBackend(lambda user_id: {"id": user_id})
    return app(AuthenticationMiddleware(backend=backend), SessionMiddleware(), modules=modules)


def pool(**options: Any) -> NexiosApp:
    return app(modules=(valued(Database, Database("sqlite://", **options)),))


def debugging() -> NexiosApp:
    made = app()
    made.debug = True
    return made


RULES: list[tuple[str, str, Callable[[], NexiosApp], Callable[[], NexiosApp]]] = [
    ("NX601", "error", debugging, app),
    ("NX602", "error", lambda: app(secret_key="short"), lambda: app(secret_key=[KEY, OTHER])),
    ("NX602", "error", lambda: app(secret_key="a" * 40), app),
    ("NX602", "error", lambda: app(secret_key="change-me-" * 4), app),
    ("NX602", "error", lambda: app(secret_key=[KEY, KEY]), app),
    (
        "NX602", "error",
        lambda: app(AuthenticationMiddleware(JWTAuthBackend(user, secret_key=KEY))),
        lambda: app(AuthenticationMiddleware(JWTAuthBackend(user, secret_key=OTHER))),
    ),
    ("NX603", "error", lambda: app(allowed_hosts=None), app),
    ("NX603", "error", lambda: app(allowed_hosts=["*"]), app),
    (
        "NX604", "error",
        lambda: app(CORSMiddleware(allow_origins=["*"], allow_credentials=True)),
        lambda: app(CORSMiddleware(allow_origins=["*"], allow_credentials=False)),
    ),
    (
        "NX604", "error",
        lambda: app(CORSMiddleware(), cors={"allow_origins": ["*"], "allow_credentials": True}),
        lambda: app(CORSMiddleware(), cors={"allow_origins": ["*"]}),
    ),
    (
        "NX605", "warning",
        lambda: app(CORSMiddleware(allow_origins=["http://shop.test"])),
        lambda: app(CORSMiddleware(allow_origins=["https://shop.test"])),
    ),
    (
        "NX606", "error",
        lambda: app(SessionMiddleware(cookie_secure=False)),
        lambda: app(SessionMiddleware()),
    ),
    (
        "NX606", "error",
        lambda: app(CSRFMiddleware(cookie_samesite="none")),
        lambda: app(CSRFMiddleware()),
    ),
    (
        "NX607", "error",
        lambda: app(modules=(bound(CounterStore, MemoryCounters),)),
        lambda: app(modules=(valued(CounterStore, RedisCounters("redis://127.0.0.1:1")),)),
    ),
    (
        "NX607", "error",
        lambda: app(RateLimitMiddleware()),
        lambda: app(
            RateLimitMiddleware(),
            modules=(valued(CounterStore, RedisCounters("redis://127.0.0.1:1")),),
        ),
    ),
    ("NX609", "error", lambda: pool(statement_timeout_s=0), pool),
    ("NX610", "warning", lambda: NexiosApp(config=MakeConfig()), app),
    ("NX610", "error", lambda: app(trusted_proxies=["0.0.0.0/0"]), app),
    (
        "NX611", "warning",
        lambda: app(SecurityMiddleware(hsts_preload=True, hsts_include_subdomains=False)),
        lambda: app(SecurityMiddleware(hsts_preload=True)),
    ),
    (
        "NX611", "warning",
        lambda: app(SessionMiddleware(cookie_secure=True)),
        lambda: app(SessionMiddleware(cookie_secure=True), SecurityMiddleware()),
    ),
    ("NX612", "warning", lambda: routed("/x"), lambda: routed("/x", public)),
    (
        "NX612", "error",
        lambda: routed("/metrics", public, method="get"),
        lambda: routed("/metric", public, method="get"),
    ),
    ("NX612", "warning", lambda: app(openapi={"enabled": True}), app),
    (
        "NX613", "warning",
        logging_in,
        lambda: logging_in(valued(SessionStore, MemorySessions())),
    ),
    (
        "NX614", "warning",
        lambda: app(
            AuthenticationMiddleware(
                JWTAuthBackend(user, secret_key=OTHER, issuer="https://idp", audience="shop")
            )
        ),
        lambda: app(AuthenticationMiddleware(JWTAuthBackend(user, secret_key=OTHER))),
    ),
    ("NX614", "warning", lambda: app(auth={"access_s": 90_000}), app),
    (
        "NX615", "error",
        lambda: app(CORSMiddleware(), SecurityMiddleware(cors_enabled=True)),
        lambda: app(SecurityMiddleware(cors_enabled=True)),
    ),
    (
        "NX616", "warning",
        lambda: routed("/auth/login", public),
        lambda: routed("/auth/login", public, rate_limit("5/minute")),
    ),
    ("NX617", "warning", lambda: NexiosApp(config=MakeConfig()), app),
    (
        "NX621", "warning",
        lambda: app(mail={"password": "hunter2"}),
        lambda: app(mail={"password": Secret("hunter2"), "host": "mail.test"}),
    ),
    ("NX622", "error", lambda: oidc(allow_private=True), oidc),
]  # fmt: skip


# Refused while the application is built, in other words; NX607 needs several workers.
BUILDING = ("NX604", "NX607", "NX615")


@pytest.mark.parametrize(("code", "level", "bad", "good"), RULES)
def test_each_rule_flags_its_bad_app_and_passes_its_good_one(
    code: str, level: str, bad: Callable[[], NexiosApp], good: Callable[[], NexiosApp]
) -> None:
    found = findings(facts_of(bad(), workers=2))
    assert (code, level) in [(one.code, one.level) for one in found]
    kept = findings(facts_of(good(), workers=2))
    assert (code, level) not in [(one.code, one.level) for one in kept]


def test_a_good_app_passes_all() -> None:
    assert findings(facts_of(app())) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "bad", [one[2] for one in RULES if one[1] == "error" and one[0] not in BUILDING]
)
async def test_prod_start_refuses_what_check_calls_an_error(
    bad: Callable[[], NexiosApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXIOS_ENV", "prod")
    made = bad()
    expected = errors(facts_of(made))
    assert expected
    with pytest.raises(LifespanFailed) as refusal:
        async with AsyncTestClient(made):
            pass
    told = str(refusal.value)
    assert all(str(one) in told for one in expected)
    assert len(re.findall(r"^NX\d+ error: ", told, re.MULTILINE)) == len(expected)


@pytest.mark.asyncio
async def test_prod_counts_the_workers_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEXIOS_ENV", "prod")
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    with pytest.raises(LifespanFailed, match="NX607"):
        async with AsyncTestClient(app(RateLimitMiddleware())):
            pass
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    async with AsyncTestClient(app(RateLimitMiddleware())) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.asyncio
async def test_debug_page_needs_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**config: Any) -> NexiosApp:
        made = app(**config)

        @made.get("/broken")
        @public
        async def fail() -> None:
            shelf = "tea"
            raise ValueError(shelf)

        return made

    for debug in (False, True):
        made = broken(debug=debug)
        async with AsyncTestClient(made, raise_server_exceptions=False) as client:
            answer = await client.get("/broken", headers={"accept": "text/html"})
        assert answer.status_code == 500
        assert ("shelf" in answer.text) is debug
    monkeypatch.setenv("NEXIOS_ENV", "prod")
    with pytest.raises(LifespanFailed, match="NX601"):
        async with AsyncTestClient(broken(debug=True)):
            pass
    async with AsyncTestClient(broken(), raise_server_exceptions=False) as client:
        answer = await client.get("/broken", headers={"accept": "text/html"})
        assert (answer.status_code, "tea" in answer.text) == (500, False)


@pytest.mark.asyncio
async def test_dev_starts_with_all_of_it() -> None:
    async with AsyncTestClient(app(allowed_hosts=None, debug=True)) as client:
        assert (await client.get("/")).status_code == 200


MAIN = """\
from nexios import MakeConfig, NexiosApp
from nexios.middleware.rate_limiting import RateLimitMiddleware
bad = NexiosApp(config=MakeConfig(secret_key="%s"))
bad.add_middleware(RateLimitMiddleware())

@bad.get("/100%%")
async def index() -> str:
    return "shop"
"""


@pytest.fixture
def checked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    (tmp_path / "deployed.py").write_text(MAIN % KEY)
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(*options: str) -> Result:
        return CliRunner().invoke(main, ["check", "deployed:bad", "--deploy", *options])

    return check


def test_the_command_ends_with_1_and_says_what_mends(checked: Callable[..., Result]) -> None:
    done = checked()
    assert done.exit_code == 1
    assert "NX603 error: every Host header is believed" in done.output
    assert 'fix: allowed_hosts=["shop.example"]' in done.output
    assert "NX607" not in done.output
    assert done.output.splitlines()[-1].startswith("deploy   1 errors, ")
    assert "NX607 error" in checked("--workers", "3").output


def test_the_command_speaks_json_and_to_github(checked: Callable[..., Result]) -> None:
    done = checked("--format", "json")
    told = json.loads(done.output)
    assert (done.exit_code, told["passed"]) == (1, False)
    assert "NX603" in [one["code"] for one in told["findings"]]
    done = checked("--format", "github")
    lines = done.output.splitlines()
    assert done.exit_code == 1
    assert all(line.startswith(("::error title=NX", "::warning title=NX")) for line in lines)
    assert any("GET /100%25" in line and "%0A" in line for line in lines)


def test_the_command_wants_an_application(checked: Callable[..., Result]) -> None:
    done = CliRunner().invoke(main, ["check", "json", "--deploy"])
    assert done.exit_code == 2
    assert CliRunner().invoke(main, ["check", "deployed:bad", "--format", "github"]).exit_code == 2


def test_the_limit_of_the_configuration_is_a_deadline() -> None:
    assert facts_of(NexiosApp(config=MakeConfig())).deadline
    without = MakeConfig(limits={"request_s": None})
    assert not facts_of(NexiosApp(config=without)).deadline
    limited = NexiosApp(config=without)
    limited.add_middleware(TimeoutMiddleware(5))
    assert facts_of(limited).deadline


def test_the_page_of_the_metrics_is_told_by_its_setting() -> None:
    told = facts_of(NexiosApp(config=MakeConfig(telemetry={"metrics": True})))
    (page,) = (one for one in told.entrances if one.path == "/metrics")
    assert page.where == "telemetry.metrics"
