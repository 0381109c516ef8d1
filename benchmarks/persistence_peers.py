"""The same work by hand on asyncpg, and with SQLAlchemy's ORM session."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from persistence_model import Line, Order, OrderId
from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Numeric, Text, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

_READ_ROOT: Final = "SELECT id, version, number, status FROM orders WHERE id = $1"
_READ_LINES: Final = "SELECT order_id, sku, pos, qty, price FROM order_lines WHERE order_id = $1"
_RAISE: Final = (
    "UPDATE orders SET version = $1 WHERE id = $2 AND version = $3"
    " RETURNING pg_current_xact_id()::text"
)
_CHANGE: Final = "UPDATE order_lines SET qty = $1 WHERE order_id = $2 AND sku = $3"
_EVENT: Final = (
    "INSERT INTO nx_outbox (id, stream, stream_version, idx, name, version, payload, headers, at)"
    " VALUES ($1, $2, $3, 0, 'bench.counted', 1, $4::text::jsonb, '{}'::jsonb, $5)"
    " RETURNING seq, id"
)
_LAST: Final = (
    "SELECT seq FROM nx_delivery WHERE consumer = 'bench.count' AND stream = $1"
    " AND state <> 'dead' ORDER BY seq DESC LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_DELIVERY: Final = (
    "INSERT INTO nx_delivery (seq, consumer, stream, state, not_before)"
    " VALUES ($1, 'bench.count', $2, $3, clock_timestamp())"
)


@dataclass(frozen=True, slots=True)
class Extra:
    """A statement our side sends and this text does not have: the audit's, where it is built.

    Attributes:
        text: As it went to the driver.
        args: Of one run.
        version_at: Which of ``args`` is the aggregate's version.
    """

    text: str
    args: Sequence[object]
    version_at: int


class Raw:
    """Hand-written asyncpg; only who reads an aggregate makes one of its rows."""

    def __init__(self, pool: "asyncpg.Pool[Any]", extra: Extra | None = None) -> None:
        """Take a pool whose connections are not reset: that would be one statement more."""
        self._pool = pool
        self._extra = extra

    async def count_one(self, id: UUID) -> None:
        """Load, change, save, with event and delivery."""
        stream = f"orders:{id}"
        async with self._pool.acquire() as connection, connection.transaction():
            root = await connection.fetchrow(_READ_ROOT, id)
            lines = await connection.fetch(_READ_LINES, id)
            first = min(lines, key=lambda line: line["pos"])
            version, qty = root["version"] + 1, first["qty"] % 1000 + 1
            await connection.fetchval(_RAISE, version, id, version - 1)
            await connection.execute(_CHANGE, qty, id, first["sku"])
            if self._extra is not None:
                await self._audit(connection, self._extra, version)
            payload = json.dumps({"order": str(id), "sku": first["sku"], "qty": qty})
            event = await connection.fetchrow(
                _EVENT, uuid4(), stream, version, payload, datetime.now(UTC)
            )
            last = await connection.fetchrow(_LAST, stream)
            state = "ready" if last is None else "waiting"
            await connection.execute(_DELIVERY, event["seq"], stream, state)

    async def read_one(self, id: UUID) -> Order:
        """Read one order in a read-only transaction."""
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            root = await connection.fetchrow(_READ_ROOT, id)
            lines = await connection.fetch(_READ_LINES, id)
        return Order(
            id=OrderId(int=root["id"].int),
            number=root["number"],
            status=root["status"],
            version=root["version"],
            lines=[
                Line(line["sku"], line["qty"], line["price"])
                for line in sorted(lines, key=lambda line: line["pos"])
            ],
        )

    async def read_row(self, id: UUID) -> int:
        """Read one row in autocommit."""
        row = await self._pool.fetchrow(_READ_ROOT, id)
        return int(row["version"])

    async def _audit(self, connection: Any, extra: Extra, version: int) -> None:
        args = list(extra.args)
        args[extra.version_at] = version
        await connection.execute(extra.text, *args)


class Base(DeclarativeBase):
    """Root of the mapped classes."""


class OrderRow(Base):
    """An order, with a version that SQLAlchemy guards."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    number: Mapped[str]
    status: Mapped[str]
    lines: Mapped[list["LineRow"]] = relationship(order_by="LineRow.pos")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # as SQLAlchemy has it


class LineRow(Base):
    """A line."""

    __tablename__ = "order_lines"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    pos: Mapped[int]
    qty: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(18, 4))


class EventRow(Base):
    """An event in the outbox."""

    __tablename__ = "nx_outbox"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    id: Mapped[UUID]
    stream: Mapped[str] = mapped_column(Text)
    stream_version: Mapped[int]
    idx: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DeliveryRow(Base):
    """A delivery."""

    __tablename__ = "nx_delivery"

    seq: Mapped[int] = mapped_column(ForeignKey("nx_outbox.seq"), primary_key=True)
    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    stream: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    not_before: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Orm:
    """SQLAlchemy's ORM session; no audit, which would make it slower still."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take an engine on asyncpg."""
        self._sessions = async_sessionmaker(engine)

    async def count_one(self, id: UUID) -> None:
        """Load, change, save, with event and delivery."""
        async with self._sessions() as session, session.begin():
            found = select(OrderRow).where(OrderRow.id == id).options(selectinload(OrderRow.lines))
            order = (await session.execute(found)).scalar_one()
            first = order.lines[0]
            first.qty = first.qty % 1000 + 1
            # A change of a part raises the root's version: it has to be said.
            order.status = "counted" if order.status == "draft" else "draft"
            await session.flush()
            stream = f"orders:{id}"
            event = EventRow(
                id=uuid4(),
                stream=stream,
                stream_version=order.version,
                idx=0,
                name="bench.counted",
                version=1,
                payload={"order": str(id), "sku": first.sku, "qty": first.qty},
                headers={},
                at=datetime.now(UTC),
            )
            session.add(event)
            await session.flush()
            last = (
                select(DeliveryRow.seq)
                .where(DeliveryRow.consumer == "bench.count", DeliveryRow.stream == stream)
                .where(DeliveryRow.state != "dead")
                .order_by(DeliveryRow.seq.desc())
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            waits = (await session.execute(last)).first() is not None
            session.add(
                DeliveryRow(
                    seq=event.seq,
                    consumer="bench.count",
                    stream=stream,
                    state="waiting" if waits else "ready",
                    attempts=0,
                    not_before=datetime.now(UTC),
                )
            )
