"""The tables Nexios itself needs, and their creation for development and tests."""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy import Identity as Numbered
from sqlalchemy.dialects.postgresql import ENUM, JSONB, CreateEnumType
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.types import IdentityType, UtcDateTime
from nexios.domain.values import Identity

_OURS: Final = MetaData()
# SQLite numbers rows by itself in an INTEGER PRIMARY KEY only.
_SEQ: Final = BigInteger().with_variant(Integer(), "sqlite")
_JSON: Final = JSON().with_variant(JSONB(), "postgresql")

OUTBOX: Final = Table(
    "nx_outbox",
    _OURS,
    Column("seq", _SEQ, Numbered(), primary_key=True),
    Column("id", IdentityType(Identity), nullable=False, unique=True),
    Column("stream", Text, nullable=False),
    Column("stream_version", Integer, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("payload", _JSON, nullable=False),
    Column("headers", _JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("stream", "stream_version", "idx"),
    sqlite_autoincrement=True,
)
"""Every event, once. Kept a while after its deliveries, for consumers that are added later."""

DELIVERY: Final = Table(
    "nx_delivery",
    _OURS,
    Column("seq", _SEQ, ForeignKey(OUTBOX.c.seq), primary_key=True),
    Column("consumer", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("not_before", UtcDateTime, nullable=False),
    Column("error", Text),
    # Dead tuples of settled deliveries would slow the claim down until vacuum comes by.
    postgresql_with={
        "fillfactor": 70,
        "autovacuum_vacuum_threshold": 1000,
        "autovacuum_vacuum_scale_factor": 0,
    },
)
"""One row for each event and consumer until the consumer has done its work."""

Index(
    "nx_delivery_ready",
    DELIVERY.c.not_before,
    DELIVERY.c.seq,
    postgresql_where=DELIVERY.c.state == "ready",
    sqlite_where=DELIVERY.c.state == "ready",
)
Index(
    "nx_delivery_lane",
    DELIVERY.c.consumer,
    DELIVERY.c.stream,
    DELIVERY.c.seq,
    postgresql_where=DELIVERY.c.state != "dead",
    sqlite_where=DELIVERY.c.state != "dead",
)

IDEMPOTENCY: Final = Table(
    "nx_idempotency",
    _OURS,
    Column("key", LargeBinary, primary_key=True),
    Column("use_case", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("result", _JSON),
    Column("at", UtcDateTime, nullable=False),
)
"""What ``once=True`` use cases returned, by digest of the caller's key; for a day."""

Index("nx_idempotency_at", IDEMPOTENCY.c.at)

AUDIT: Final = Table(
    "nx_audit",
    _OURS,
    Column("id", _SEQ, Numbered(), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("use_case", Text, nullable=False),
    Column("actor", Text),
    Column("tenant", Text),
    Column("correlation", Text),
    Column("causation", Text),
    Column("at", UtcDateTime, nullable=False),
    Column("diff", _JSON, nullable=False),
    Column("xact", BigInteger),
    sqlite_autoincrement=True,
)
"""What changed, one row for each aggregate and use case; see `nexios.application.audit`."""

# Not unique: an aggregate that was removed may be added again, from version 1.
Index("nx_audit_stream", AUDIT.c.stream, AUDIT.c.id)
Index("nx_audit_xact", AUDIT.c.xact, AUDIT.c.id)

SEAL: Final = Table(
    "nx_seal",
    _OURS,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
"""Vouches for ranges of ``nx_audit``."""


INBOX: Final = Table(
    "nx_inbox",
    _OURS,
    Column("consumer", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)
"""Messages from outside that were dealt with."""

SESSION: Final = Table(
    "nx_session",
    _OURS,
    Column("digest", LargeBinary, primary_key=True),
    Column("data", _JSON, nullable=False),
    Column("actor", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Sessions of clients, by the digest of their id."""

Index("nx_session_actor", SESSION.c.actor)
Index("nx_session_ends_at", SESSION.c.ends_at)

REFRESH: Final = Table(
    "nx_refresh",
    _OURS,
    Column("family", LargeBinary, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary),
    Column("rotated_at", UtcDateTime),
    Column("actor", Text, nullable=False),
    Column("client", Text),
    Column("data", _JSON, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("idle_ends_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
)
"""Logins with refresh tokens, by digests; one row for each, however often it is renewed."""

Index("nx_refresh_actor", REFRESH.c.actor)
Index("nx_refresh_idle_ends_at", REFRESH.c.idle_ends_at)

REVOCATION: Final = Table(
    "nx_revocation",
    _OURS,
    Column("seq", _SEQ, Numbered(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("before", UtcDateTime),
    Column("until", UtcDateTime, nullable=False),
    Column("xact", BigInteger),
    sqlite_autoincrement=True,
)
"""Tokens and sessions that ended before their time, until everybody may forget it."""

Index("nx_revocation_xact", REVOCATION.c.xact)
Index("nx_revocation_until", REVOCATION.c.until)

ONE_TIME: Final = Table(
    "nx_one_time",
    _OURS,
    Column("purpose", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("value", _JSON, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
)
"""What may be used once, by the digest of its key."""

Index("nx_one_time_ends_at", ONE_TIME.c.ends_at)

RATE: Final = Table(
    "nx_rate",
    _OURS,
    Column("key", Text, primary_key=True),
    Column("tat", Double, nullable=False),
    Column("was", Double, nullable=False),
    Column("at", Double, nullable=False),
    # Each hit leaves a dead tuple; with room on the page it costs no index entry.
    postgresql_with={"fillfactor": 50},
    info={"unlogged": True},
)
"""When what was used of a rate is worked off, and what the last hit found; epoch seconds."""

Index("nx_rate_tat", RATE.c.tat)


@compiles(CreateTable, "postgresql")
def _create_table(element: CreateTable, compiler: Any, **options: Any) -> str:
    text: str = compiler.visit_create_table(element, **options)
    if element.element.info.get("unlogged"):
        return text.replace("CREATE TABLE", "CREATE UNLOGGED TABLE", 1)
    return text


ERROR: Final = Table(
    "nx_error",
    _OURS,
    Column("seq", _SEQ, Numbered(), primary_key=True),
    Column("id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("title", Text, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("report", _JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""Reports of errors, for a while."""

Index("nx_error_id", ERROR.c.id)
Index("nx_error_fingerprint", ERROR.c.fingerprint, ERROR.c.seq)
Index("nx_error_at", ERROR.c.at)

SECURITY: Final = Table(
    "nx_security",
    _OURS,
    Column("id", _SEQ, Numbered(), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor", Text),
    Column("scheme", Text),
    Column("reason", Text, nullable=False),
    Column("details", _JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""Security events, one row each; see `nexios.application.security_events`."""

Index("nx_security_actor", SECURITY.c.actor, SECURITY.c.id)
Index("nx_security_at", SECURITY.c.at)

TOPIC: Final = Table(
    "nx_topic",
    _OURS,
    Column("id", _SEQ, Numbered(), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("epoch", Text, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("kept_count", Integer, nullable=False),
    Column("kept_size", Integer, nullable=False),
    Column("kept_age_s", Double, nullable=False),
    postgresql_with={"fillfactor": 50},
)
"""Topics of channels, where PostgreSQL carries them: how far each is, and what it keeps."""

MESSAGE: Final = Table(
    "nx_message",
    _OURS,
    Column("topic", _SEQ, ForeignKey(TOPIC.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("said", Text),
    Column("id", Text, nullable=False),
    Column("key", Text),
    Column("payload", LargeBinary, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("topic", "said"),
)
"""What topics keep; ``said`` is the id while no other message may have it."""

PRESENT: Final = Table(
    "nx_present",
    _OURS,
    Column("topic", Text, primary_key=True),
    Column("socket", Text, primary_key=True),
    Column("told", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Which sockets are in which topic, on all processes."""

Index("nx_present_until", PRESENT.c.until)


def tables(metadata: MetaData) -> None:
    """Add Nexios' tables to an application's MetaData, so that its migrations make them too."""
    for table in _OURS.sorted_tables:
        if table.name not in metadata.tables:
            table.to_metadata(metadata)


async def create_tables(database: Database, *metadata: MetaData) -> None:
    """Create what does not exist yet: Nexios' tables and those of ``metadata``.

    For development and tests; it changes no table that is there. Production has migrations.

    Args:
        database: Where.
        metadata: The application's tables.
    """
    made: set[str] = set()
    async with database.transaction():
        for one in (_OURS, *metadata):
            for table in one.sorted_tables:
                if table.key in made:
                    continue
                made.add(table.key)
                await _create_enums(database, table)
                await database.execute(CreateTable(table, if_not_exists=True))
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    await database.execute(CreateIndex(index, if_not_exists=True))


async def _create_enums(database: Database, table: Table) -> None:
    """Create the types of a table's Enum columns, where the store has such types."""
    for column in table.columns:
        kind = column.type.dialect_impl(database.dialect)
        known = "SELECT 1 FROM pg_type WHERE typname = ? AND pg_type_is_visible(oid)"
        if isinstance(kind, ENUM) and not await database.fetch_value(known, [kind.name]):
            await database.execute(CreateEnumType(kind))


async def all_rows(database: Database, table: Table) -> list[Row]:
    """Return a table's rows in the order of their keys; for tests."""
    return await database.fetch_all(select(table).order_by(*table.primary_key))
