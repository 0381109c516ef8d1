"""Column values through JSON and back, and what is kept out of the audit."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import JSON, Column, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy import Enum as EnumColumn

from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.errors import DatabaseError
from nexios.adapters.persistence.exact import from_json, to_json
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryRepository
from nexios.adapters.persistence.memory_audit import MemoryAuditTrail
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.types import IdentityType
from nexios.domain import AggregateRoot, Identity
from nexios.testing.memory import Memory


class Colour(Enum):
    RED = "r"


META = MetaData()
ODDS = Table(
    "odds",
    META,
    Column("anything", JSON),
    Column("colour", EnumColumn(Colour)),
)
ANYTHING: Column[Any] = ODDS.c.anything

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.times().map(lambda moment: moment.replace(fold=0)),
    st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(),
    st.binary(),
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3) | st.just("$uuid"), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    back = from_json(json.loads(json.dumps(to_json(value, ANYTHING), allow_nan=False)), ANYTHING)
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [float("inf"), -0.0, 1e23, 0.1])
def test_floats_keep_what_a_database_would_round(value: float) -> None:
    dumped = to_json(value, ANYTHING)
    assert dumped == {"$float": repr(value)}
    assert repr(from_json(dumped, ANYTHING)) == repr(value)


def test_an_enum_comes_back_by_its_column() -> None:
    assert to_json(Colour.RED, ODDS.c.colour) == {"$enum": "RED"}
    assert from_json({"$enum": "RED"}, ODDS.c.colour) is Colour.RED


def test_an_identity_is_told_as_the_uuid_it_is() -> None:
    class ThingId(Identity): ...

    made = ThingId.new()
    back = from_json(to_json(made, ANYTHING), ANYTHING)
    assert type(back) is UUID
    assert ThingId.parse(back) == made


def test_the_forms_are_those_the_records_were_written_in() -> None:
    # Stored for years: these may be added to, never changed.
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    assert [
        to_json(value, ANYTHING)
        for value in (
            Decimal("1.50"),
            moment,
            date(2026, 1, 2),
            time(3, 4),
            timedelta(seconds=1),
            b"\x00",
            {"$x": 1},
        )
    ] == [
        {"$decimal": "1.50"},
        {"$datetime": "2026-01-02T03:04:05.000006+00:00"},
        {"$date": "2026-01-02"},
        {"$time": "03:04:00"},
        {"$microseconds": 1_000_000},
        {"$bytes": "AA=="},
        {"$dict": {"$x": 1}},
    ]


def test_what_has_no_exact_form_is_refused_with_the_way_out() -> None:
    with pytest.raises(DatabaseError, match=r"odds\.anything: object has no exact form") as said:
        to_json(object(), ANYTHING)
    assert 'info={"nx_audit": False}' in str(said.value)


class PersonId(Identity): ...


PEOPLE = Table(
    "people",
    META,
    Column("id", IdentityType(PersonId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("nick", String(20), nullable=False),
    Column("mail", String(99), nullable=False, info={"nx_audit": False}),
    Column("face", LargeBinary, info={"nx_audit": False}),
)


class Person(AggregateRoot[PersonId]):
    nick: str
    mail: str


class PersonMapper(Mapper[Person]):
    root = PEOPLE

    def dump(self, aggregate: Person) -> Rows:
        row = {"id": aggregate.id, "nick": aggregate.nick, "mail": aggregate.mail, "face": b"f"}
        return {"people": [row]}

    def load(self, rows: Rows) -> Person:
        (row,) = rows["people"]
        return Person(id=row["id"], nick=row["nick"], mail=row["mail"])


class Unaudited(PersonMapper):
    audit: ClassVar[bool] = False


class People(MemoryRepository[Person, PersonId]):
    mapper = PersonMapper()


class Secrets(MemoryRepository[Person, PersonId]):
    mapper = Unaudited()


@pytest.mark.asyncio
async def test_columns_kept_out_are_in_no_record_and_their_change_still_counts() -> None:
    memory = Memory()
    person = Person(id=PersonId.new(), nick="ann", mail="ann@example.org")
    people = People(memory.uow)

    async def add() -> None:
        people.add(person)

    async def move() -> None:
        (await people.get(person.id)).mail = "new@example.org"

    await memory.uow.run(add)
    await memory.uow.run(move)
    made, moved = await MemoryAuditTrail(memory.store).history()
    assert made.diff["people"]["inserted"] == [
        {"id": {"$uuid": str(person.id)}, "nick": "ann"},
    ]
    (updated,) = moved.diff["people"]["updated"]
    assert (updated["before"], updated["after"], moved.version) == ({}, {}, 2)
    rebuilt = replay([made, moved], [PEOPLE])
    assert rebuilt == {"people": [{"id": person.id, "version": 2, "nick": "ann"}]}


@pytest.mark.asyncio
async def test_a_mapper_can_do_without() -> None:
    memory = Memory()
    secrets = Secrets(memory.uow)

    async def add() -> None:
        secrets.add(Person(id=PersonId.new(), nick="a", mail="b"))

    await memory.uow.run(add)
    assert len(memory.store.rows(PEOPLE)) == 1
    assert await MemoryAuditTrail(memory.store).history() == []
