"""Sessions over HTTP: what is sent, what is kept, and what a client cannot do to them."""

import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import pytest_asyncio

from nexios import MakeConfig, Module, NexiosApp, Request, WebSocket
from nexios.adapters.asgi.session import SessionReadOnly, UnstorableSession
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.errors import DatabaseUnavailable
from nexios.adapters.persistence.sessions import SqlSessions
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.signing import SignedValues
from nexios.application.keyring import Keyring
from nexios.application.sessions import SessionStore, StoredSession
from nexios.middleware.session import NoSessionSecret, SessionMiddleware
from nexios.middleware.session_stores import (
    BaseSessionInterface,
    FileSessionManager,
    SignedSessionManager,
    StoredSessionManager,
)
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import websocket_connect

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


class Times:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def counting(app: NexiosApp) -> NexiosApp:
    """Give an application handlers that use the session."""

    @app.get("/plain")
    async def plain(request: Request) -> str:
        return "no session was touched"

    @app.get("/read")
    async def read(request: Request) -> dict[str, Any]:
        return dict(request.session)

    @app.post("/set/{key}/{value}")
    async def put(request: Request, key: str, value: str) -> dict[str, Any]:
        request.session[key] = value
        return dict(request.session)

    @app.post("/deep/{value}")
    async def deep(request: Request, value: str) -> dict[str, Any]:
        request.session.setdefault("list", []).append(value)
        return dict(request.session)

    @app.post("/renew")
    async def renew(request: Request) -> str:
        request.session.regenerate_id()
        return "renewed"

    @app.post("/empty")
    async def empty(request: Request) -> str:
        request.session.clear()
        return "empty"

    return app


