"""`nexios events`: what a broker has set aside is listed and delivered again, on real servers."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

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
    return Outgoing(UUID(int=number), PAID, 1, f"invoice:{{number}}", datetime(2026, 1, 2, tzinfo=UTC),
                    {{"number": number}})

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


class Shell:
    """The application on disk, and its commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        prefix = f"t{secrets.token_hex(6)}"
        (folder / "main.py").write_text(APP.format(url=url, prefix=prefix))

    def events(self, *arguments: str) -> tuple[int, str, str]:
        return self._run("-m", "nexios", "events", *arguments)

    def consume(self, consumer: str, verb: str) -> list[int]:
        """Bury two messages for a consumer, or acknowledge so many; return their numbers."""
        code, out, err = self._run("main.py", consumer, verb)
        assert code == 0, err
        numbers: list[int] = json.loads(out)
        return numbers

    def _run(self, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("server", ["redis", "nats"])
def test_buried_messages_are_listed_and_redriven(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shell = Shell(tmp_path, request.getfixturevalue(f"nexios_{server}"))
    assert shell.events("buried", "main:app") == (0, "no buried messages\n", "")
    assert shell.consume("books", "bury") == [1, 2]

    code, out, err = shell.events("buried", "main:app")
    assert (code, err) == (0, "")
    one, two = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
    told = "books  billing.invoice-paid v1  invoice:{}  2026-01-02 00:00:00"
    assert sorted(out.splitlines()) == [
        "    no invoice 1: ü second line",
        "    no invoice 2: ü second line",
        f"{one}  {told.format(1)}",
        f"{two}  {told.format(2)}",
    ]
    assert shell.events("buried", "main:app", "--consumer", "mail")[1] == "no buried messages\n"
    assert len(shell.events("buried", "main:app", "--limit", "1")[1].splitlines()) == 2

    code, _, err = shell.events("redrive", "main:app")
    assert code == 2
    assert "say which: --consumer NAME, --id ID or --all" in err
    assert shell.events("redrive", "main:app", "--consumer", "mail")[1] == "redriven  0\n"
    assert shell.events("redrive", "main:app", "--id", two)[1] == "redriven  1\n"
    assert shell.consume("books", "1") == [2]
    assert shell.events("redrive", "main:app", "--all")[1] == "redriven  1\n"
    assert shell.consume("books", "1") == [1]
    assert shell.events("buried", "main:app")[1] == "no buried messages\n"


def test_what_cannot_work_says_how_to_mend_it(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "memory")
    code, out, err = shell.events("buried", "main:app")
    assert (code, out) == (1, "")
    assert "the broker of main:app is in memory" in err
    assert "fix: bind EventBroker" in err
    code, _, err = shell.events("buried", "main:idle")
    assert code == 1
    assert "main:idle handles no events of other services" in err
    code, _, err = shell.events("redrive", "main:idle", "--consumer", "books")
    assert code == 1
    assert "main:idle binds no EventBroker" in err


def test_a_broker_that_is_away_is_exit_code_3(tmp_path: Path) -> None:
    code, _, err = Shell(tmp_path, "redis://127.0.0.1:1").events("buried", "main:app")
    assert code == 3
    assert "the message broker cannot be reached" in err
    assert "Traceback" not in err
