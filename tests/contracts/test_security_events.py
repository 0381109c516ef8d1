"""What the port ``SecurityEvents`` owes, wherever they are kept."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest

from nexios import Depend, Module, NexiosApp, Request
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.append_only import append_only_statements
from nexios.adapters.persistence.errors import BadStatement
from nexios.adapters.persistence.security_events import QueuedSecurityEvents, SqlSecurityEvents
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.application.errors import Unavailable
from nexios.application.login import PasswordLogin
from nexios.application.security_events import SecurityEvent, SecurityEvents
from nexios.domain.errors import RuleViolated
from nexios.testing.client import AsyncTestClient
from nexios.testing.security import KeptSecurityEvents
from tests.support.logins import GOOD, door

pytestmark = pytest.mark.asyncio

Read = Callable[[], Awaitable[Sequence[SecurityEvent]]]
Place = Callable[[], AbstractAsyncContextManager[tuple[SecurityEvents, Read]]]

LOGIN = SecurityEvent("login", "allowed", "ada", "password", details={"address": "::1"})
DENIED = SecurityEvent(
    "access.denied", "denied", "ada", "jwt", "no: \x00 \udc80", {"path": "/\x00", "n": 1}
)


class Away:
    """A store that is away."""

    async def record(self, event: SecurityEvent) -> None:
        raise Unavailable


class Slow:
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.entered = asyncio.Event()
        self.events: list[SecurityEvent] = []

    async def record(self, event: SecurityEvent) -> None:
        self.entered.set()
        await self.open.wait()
        self.events.append(event)


@pytest.fixture(params=["memory", "sqlite", "postgres", "queued"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[tuple[SecurityEvents, Read]]:
            kept = KeptSecurityEvents()

            async def read() -> Sequence[SecurityEvent]:
                return kept.events[::-1]

            yield kept, read

        return memory
    url = "sqlite://"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[tuple[SecurityEvents, Read]]:
        async with Database(url) as database:
            await create_tables(database)
            for statement in append_only_statements(database.store, "nx_security"):
                await database.execute(statement)
            events = SqlSecurityEvents(database)
            if request.param != "queued":
                yield events, events.recent
                return
            async with QueuedSecurityEvents(events) as queued:

                async def settled() -> Sequence[SecurityEvent]:
                    await queued.__aexit__(None, None, None)
                    return await events.recent()

                yield queued, settled

    return sql


async def test_events_are_kept_in_order(place: Place) -> None:
    async with place() as (events, read):
        for number in range(5):
            await events.record(SecurityEvent("access.denied", "denied", reason=str(number)))
        assert [one.reason for one in await read()] == ["4", "3", "2", "1", "0"]


async def test_an_event_is_kept_whole(place: Place) -> None:
    async with place() as (events, read):
        await events.record(LOGIN)
        await events.record(DENIED)
        denied, login = await read()
    assert (login.action, login.outcome, login.actor) == ("login", "allowed", "ada")
    assert (login.scheme, login.details) == ("password", {"address": "::1"})
    assert (denied.action, denied.details["n"]) == ("access.denied", 1)


async def test_a_required_event_is_kept_when_record_returns(place: Place) -> None:
    async with place() as (events, read):
        await asyncio.gather(*(events.record(LOGIN) for _ in range(10)))
        assert len(await read()) == 10


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.db"
    found: str = request.getfixturevalue("nexios_database_url")
    return found


async def test_kept_events_cannot_be_rewritten(url: str) -> None:
    async with Database(url) as database:
        await create_tables(database)
        for statement in append_only_statements(database.store, "nx_security"):
            await database.execute(statement)
        await SqlSecurityEvents(database).record(LOGIN)
        for statement in ("UPDATE nx_security SET actor = 'bob'", "DELETE FROM nx_security"):
            with pytest.raises((RuleViolated, BadStatement)):
                await database.execute(statement)


async def test_an_event_outlives_the_use_case_that_rolls_back(nexios_database: Database) -> None:
    await create_tables(nexios_database)
    events = SqlSecurityEvents(nexios_database)
    with pytest.raises(ZeroDivisionError):
        async with nexios_database.transaction():
            await events.record(DENIED)
            raise ZeroDivisionError
    assert len(await events.recent(actor="ada")) == 1


async def test_an_event_says_when_it_happened(url: str) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    async with Database(url) as database:
        await create_tables(database)
        events = SqlSecurityEvents(database)
        await events.record(SecurityEvent("login", "failed", at=moment))
        assert [one.at for one in await events.recent()] == [moment]


@pytest.mark.parametrize(
    ("action", "required"),
    [("login", True), ("rights.given", True), ("keys.rotated", True), ("access.denied", False)],
)
async def test_a_queue_holds_up_what_is_required_alone(action: str, required: bool) -> None:
    async with QueuedSecurityEvents(Away()) as events:
        event = SecurityEvent(action, "allowed", "ada")
        assert event.required is required
        if required:
            with pytest.raises(Unavailable):
                await events.record(event)
        else:
            await events.record(event)
    assert events.spilled == (0 if required else 1)


async def test_a_full_queue_spills_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nexios.security")
    slow = Slow()
    async with QueuedSecurityEvents(slow, limit=10) as events:
        await events.record(DENIED)
        await slow.entered.wait()
        for number in range(12):
            await events.record(SecurityEvent("access.denied", "denied", reason=str(number)))
        assert events.spilled == 2
        slow.open.set()
    assert len(slow.events) == 11
    assert '"reason": "10"' in caplog.text
    assert '"reason": "11"' in caplog.text
    assert events.spilled == 2


async def test_what_cannot_be_kept_at_the_stop_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Slow()
    async with QueuedSecurityEvents(slow) as events:
        await events.record(DENIED)
        await slow.entered.wait()
        await events.record(DENIED)
    assert events.spilled == 2
    assert sum("access.denied" in one.getMessage() for one in caplog.records) == 2


async def test_required_event_that_cannot_be_written_stops_the_action() -> None:
    opened = await door()
    ran: list[str] = []
    database = Database("sqlite://")  # without its tables
    module = Module("login")
    module.bind(SecurityEvents).value(QueuedSecurityEvents(SqlSecurityEvents(database)))
    module.export(SecurityEvents)
    app = NexiosApp(module)

    @app.post("/login")
    async def login(request: Request, events: SecurityEvents = Depend()) -> str:
        check = PasswordLogin(opened.accounts, opened.hasher, MemoryCounters(), events)
        told = await check("ada", (await request.body).decode())
        ran.append("nobody" if told is None else told.identity)
        return "in"

    async with AsyncTestClient(app) as client:
        for password in (GOOD, "not the right one"):
            answer = await client.post("/login", content=password)
            assert answer.status_code == 503
        assert ran == []
        await create_tables(database)
        assert (await client.post("/login", content=GOOD)).status_code == 200
    assert ran == ["user-ada"]
    kept = await SqlSecurityEvents(database).recent()
    assert [one.outcome for one in kept] == ["allowed"]
    await database.stop()