def signed(**keys: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    app.add_middleware(SessionMiddleware(**keys))
    return counting(app)


def stored(store: SessionStore, **keys: Any) -> NexiosApp:
    module = Module("store")
    module.bind(SessionStore).value(store)
    app = NexiosApp(module.export(SessionStore))
    app.add_middleware(SessionMiddleware(**keys))
    return counting(app)


def cookie(client: AsyncTestClient) -> str:
    found: str = client.cookies["session_id"]
    return found


@pytest_asyncio.fixture(params=["signed", "memory", "sqlite"])
async def app(request: pytest.FixtureRequest) -> AsyncIterator[NexiosApp]:
    if request.param == "signed":
        yield signed()
    elif request.param == "memory":
        yield stored(MemorySessions())
    else:
        async with Database("sqlite://") as database:
            await create_tables(database)
            yield stored(SqlSessions(database))


async def test_what_was_put_in_is_there_the_next_time(app: NexiosApp) -> None:
    async with AsyncTestClient(app) as client:
        await client.post("/set/a/1")
        await client.post("/deep/x")
        await client.post("/deep/y")
        assert (await client.get("/read")).json() == {"a": "1", "list": ["x", "y"]}


async def test_session_untouched_sets_nothing(app: NexiosApp) -> None:
    async with AsyncTestClient(app) as client:
        for path in ("/plain", "/read"):
            got = await client.get(path)
            assert "set-cookie" not in got.headers
        await client.post("/set/a/1")
        for path in ("/plain", "/read"):
            assert "set-cookie" not in (await client.get(path)).headers
        assert (await client.get("/read")).json() == {"a": "1"}


async def test_only_a_touched_session_makes_the_answer_private(app: NexiosApp) -> None:
    async with AsyncTestClient(app) as client:
        plain, read = await client.get("/plain"), await client.get("/read")
    assert "cache-control" not in plain.headers
    assert "vary" not in plain.headers
    assert (read.headers["cache-control"], read.headers["vary"]) == ("no-store", "Cookie")


async def test_an_emptied_session_deletes_its_cookie_and_an_unknown_one_does_not(
    app: NexiosApp,
) -> None:
    async with AsyncTestClient(app) as client:
        assert "set-cookie" not in (await client.post("/empty")).headers
        await client.post("/set/a/1")
        old = cookie(client)
        gone = await client.post("/empty")
        assert "max-age=0" in gone.headers["set-cookie"].lower()
        got = await client.get("/read", headers={"cookie": f"session_id={old}"})
    if not isinstance(app.http_middleware[0]._manager, SignedSessionManager):
        assert got.json() == {}


@pytest.mark.parametrize(
    "planted", ["", "x", "../../etc/passwd", "a" * 5000, "%00", "a.b.c", '"quoted"', "é"]
)
async def test_planted_id_is_never_adopted(app: NexiosApp, planted: str) -> None:
    async with AsyncTestClient(app) as client:
        headers = {"cookie": f"session_id={planted}".encode()}
        got = await client.post("/set/a/1", headers=headers)
        assert got.json() == {"a": "1"}
        assert cookie(client) != planted


async def test_session_cookie_tampering(app: NexiosApp) -> None:
    async with AsyncTestClient(app) as client:
        await client.post("/set/a/1")
        good = cookie(client)
        other = SignedValues(Keyring([SECRET]), "another purpose").sign({"d": {"a": "2"}})
        foreign = SignedValues(Keyring(["another secret of 32 bytes and more"]), "session")
        flipped = [
            good[:n] + ("A" if good[n] != "A" else "B") + good[n + 1 :] for n in range(len(good))
        ]
        for bad in (*flipped, other, foreign.sign({"d": {"a": "2"}}), good[:-1], good + "A"):
            got = await client.get("/read", headers={"cookie": f"session_id={bad}"})
            assert (got.status_code, got.json()) == (200, {}), bad


async def test_two_session_cookies_prove_nothing(app: NexiosApp) -> None:
    async with AsyncTestClient(app) as client:
        await client.post("/set/a/1")
        twice = f"session_id={cookie(client)}; session_id={cookie(client)}"
        assert (await client.get("/read", headers={"cookie": twice})).json() == {}


async def test_a_new_id_keeps_the_content_and_the_old_one_is_dead() -> None:
    async with AsyncTestClient(stored(MemorySessions())) as client:
        await client.post("/set/a/1")
        old = cookie(client)
        await client.post("/renew")
        assert cookie(client) != old
        assert (await client.get("/read")).json() == {"a": "1"}
        got = await client.get("/read", headers={"cookie": f"session_id={old}"})
        assert got.json() == {}


async def test_the_store_never_holds_an_id() -> None:
    store = MemorySessions()
    async with AsyncTestClient(stored(store)) as client:
        await client.post("/set/a/1")
        (digest,) = store._sessions
        assert len(digest) == 32
        assert cookie(client).encode() not in digest


@pytest.mark.parametrize("kind", ["signed", "memory"])
async def test_both_ends_hold_on_the_server(kind: str) -> None:
    times = Times()
    settings = MakeConfig(session={"expiration_time": 3600, "idle_s": 600}).session
    manager: Any = (
        SignedSessionManager(Keyring([SECRET]), settings, now=times)
        if kind == "signed"
        else StoredSessionManager(MemorySessions(now=times), settings, now=times)
    )

    async def kept(opened: Any) -> str:
        value: str = await manager.keep(opened)
        return value

    opened = await manager.open("")
    opened.session["a"] = 1
    value = await kept(opened)
    times.now += timedelta(seconds=3500)
    if kind == "memory":  # the signed one also goes by the true clock
        assert (await manager.open(value)).session.peek("a") == 1
        times.now += timedelta(seconds=101)
        assert (await manager.open(value)).stored is None

    opened = await manager.open("")
    opened.session["a"] = 1
    opened.session.actor = "ada"
    value = await kept(opened)
    times.now += timedelta(seconds=601)
    assert (await manager.open(value)).stored is None


async def test_use_moves_the_idle_end_and_never_the_absolute_one() -> None:
    times, store = Times(), MemorySessions()
    store._now = times
    settings = MakeConfig(session={"expiration_time": 3600, "idle_s": 600}).session
    manager = StoredSessionManager(store, settings, now=times)
    opened = await manager.open("")
    opened.session["a"] = 1
    opened.session.actor = "ada"
    value = await manager.keep(opened)
    assert value
    for _ in range(7):
        times.now += timedelta(seconds=500)
        opened = await manager.open(value)
        assert opened.session["a"] == 1
        assert await manager.keep(opened) is None
    times.now += timedelta(seconds=101)
    assert (await manager.open(value)).stored is None


async def test_parallel_writes_merge_or_conflict() -> None:
    both = anyio.Event()

    def waiting(store: SessionStore, **keys: Any) -> NexiosApp:
        app = stored(store, **keys)
        arrived: list[str] = []

        @app.post("/slow/{key}/{value}")
        async def slow(request: Request, key: str, value: str) -> str:
            request.session[key] = value
            arrived.append(value)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            return "set"

        return app

    async def together(app: NexiosApp, *paths: str) -> tuple[list[int], dict[str, Any]]:
        statuses: list[int] = []
        async with AsyncTestClient(app) as client:
            await client.post("/set/start/0")

            async def one(path: str) -> None:
                statuses.append((await client.post(path)).status_code)

            async with anyio.create_task_group() as tasks:
                for path in paths:
                    tasks.start_soon(one, path)
            return sorted(statuses), (await client.get("/read")).json()

    same = "/slow/a/1", "/slow/a/2"
    statuses, left = await together(waiting(MemorySessions()), "/slow/a/1", "/slow/b/2")
    assert (statuses, left) == ([200, 200], {"start": "0", "a": "1", "b": "2"})
    both = anyio.Event()
    statuses, left = await together(waiting(MemorySessions()), *same)
    assert statuses == [200, 409]
    both = anyio.Event()
    statuses, left = await together(waiting(MemorySessions(), on_conflict="last"), *same)
    assert statuses == [200, 200]


async def test_late_save_cannot_undo_logout() -> None:
    store, inside, go_on = MemorySessions(), anyio.Event(), anyio.Event()
    app = stored(store)

    @app.post("/slow")
    async def slow(request: Request) -> str:
        request.session["late"] = "1"
        inside.set()
        await go_on.wait()
        return "saved?"

    @app.post("/out")
    async def out(request: Request) -> str:
        request.session.invalidate()
        return "out"

    async with AsyncTestClient(app) as client:
        await client.post("/set/a/1")
        value = cookie(client)
        late: list[Any] = []

        async def save() -> None:
            late.append(await client.post("/slow", headers={"cookie": f"session_id={value}"}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(save)
            await inside.wait()
            await client.post("/out", headers={"cookie": f"session_id={value}"})
            go_on.set()

    assert not store._sessions
    assert "max-age=0" in late[0].headers["set-cookie"].lower()


class Down(MemorySessions):
    async def load(self, digest: bytes) -> StoredSession | None:
        raise DatabaseUnavailable("connection refused")


async def test_store_outage_hits_only_routes_that_need_it() -> None:
    async with AsyncTestClient(stored(Down())) as client:
        headers = {"cookie": "session_id=anything"}
        assert (await client.get("/plain", headers=headers)).status_code == 200
        got = await client.get("/read", headers=headers)
        assert (got.status_code, got.headers["retry-after"]) == (503, "2")
        assert (await client.get("/read")).status_code == 200


async def test_flags_of_the_cookie() -> None:
    async with AsyncTestClient(signed(), base_url="https://shop.example") as client:
        flags = (await client.post("/set/a/1")).headers["set-cookie"].lower()
    for flag in ("secure", "httponly", "samesite=lax", "path=/"):
        assert flag in flags
    assert "max-age" not in flags
    app = signed(permanent=True, session_cookie_name="__Host-session", cookie_samesite="strict")
    async with AsyncTestClient(app, base_url="https://shop.example") as client:
        flags = (await client.post("/set/a/1")).headers["set-cookie"].lower()
    assert flags.startswith("__host-session=")
    assert "max-age=86400" in flags
    assert "samesite=strict" in flags
    async with AsyncTestClient(signed()) as client:
        assert "secure" not in (await client.post("/set/a/1")).headers["set-cookie"].lower()


async def test_what_a_cookie_cannot_hold_is_a_500_that_says_how_to_mend_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = signed()

    @app.post("/big")
    async def big(request: Request) -> str:
        request.session["big"] = secrets.token_hex(2500)
        return "big"

    @app.post("/odd")
    async def odd(request: Request) -> str:
        request.session["odd"] = object()
        return "odd"

    async with AsyncTestClient(app) as client:
        for path in ("/big", "/odd"):
            assert (await client.post(path)).status_code == 500
    assert "fix: bind a SessionStore" in caplog.text
    assert "UnstorableSession" in caplog.text
    assert UnstorableSession("x").says == "x"


async def test_a_socket_reads_the_session_and_cannot_change_it() -> None:
    app, seen = signed(), list[Any]()

    @app.websocket("/ws")
    async def follow(websocket: WebSocket) -> None:
        seen.append(dict(websocket.session))
        with pytest.raises(SessionReadOnly):
            websocket.session["a"] = "2"
        await websocket.accept()

    async with AsyncTestClient(app) as client:
        await client.post("/set/a/1")
        headers = {"cookie": f"session_id={cookie(client)}", "origin": "http://testserver"}
        async with websocket_connect(app, "/ws", headers=headers):
            pass

    assert seen == [{"a": "1"}]


async def test_no_secret_and_no_store_refuse_the_start() -> None:
    app = NexiosApp()
    app.add_middleware(SessionMiddleware())
    with pytest.raises(NoSessionSecret, match=r"fix: MakeConfig\(secret_key"):
        app.check()


@pytest.mark.parametrize(
    ("key", "value"),
    [("expiration_time", 0), ("cookie_samesite", "maybe"), ("idle_s", 0), ("on_conflict", "x")],
)
async def test_settings_that_do_not_fit_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        MakeConfig(session={key: value})
    with pytest.raises(ValueError, match=key):
        SessionMiddleware(**{key: value})
    with pytest.raises(ValueError, match="__Host-"):
        MakeConfig(session={"session_cookie_name": "__Host-s", "cookie_path": "/x"})
    with pytest.raises(TypeError, match="did you mean 'idle_s'"):
        SessionMiddleware(idle=3)


async def test_names_of_2_11() -> None:
    app = signed()

    @app.get("/old")
    async def old(request: Request) -> dict[str, Any]:
        session = request.session
        session.set_session("a", 1)
        assert session.get_session("a") == 1
        assert session.get_all() == {"a": 1}
        assert not session.is_empty()
        assert session.modified
        session.delete_session("a")
        session.set_expiry(60)
        session.set_expiration_time(datetime.now(UTC) + timedelta(hours=1))
        return {"expired": session.has_expired(), "empty": session.is_empty()}

    async with AsyncTestClient(app) as client:
        assert (await client.get("/old")).json() == {"expired": False, "empty": True}


def every_file(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_files_are_named_by_us_and_stay_in_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    app = NexiosApp(config=MakeConfig(session={"session_file_storage_path": str(folder)}))
    app.add_middleware(SessionMiddleware(manager=FileSessionManager))
    async with AsyncTestClient(counting(app)) as client:
        await client.post("/set/a/1")
        value = cookie(client)
        for planted in ("../x", "/etc/passwd", "..%2f..", value + "/../x"):
            got = await client.get("/read", headers={"cookie": f"session_id={planted}"})
            assert got.json() == {}
        assert (await client.get("/read")).json() == {"a": "1"}
    (file,) = every_file(tmp_path)
    assert (file.parent, value in file.name) == (folder, False)


async def test_a_manager_of_ones_own() -> None:
    kept: dict[str, dict[str, Any]] = {}

    class Ours(BaseSessionInterface):
        async def load(self, cookie: str) -> Mapping[str, Any] | None:
            return kept.get(cookie)

        async def save(self, cookie: str, data: Mapping[str, Any]) -> str:
            if not data:
                kept.pop(cookie, None)
                return ""
            name = cookie or f"s{len(kept)}"
            kept[name] = dict(data)
            return name

    app = NexiosApp()
    app.add_middleware(SessionMiddleware(manager=Ours))
    async with AsyncTestClient(counting(app)) as client:
        await client.post("/set/a/1")
        assert (await client.get("/read")).json() == {"a": "1"}
        assert kept == {"s0": {"a": "1"}}
        await client.post("/renew")
        assert list(kept.values()) == [{"a": "1"}]
        await client.post("/empty")
    assert kept == {}
