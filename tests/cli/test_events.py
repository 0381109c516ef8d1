"""`nexios events`: what a broker has set aside is listed and delivered again, on real servers."""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.support.store import Files

APP = """
import asyncio, sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.adapters.messaging.nats_broker import NatsBroker
from nexios.adapters.messaging.nats_link import NatsLink
from nexios.adapters.messaging.redis_broker import RedisBroker
from nexios.adapters.persistence import Database, SqlUnitOfWork, create_tables
from nexios.adapters.persistence.inbox import SqlInbox
from nexios.application import ApplicationService, UnitOfWork
from nexios.application.broker import EventBroker, Outgoing
from nexios.application.from_broker import from_broker
from nexios.application.inbox import Inbox
from nexios.domain import DomainEvent

URL, PREFIX = {url!r}, {prefix!r}
PAID = "billing.invoice-paid"

class InvoicePaid(DomainEvent, name=PAID):
    number: int

class Books(ApplicationService):
    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow

    @from_broker(PAID, version=1, consumer="books")
    async def book(self, event: InvoicePaid, envelope) -> None: ...

    @from_broker(PAID, version=1, consumer="mail")
    async def mail(self, event: InvoicePaid, envelope) -> None: ...

module = Module("books")

@module.provides(scope=Scope.SINGLETON)
async def broker() -> AsyncIterator[EventBroker]:
    if URL.startswith("redis"):
        async with RedisBroker(URL, source="/tests", prefix=PREFIX) as opened:
            yield opened
    elif URL.startswith("nats"):
        async with NatsLink(URL) as link:
            yield NatsBroker(link, source="/tests", prefix=PREFIX)
    else:
        yield MemoryBroker()

@module.provides(scope=Scope.SINGLETON)
async def database() -> AsyncIterator[Database]:
    async with Database("sqlite:///books.db") as opened:
        await create_tables(opened)
        yield opened

module.bind(SqlUnitOfWork)
module.bind(UnitOfWork).alias(SqlUnitOfWork)
module.bind(Inbox).to(SqlInbox)
module.bind(Books)
module.export(EventBroker, Books)
app = NexiosApp(module)
idle = NexiosApp(Module("idle", include=[]))

def invoice(number):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return Outgoing(UUID(int=number), PAID, 1, f"invoice:{{number}}", at, {{"number": number}})

async def main(consumer, verb):
    async with app.container as container:
        broker = await container.get(EventBroker)
        async with broker.consume(consumer, [PAID]) as messages:
            if verb == "bury":
                for number in (1, 2):
                    await broker.publish(invoice(number))
            seen = []
            for _ in range(2 if verb == "bury" else int(verb)):
                message = await asyncio.wait_for(anext(messages), 20)
                seen.append(message.event.payload["number"])
                if verb == "bury":
                    await message.bury(f"no invoice {{seen[-1]}}: ü\\nsecond line")
                else:
                    await message.ack()
            print(sorted(seen))

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
"""


class Books:
    """The application on disk, and its commands."""

    def __init__(self, store: Files, nexios: Callable[..., Result], url: str) -> None:
        self._nexios = nexios
        self._folder = store.root
        prefix = f"t{secrets.token_hex(6)}"
        store.write("store/main.py", APP.format(url=url, prefix=prefix))

    def events(self, *arguments: str) -> tuple[int, str]:
        done = self._nexios("events", *arguments)
        return done.exit_code, done.output

    def consume(self, consumer: str, verb: str) -> list[int]:
        """Bury two messages for a consumer, or acknowledge so many; return their numbers."""
        done = subprocess.run(
            [sys.executable, "-m", "store.main", consumer, verb],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        numbers: list[int] = json.loads(done.stdout)
        return numbers


Make = Callable[[str], Books]


@pytest.fixture
def books(store: Files, nexios: Callable[..., Result]) -> Make:
    return lambda url: Books(store, nexios, url)


@pytest.mark.parametrize("server", ["redis", "nats"])
def test_buried_messages_are_listed_and_redriven(
    server: str, books: Make, request: pytest.FixtureRequest
) -> None:
    shell = books(request.getfixturevalue(f"nexios_{server}"))
    assert shell.events("buried", "store.main:app") == (0, "no buried messages\n")
    assert shell.consume("books", "bury") == [1, 2]

    code, out = shell.events("buried", "store.main:app")
    assert code == 0, out
    one, two = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
    told = "books  billing.invoice-paid v1  invoice:{}  2026-01-02 00:00:00"
    assert sorted(out.splitlines()) == [
        "    no invoice 1: ü second line",
        "    no invoice 2: ü second line",
        f"{one}  {told.format(1)}",
        f"{two}  {told.format(2)}",
    ]
    none = "no buried messages\n"
    assert shell.events("buried", "store.main:app", "--consumer", "mail")[1] == none
    assert len(shell.events("buried", "store.main:app", "--limit", "1")[1].splitlines()) == 2

    code, out = shell.events("redrive", "store.main:app")
    assert code == 2
    assert "say which: --consumer NAME, --id ID or --all" in out
    assert shell.events("redrive", "store.main:app", "--consumer", "mail")[1] == "redriven  0\n"
    assert shell.events("redrive", "store.main:app", "--id", two)[1] == "redriven  1\n"
    assert shell.consume("books", "1") == [2]
    assert shell.events("redrive", "store.main:app", "--all")[1] == "redriven  1\n"
    assert shell.consume("books", "1") == [1]
    assert shell.events("buried", "store.main:app")[1] == none


def test_what_cannot_work_says_how_to_mend_it(books: Make) -> None:
    shell = books("memory")
    code, out = shell.events("buried", "store.main:app")
    assert code == 1
    assert "the broker of store.main:app is in memory" in out
    assert "fix: bind EventBroker" in out
    code, out = shell.events("buried", "store.main:idle")
    assert code == 1
    assert "store.main:idle handles no events of other services" in out
    code, out = shell.events("redrive", "store.main:idle", "--consumer", "books")
    assert code == 1
    assert "store.main:idle binds no EventBroker" in out


def test_a_broker_that_is_away_is_exit_code_3(books: Make) -> None:
    code, out = books("redis://127.0.0.1:1").events("buried", "store.main:app")
    assert code == 3
    assert "the message broker cannot be reached" in out
    assert "Traceback" not in out
