"""Scenarios: a use case, what it leads to, and what is said when it does not."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from nexios import Depend, Module, NexiosApp, Scope
from nexios.adapters.persistence import (
    Database,
    IdentityType,
    Mapper,
    MemoryRepository,
    Rows,
    SqlOutbox,
    SqlRepository,
    SqlUnitOfWork,
    create_tables,
)
from nexios.application import (
    ApplicationService,
    Caller,
    Envelope,
    OutboxStore,
    UnitOfWork,
    after_commit,
    before_commit,
    transactional,
)
from nexios.application.codec import UncodableField
from nexios.domain import AggregateRoot, DomainEvent, Identity, Repository, RuleViolated
from nexios.testing import AsyncTestClient, Scenario, memory_module

pytestmark = pytest.mark.asyncio


class JarId(Identity):
    """Which jar."""


class Filled(DomainEvent, name="jars.filled"):
    jar: JarId
    spoons: int


class Labelled(DomainEvent, name="jars.labelled"):
    jar: JarId


class Jar(AggregateRoot[JarId]):
    spoons: int = 0
    labelled: int = 0

    def fill(self, spoons: int) -> None:
        if self.spoons + spoons > 10:
            raise RuleViolated("the jar is full")
        self.spoons += spoons
        self.record(Filled(jar=self.id, spoons=spoons))

    def label(self) -> None:
        self.labelled += 1
        self.record(Labelled(jar=self.id))


METADATA = MetaData()
JARS = Table(
    "jars",
    METADATA,
    Column("id", IdentityType(JarId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("spoons", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
)


class JarMapper(Mapper[Jar]):
    root = JARS

    def dump(self, jar: Jar) -> Rows:
        return {"jars": [{"id": jar.id, "spoons": jar.spoons, "labelled": jar.labelled}]}

    def load(self, rows: Rows) -> Jar:
        (row,) = rows["jars"]
        return Jar(id=row["id"], spoons=row["spoons"], labelled=row["labelled"])


class Jars(Repository[Jar, JarId]):
    """The jars."""


class MemoryJars(MemoryRepository[Jar, JarId], Jars):
    mapper = JarMapper()


class SqlJars(SqlRepository[Jar, JarId], Jars):
    mapper = JarMapper()


class Kitchen(ApplicationService):
    def __init__(self, uow: UnitOfWork, jars: Jars, caller: Caller) -> None:
        self.uow = uow
        self._jars = jars
        self._caller = caller

    @transactional(once=True)
    async def fill(self, spoons: int) -> JarId:
        jar = Jar(id=JarId.new())
        self._jars.add(jar)
        jar.fill(spoons)
        return jar.id

    @transactional
    async def nothing(self) -> str | None:
        return self._caller.actor


class Labelling(ApplicationService):
    fails = False

    def __init__(self, uow: UnitOfWork, jars: Jars) -> None:
        self.uow = uow
        self._jars = jars

    @before_commit(Filled)
    async def weigh(self, event: Filled, envelope: Envelope) -> None:
        if event.spoons == 7:
            raise RuleViolated("seven is unlucky")

    @after_commit(Filled)
    async def label(self, event: Filled, envelope: Envelope) -> None:
        if self.fails:
            raise ZeroDivisionError("no ink")
        (await self._jars.get(event.jar)).label()


def kitchen(store: Module, jars: type[Jars]) -> Module:
    module = Module("kitchen")
    module.include(store)
    module.bind(Jars).to(jars)
    module.bind(Kitchen)
    module.bind(Labelling)
    return module.export(Kitchen, Labelling)


def on(database: Database) -> Module:
    module = Module("store")
    module.bind(Database).value(database)
    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)
    return module.export(Database, SqlUnitOfWork, UnitOfWork, OutboxStore)


def in_memory() -> Scenario:
    return Scenario(kitchen(memory_module(), MemoryJars), caller=Caller(actor="ada"))


async def test_a_use_case_its_events_and_those_they_lead_to() -> None:
    async with in_memory() as scenario:
        jar = await (
            scenario.when(Kitchen, lambda kitchen: kitchen.fill(3))
            .then_event(Filled, spoons=3)
            .then_event(Labelled)
        )
        events = await scenario.events()

    assert [type(one) for one in events] == [Filled, Labelled]
    assert isinstance(events[0], Filled)
    assert events[0].jar == jar


async def test_the_same_on_a_database() -> None:
    async with (
        Database("sqlite://") as database,
        Scenario(kitchen(on(database), SqlJars)) as scenario,
    ):
        await create_tables(database, METADATA)
        await (
            scenario.when(Kitchen, lambda kitchen: kitchen.fill(3))
            .then_event(Filled, spoons=3)
            .then_event(Labelled)
        )


async def test_only_events_of_the_step_count() -> None:
    async with in_memory() as scenario:
        await scenario.when(Kitchen, lambda kitchen: kitchen.fill(3)).then_event(Filled)
        actor = await scenario.when(Kitchen, lambda kitchen: kitchen.nothing()).then_no_event()

    assert actor == "ada"


async def test_a_refusal_is_expected_and_leaves_no_event() -> None:
    async with in_memory() as scenario:
        for spoons in (11, 7):
            step = scenario.when(Kitchen, lambda kitchen, n=spoons: kitchen.fill(n))
            error = await step.then_raises(RuleViolated).then_no_event()
            assert isinstance(error, RuleViolated)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda step: step.then_event(Filled, spoons=4), r"Filled\(spoons=4\) was expected"),
        (lambda step: step.then_event(Filled).then_event(Filled), r"Filled\(\) was expected"),
        (lambda step: step.then_no_event(Labelled), "no Labelled was expected"),
        (lambda step: step.then_raises(RuleViolated), "RuleViolated was expected, the call retu"),
    ],
)
async def test_what_did_not_come_is_said_with_what_came(step, says) -> None:  # type: ignore[no-untyped-def]
    async with in_memory() as scenario:
        with pytest.raises(AssertionError, match=says) as failed:
            await step(scenario.when(Kitchen, lambda kitchen: kitchen.fill(3)))

    assert "spoons=3" in str(failed.value) or "returned" in str(failed.value)


async def test_a_field_that_is_none_is_a_mistake_of_the_test() -> None:
    async with in_memory() as scenario:
        with pytest.raises(AttributeError, match="Filled has no field 'spoon'"):
            await scenario.when(Kitchen, lambda kitchen: kitchen.fill(3)).then_event(
                Filled, spoon=3
            )


async def test_a_handler_that_fails_after_the_commit_fails_the_step() -> None:
    class Inkless(Labelling):
        fails = True

    async with in_memory() as scenario:
        with (
            scenario.override(Labelling).to(Inkless),
            pytest.raises(AssertionError, match=r"jars\.filled: ZeroDivisionError\('no ink'\)"),
        ):
            await scenario.when(Kitchen, lambda kitchen: kitchen.fill(3))


async def test_what_a_use_case_cannot_keep_is_refused_before_the_first_call() -> None:
    class Open(ApplicationService):
        def __init__(self, uow: UnitOfWork) -> None:
            self.uow = uow

        @transactional(once=True)
        async def read(self, place: str) -> bytearray:
            return bytearray(place.encode())

    module = Module("open")
    module.include(memory_module())
    module.bind(Open)

    with pytest.raises(UncodableField, match=r"read is once=True, and its result: "):
        NexiosApp(module.export(Open)).check()


async def test_handlers_before_the_commit_work_in_a_served_application() -> None:
    app = NexiosApp(kitchen(memory_module(), MemoryJars))

    @app.post("/jars/{spoons:int}")
    async def fill(spoons: int, kitchen: Kitchen = Depend()) -> str:
        return str(await kitchen.fill(spoons))

    async with AsyncTestClient(app) as client:
        assert (await client.post("/jars/3")).status_code == 200
        refused = await client.post("/jars/7")

    assert (refused.status_code, refused.json()["detail"]) == (409, "seven is unlucky")
