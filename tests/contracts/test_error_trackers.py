"""What the port ``ErrorTracker`` owes, wherever reports end."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nexios.adapters.observability.errors import MemoryErrors
from nexios.adapters.observability.sentry import SentryErrors, event_of
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.error_log import SqlErrors
from nexios.application.errors import Unavailable
from nexios.application.tracking import (
    ErrorReport,
    ErrorTracker,
    Occasion,
    ReportedError,
    ReportedFrame,
)

pytestmark = pytest.mark.asyncio

Seen = Callable[[], Awaitable[Sequence[ErrorReport | dict[str, Any]]]]
Place = Callable[[], AbstractAsyncContextManager[tuple[ErrorTracker, Seen]]]

FRAME = ReportedFrame("/app/shop.py", 7, "shop", "order", True, {"tea": "'green'"})
REPORT = ErrorReport(
    id="00c0ffee00c0ffee",
    fingerprint="f" * 16,
    at=datetime(2026, 11, 26, 12, 0, 0, 5, tzinfo=UTC),
    errors=[
        ReportedError("shop.OutOfTea", "no tea: \x00 \udc80 ü", "raised", [FRAME]),
        ReportedError("KeyError", "'tea'", "cause", [FRAME]),
    ],
    occasion=Occasion(
        "request", "/orders/{id}", "POST", "jwt", "r-1", [("x-own", "a")], [("q", "b")], {"n": 1}
    ),
    versions={"app": "1.2", "nexios": "3", "python": "3.13"},
    repeated=3,
)


class Intake(BaseHTTPRequestHandler):
    """As much of Sentry as takes envelopes."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        server: Any = self.server
        server.events += [json.loads(lines[2])] if b'"event"' in lines[1] else []
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def intake() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Intake)
    server.events = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=["memory", "sqlite", "postgres", "sentry"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[tuple[ErrorTracker, Seen]]:
            tracker = MemoryErrors()
            yield tracker, tracker.recent

        return memory
    if request.param == "sentry":

        @asynccontextmanager
        async def sentry() -> AsyncIterator[tuple[ErrorTracker, Seen]]:
            with intake() as server:
                dsn = f"http://public@127.0.0.1:{server.server_port}/1"
                tracker = SentryErrors(dsn, environment="test")

                async def seen() -> Sequence[dict[str, Any]]:
                    await tracker.stop()
                    return server.events[::-1]

                yield tracker, seen

        return sentry
    url = "sqlite://"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[tuple[ErrorTracker, Seen]]:
        async with Database(url) as database:
            await create_tables(database)
            tracker = SqlErrors(database)
            yield tracker, tracker.recent

    return sql


def id_of(one: ErrorReport | dict[str, Any]) -> str:
    return one["tags"]["error_id"] if isinstance(one, dict) else one.id


async def test_every_report_is_kept_and_the_youngest_comes_first(place: Place) -> None:
    ids = [f"{number:016x}" for number in range(5)]
    async with place() as (tracker, seen):
        for id in ids:
            await tracker.record(replace(REPORT, id=id))
        assert [id_of(one) for one in await seen()] == ids[::-1]


async def test_reports_may_come_at_once(place: Place) -> None:
    async with place() as (tracker, seen):
        reports = [replace(REPORT, id=f"{number:016x}") for number in range(20)]
        await asyncio.gather(*map(tracker.record, reports))
        assert sorted(map(id_of, await seen())) == sorted(one.id for one in reports)


async def test_a_report_is_kept_whole(place: Place) -> None:
    async with place() as (tracker, seen):
        await tracker.record(REPORT)
        (found,) = await seen()
        text = json.dumps(found) if isinstance(found, dict) else json.dumps(found.as_json())
        for part in ("no tea", "/app/shop.py", "KeyError", "/orders/{id}", "x-own", "jwt", "r-1"):
            assert part in text
        if isinstance(found, ErrorReport):
            assert replace(found, errors=REPORT.errors) == REPORT
            assert [list(one.frames) for one in found.errors] == [[FRAME], [FRAME]]


async def test_sentry_is_told_in_its_own_words() -> None:
    with intake() as server:
        dsn = f"http://public@127.0.0.1:{server.server_port}/1"
        async with SentryErrors(dsn, environment="prod") as tracker:
            await tracker.record(REPORT)
        (event,) = server.events
    assert event["event_id"] == REPORT.id.zfill(32)
    assert event["fingerprint"] == [REPORT.fingerprint]
    assert (event["environment"], event["release"]) == ("prod", "1.2")
    last = event["exception"]["values"][-1]
    assert (last["module"], last["type"]) == ("shop", "OutOfTea")
    assert last["stacktrace"]["frames"][-1]["in_app"] is True
    assert event["request"]["method"] == "POST"
    assert "data" not in event["request"]
    assert "request" not in event_of(replace(REPORT, occasion=Occasion("work", "mail")))


async def test_sentry_that_is_away_keeps_nobody() -> None:
    async with SentryErrors("http://public@127.0.0.1:1/1") as tracker:
        await asyncio.wait_for(tracker.record(REPORT), 5)


async def test_the_table_finds_an_id_and_forgets() -> None:
    async with Database("sqlite://") as database:
        await create_tables(database)
        tracker = SqlErrors(database)
        await tracker.record(REPORT)
        young = replace(REPORT, id="young", fingerprint="e" * 16, at=datetime.now(UTC))
        await tracker.record(young)
        found = await tracker.find(REPORT.id)
        assert found is not None
        assert found.title.startswith("shop.OutOfTea: no tea")
        assert await tracker.find("nobody") is None
        (of_group,) = await tracker.recent(fingerprint="e" * 16)
        assert of_group.id == "young"
        age = datetime.now(UTC) - REPORT.at
        if age > timedelta(hours=1):
            assert await tracker.purge(older_than_s=3600) == 1
            assert await tracker.find(REPORT.id) is None


async def test_a_table_that_is_away_raises_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1)
    with pytest.raises(Unavailable):
        await SqlErrors(database).record(REPORT)
    await database.stop()
