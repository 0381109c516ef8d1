"""One value, three stores: each takes it and gives it back, or each refuses it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum as PythonEnum
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
)

from nexios.adapters.persistence.errors import BadParameter
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryRepository
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.sql import SqlRepository
from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime
from nexios.domain import AggregateRoot, Identity, InvalidValue
from nexios.testing.places import Place, open_place

pytestmark = pytest.mark.asyncio


class ThingId(Identity): ...


class Color(PythonEnum):
    RED = "red"


class Thing(AggregateRoot[ThingId]):
    column: str
    value: Any


THINGS = Table(
    "things",
    MetaData(),
    Column("id", IdentityType(ThingId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("text5", String(5)),
    Column("text", Text),
    Column("small", SmallInteger),
    Column("whole", Integer),
    Column("big", BigInteger),
    Column("truth", Boolean),
    Column("money", Numeric(10, 2)),
    Column("long", Numeric(20, 4)),
    Column("ratio", Float),
    Column("day", Date),
    Column("hour", Time),
    Column("naive", DateTime),
    Column("span", Interval),
    Column("uuid", Uuid),
    Column("bytes", LargeBinary),
    Column("json", JSON),
    Column("color", Enum(Color)),
    Column("utc", UtcDateTime),
    Column("exact", ExactDecimal(8, 2)),
)


class ThingMapper(Mapper[Thing]):
    root = THINGS

    def dump(self, aggregate: Thing) -> Rows:
        return {"things": [{"id": aggregate.id, aggregate.column: aggregate.value}]}

    def load(self, rows: Rows) -> Thing:
        (row,) = rows["things"]
        known = {name: value for name, value in row.items() if name not in ("id", "version")}
        name = next((name for name, value in known.items() if value is not None), "text")
        return Thing(id=row["id"], column=name, value=known.get(name))


class SqlThings(SqlRepository[Thing, ThingId]):
    mapper = ThingMapper()


class MemoryThings(MemoryRepository[Thing, ThingId]):
    mapper = ThingMapper()


NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
SOME = UUID("210d8c70-2d92-4823-90d7-23a54baf034b")

TAKEN = [
    ("text5", "äöüßé"),
    ("text", "\U0001f600"),
    ("text", ""),
    ("small", -(2**15)),
    ("whole", 2**31 - 1),
    ("big", -(2**63)),
    ("truth", False),
    ("money", Decimal("-12345678.90")),
    ("money", Decimal("1.500")),
    ("money", 0),
    ("ratio", 0.1),
    ("day", date(2026, 2, 28)),
    ("hour", time(1, 2, 3, 4)),
    ("naive", NOW.replace(tzinfo=None)),
    ("span", timedelta(days=1, microseconds=5)),
    ("uuid", SOME),
    ("bytes", b"a\x00b"),
    ("json", {"a": [1, None, "x"]}),
    ("color", Color.RED),
    ("utc", NOW),
    ("exact", Decimal("1.50")),
]

REFUSED = [
    ("text5", "abcdef"),
    ("text5", 5),
    ("text", "a\x00b"),
    ("text", "\ud800"),
    ("text", b"x"),
    ("small", 2**15),
    ("whole", 2**31),
    ("whole", 1.5),
    ("whole", "5"),
    ("whole", True),
    ("big", 2**63),
    ("truth", 1),
    ("truth", "yes"),
    ("money", Decimal("1.005")),
    ("money", Decimal(123456789)),
    ("money", 1.1),
    ("money", "7.5"),
    ("money", Decimal("NaN")),
    ("ratio", float("nan")),
    ("ratio", "x"),
    ("day", NOW),
    ("day", "2026-01-01"),
    ("hour", "01:02"),
    ("naive", NOW),
    ("span", 5),
    ("uuid", str(SOME)),
    ("bytes", "abc"),
    ("json", float("nan")),
    ("json", {"a": Decimal(1)}),
    ("color", "green"),
    ("utc", NOW.replace(tzinfo=None)),
    ("exact", Decimal("1.005")),
    ("exact", 1.5),
]


@pytest_asyncio.fixture(params=["memory", "sqlite", "postgres"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    repository = MemoryThings if request.param == "memory" else SqlThings
    async with open_place(request.param, repository, request) as opened:
        yield opened


async def stored(place: Place, column: str, value: object) -> Thing:
    thing = Thing(id=ThingId.new(), column=column, value=value)

    async def add(things: Any) -> None:
        things.add(thing)

    async def get(things: Any) -> Thing:
        return await things.get(thing.id)  # type: ignore[no-any-return]  # the place's is untyped

    await place.do(add)
    return await place.do(get)


async def test_what_every_store_takes_comes_back(place: Place) -> None:
    for column, value in TAKEN:
        found = await stored(place, column, value)
        assert (found.column, found.value) == (column, value)
        assert isinstance(found.value, type(value)) or column == "money", column


async def test_what_one_store_could_not_keep_none_takes(place: Place) -> None:
    for column, value in REFUSED:
        with pytest.raises((BadParameter, InvalidValue)) as refusal:
            await stored(place, column, value)
        # PostgreSQL's own JSON parser needs no help.
        if isinstance(refusal.value, BadParameter) and column != "json":
            assert str(refusal.value).startswith(f"things.{column}"), refusal.value
    assert (await place.rows())["things"] == []


async def test_where_sqlite_would_lose_something_it_says_so(place: Place) -> None:
    if place.name != "sqlite":
        found = await stored(place, "long", Decimal("1234567890123456.1234"))
        assert found.value == Decimal("1234567890123456.1234")
        return
    with pytest.raises(BadParameter, match="SQLite keeps 15 digits here, use ExactDecimal"):
        await stored(place, "long", Decimal("1234567890123456.1234"))


async def test_a_zone_is_not_forgotten(request: pytest.FixtureRequest) -> None:
    table = Table(
        "zoned",
        MetaData(),
        Column("id", IdentityType(ThingId), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("at", DateTime(timezone=True)),
    )

    class ZonedMapper(ThingMapper):
        root = table

        def dump(self, aggregate: Thing) -> Rows:
            return {"zoned": super().dump(aggregate)["things"]}

        def load(self, rows: Rows) -> Thing:
            return super().load({"things": rows["zoned"]})

    class Zoned(SqlRepository[Thing, ThingId]):
        mapper = ZonedMapper()

    async with open_place("sqlite", Zoned, request) as place:
        with pytest.raises(BadParameter, match="SQLite forgets the timezone, use UtcDateTime"):
            await stored(place, "at", NOW.astimezone(UTC))


async def test_arrays_of_numbers_are_mapped(request: pytest.FixtureRequest) -> None:
    table = Table(
        "arrays",
        MetaData(),
        Column("id", IdentityType(ThingId), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("prices", ARRAY(Numeric(10, 2))),
        Column("ratios", ARRAY(Float)),
    )

    class ArrayMapper(ThingMapper):
        root = table

        def dump(self, aggregate: Thing) -> Rows:
            return {"arrays": super().dump(aggregate)["things"]}

        def load(self, rows: Rows) -> Thing:
            return super().load({"things": rows["arrays"]})

    class Arrays(SqlRepository[Thing, ThingId]):
        mapper = ArrayMapper()

    async with open_place("postgres", Arrays, request) as place:
        assert (await stored(place, "prices", [Decimal("1.50")])).value == [Decimal("1.50")]
        assert (await stored(place, "ratios", [0.5])).value == [0.5]
