"""Domain events on their way to other services: one consumer of the outbox."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from nexios import Module, NexiosApp, Scope
from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.adapters.messaging.nats_broker import NatsBroker
from nexios.adapters.messaging.nats_link import NatsLink
from nexios.adapters.messaging.relay import relay
from nexios.adapters.persistence import (
    Database,
    IdentityType,
    Mapper,
    Rows,
    SqlOutbox,
    SqlRepository,
    SqlUnitOfWork,
    create_tables,
)
from nexios.application import Caller, OutboxStore, UnitOfWork
from nexios.application.broker import EventBroker, Incoming
from nexios.application.errors import Unavailable
from nexios.domain import AggregateRoot, DomainEvent, Identity
from nexios.testing.nats import NatsServer, NoNats
from nexios.testing.skips import missing

pytestmark = pytest.mark.asyncio


class LampId(Identity):
    """Which lamp."""


class TurnedOn(DomainEvent, name="lamps.turned-on"):
    lamp: LampId
    times: int


class TurnedOff(DomainEvent, name="lamps.turned-off"):
    lamp: LampId


class Lamp(AggregateRoot[LampId]):
    times: int = 0

    def turn(self) -> None:
        self.times += 1
        if self.times % 2:
            self.record(TurnedOn(lamp=self.id, times=self.times))
        else:
            self.record(TurnedOff(lamp=self.id))


METADATA = MetaData()
LAMPS = Table(
    "lamps",
    METADATA,
    Column("id", IdentityType(LampId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("times", Integer, nullable=False),
    Column("place", String(20)),
)


class LampMapper(Mapper[Lamp]):
    root = LAMPS

    def dump(self, lamp: Lamp) -> Rows:
        return {"lamps": [{"id": lamp.id, "times": lamp.times}]}

    def load(self, rows: Rows) -> Lamp:
        (row,) = rows["lamps"]
        return Lamp(id=row["id"], times=row["times"])


class Lamps(SqlRepository[Lamp, LampId]):
    mapper = LampMapper()


def house(database: Database, broker: EventBroker) -> NexiosApp:
    """Return an application that publishes what its lamps do."""
    module = Module("lamps")
    module.bind(Database).value(database)
    module.bind(EventBroker).value(broker)
    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)
    module.bind(Lamps)
    module.bind(relay(TurnedOn, TurnedOff))
    return NexiosApp(module.export(OutboxStore, Lamps, SqlUnitOfWork))


async def turned(app: NexiosApp, times: int) -> LampId:
    """Turn a new lamp on and off, each time in a use case of its own."""
    lamp = Lamp(id=LampId.new())
    for number in range(times):
        async with app.container.enter(
            Scope.REQUEST, values={Caller: Caller(actor="ada")}
        ) as scope:
            unit, lamps = await scope.get(SqlUnitOfWork), await scope.get(Lamps)

            async def work(first: bool = not number, lamps: Lamps = lamps) -> None:
                if first:
                    lamps.add(lamp)
                (lamp if first else await lamps.get(lamp.id)).turn()

            await unit.run(work)
    return lamp.id


async def heard(messages: AsyncIterator[Incoming], count: int) -> list[Any]:
    found = []
    with anyio.fail_after(15):
        for _ in range(count):
            got = await anext(messages)
            found.append(got.event)
            await got.ack()
    return found


@asynccontextmanager
async def running(database: Database, broker: EventBroker) -> AsyncIterator[NexiosApp]:
    await create_tables(database, METADATA)
    app = house(database, broker)
    async with app.working():
        yield app


async def test_events_of_a_stream_leave_in_order_with_their_circumstances() -> None:
    broker = MemoryBroker()
    async with Database("sqlite://") as database, running(database, broker) as app:
        names = ["lamps.turned-on", "lamps.turned-off"]
        async with broker.consume("books", names) as messages:
            lamp = await turned(app, 5)
            events = await heard(messages, 5)

    assert [event.name for event in events] == [names[n % 2] for n in range(5)]
    assert events[2].payload == {"lamp": str(lamp), "times": 3}
    assert {event.key for event in events} == {f"lamps:{lamp}"}
    assert {event.headers["actor"] for event in events} == {"ada"}
    assert len({event.id for event in events}) == 5


async def test_to_nats_by_the_outbox_of_postgres(
    nexios_database: Database, nexios_nats: str
) -> None:
    prefix = f"t{secrets.token_hex(6)}"
    async with NatsLink(nexios_nats) as link:
        broker = NatsBroker(link, source="/lamps", prefix=prefix)
        async with (
            running(nexios_database, broker) as app,
            broker.consume("books", ["lamps.turned-on", "lamps.turned-off"]) as messages,
        ):
            await turned(app, 4)
            events = await heard(messages, 4)
        await link.ask(lambda js: js.delete_stream(f"{prefix}-events"))

    assert [event.payload.get("times") for event in events] == [1, None, 3, None]


async def test_a_broker_that_is_away_loses_nothing_and_its_return_needs_no_restart(
    nexios_database: Database,
) -> None:
    try:
        private = NatsServer()
    except NoNats as reason:
        missing("nats", str(reason))
    with private as server:
        async with (
            NatsLink(server.url) as link,
            running(nexios_database, NatsBroker(link, source="/lamps")) as app,
        ):
            server.kill()
            outbox = await app.container.get(OutboxStore)
            await turned(app, 3)
            with anyio.fail_after(10):
                while not await attempted(nexios_database):  # noqa: ASYNC110  # only it knows
                    await anyio.sleep(0.02)
            assert await outbox.pending() == {"relay": 3}
            server.start()
            await database_is_due(nexios_database)
            with anyio.fail_after(20):
                while await outbox.pending():
                    await database_is_due(nexios_database)
                    await anyio.sleep(0.05)
            async with NatsBroker(link, source="/lamps").consume(
                "books", ["lamps.turned-on", "lamps.turned-off"]
            ) as messages:
                events = await heard(messages, 3)

    assert [event.payload.get("times") for event in events] == [1, None, 3]


async def attempted(database: Database) -> bool:
    return bool(await database.fetch_value("SELECT max(attempts) FROM nx_delivery"))


async def database_is_due(database: Database) -> None:
    """Let what backs off be tried now."""
    await database.execute("UPDATE nx_delivery SET not_before = now() WHERE not_before > now()")


async def test_a_relay_of_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match=r"fix: relay\(OrderPlaced"):
        relay()


async def test_what_cannot_be_published_is_undone_and_tried_again() -> None:
    class Moody(MemoryBroker):
        fails = 2

        async def publish(self, event: Any) -> None:
            if self.fails:
                self.fails -= 1
                raise Unavailable
            await super().publish(event)

    broker = Moody()
    async with (
        Database("sqlite://") as database,
        running(database, broker) as app,
        broker.consume("books", ["lamps.turned-on"]) as messages,
    ):
        await turned(app, 1)
        assert len(await heard(messages, 1)) == 1


async def test_deliveries_for_a_handler_that_is_gone_are_named_at_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = MemoryBroker()
    async with Database("sqlite://") as database:
        async with running(database, broker) as app:
            await turned(app, 1)
        await database.execute("UPDATE nx_delivery SET consumer = 'lamps.old'")
        waiting = await database.fetch_value("SELECT count(*) FROM nx_delivery")
        if not waiting:  # it was delivered before the application stopped
            await database.execute(
                "INSERT INTO nx_delivery (seq, consumer, stream, state, not_before)"
                " SELECT seq, 'lamps.old', stream, 'ready', at FROM nx_outbox"
            )
        async with running(database, broker):
            pass

    assert "1 deliveries wait for lamps.old, which is no handler here" in caplog.text
