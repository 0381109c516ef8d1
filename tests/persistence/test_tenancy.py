"""Row security on a real server: what a plain login sees, and which login is refused."""

import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import BadParameter, TransactionOptions
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.sql import SqlRepository, SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.tenancy import (
    TenancyBypassed,
    quoted,
    tenant_statements,
    tenant_table,
)
from nexios.adapters.persistence.types import IdentityType
from nexios.application import Caller
from nexios.domain import AggregateRoot, Identity, Page
from nexios.testing.postgres import assert_pool_idle, run_all

pytestmark = pytest.mark.asyncio


class NoteId(Identity): ...


class Note(AggregateRoot[NoteId]):
    tenant: str
    text: str


METADATA = MetaData()
NOTES = Table(
    "notes",
    METADATA,
    Column("id", IdentityType(NoteId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("text", String(40), nullable=False),
    UniqueConstraint("tenant", "text"),
)


class NoteMapper(Mapper[Note]):
    root = NOTES

    def dump(self, aggregate: Note) -> Rows:
        row = {"id": aggregate.id, "tenant": aggregate.tenant, "text": aggregate.text}
        return {"notes": [row]}

    def load(self, rows: Rows) -> Note:
        (row,) = rows["notes"]
        return Note(id=row["id"], tenant=row["tenant"], text=row["text"])


class Notes(SqlRepository[Note, NoteId]):
    mapper = NoteMapper()


@pytest_asyncio.fixture
async def secured(nexios_database_url: str) -> AsyncIterator[str]:
    """The URL of a plain login on a database whose notes are kept apart."""
    login = f"plain_{uuid.uuid4().hex[:8]}"
    async with Database(nexios_database_url) as owner:
        await create_tables(owner, METADATA)
        for statement in (
            *tenant_statements("notes"),
            f"CREATE ROLE {login} LOGIN NOSUPERUSER NOBYPASSRLS",
            f"GRANT USAGE ON SCHEMA public TO {login}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {login}",
        ):
            await owner.execute(statement)
    parts = urlsplit(nexios_database_url)
    host = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{login}@{host}").geturl()
    run_all(nexios_database_url, [f"DROP OWNED BY {login}", f"DROP ROLE {login}"])


@pytest_asyncio.fixture
async def database(secured: str) -> AsyncIterator[Database]:
    async with Database(secured, pool_size=2) as opened:
        yield opened
        assert_pool_idle(opened)


def request(database: Database, tenant: str | None) -> tuple[SqlUnitOfWork, Notes]:
    unit = SqlUnitOfWork(database, Caller(tenant=tenant))
    return unit, Notes(unit)


async def add(database: Database, tenant: str | None, owner: str, text: str = "x") -> NoteId:
    unit, notes = request(database, tenant)
    made = Note(id=NoteId.new(), tenant=owner, text=text)

    async def work() -> None:
        notes.add(made)

    await unit.run(work)
    return made.id


async def seen(database: Database, tenant: str | None) -> list[str]:
    unit, notes = request(database, tenant)

    async def work() -> Page[Note]:
        return await notes.select()

    return [note.tenant for note in (await unit.run(work)).items]


async def test_a_tenant_sees_and_changes_its_own_rows_only(database: Database) -> None:
    acme = await add(database, "acme", "acme")
    await add(database, "beta", "beta")
    assert await seen(database, "acme") == ["acme"]
    assert await seen(database, "beta") == ["beta"]
    unit, notes = request(database, "beta")
    assert await unit.run(lambda: notes.find(acme)) is None

    async def all_of_them() -> int:
        return await database.execute("UPDATE notes SET text = 'mine'")

    assert await unit.run(all_of_them) == 1


async def test_a_row_of_another_tenant_cannot_be_written(database: Database) -> None:
    with pytest.raises(Exception, match="row-level security"):
        await add(database, "acme", "beta")
    assert await seen(database, "beta") == []


async def test_without_a_tenant_nothing_is_seen_and_nothing_written(database: Database) -> None:
    await add(database, "acme", "acme")
    assert await seen(database, None) == []
    assert await database.fetch_all("SELECT * FROM notes") == []
    with pytest.raises(Exception, match="row-level security"):
        await add(database, None, "acme", "y")
    with pytest.raises(Exception, match="row-level security"):
        await add(database, None, "", "z")


async def test_a_pooled_connection_does_not_carry_the_tenant_on(secured: str) -> None:
    async with Database(secured, pool_size=1) as one:
        await add(one, "acme", "acme")
        backend = await one.fetch_value("SELECT pg_backend_pid()")
        assert await seen(one, "acme") == ["acme"]
        assert await one.fetch_all("SELECT * FROM notes") == []
        assert await seen(one, None) == []
        assert await seen(one, "beta") == []
        assert await one.fetch_value("SELECT pg_backend_pid()") == backend


async def test_a_use_case_joining_a_transaction_brings_its_tenant(database: Database) -> None:
    await add(database, "acme", "acme")
    async with database.transaction():
        assert await database.fetch_all("SELECT * FROM notes") == []
        assert await seen(database, "acme") == ["acme"]
        with pytest.raises(TransactionOptions, match="for one tenant runs inside"):
            await seen(database, "beta")
    assert await database.fetch_all("SELECT * FROM notes") == []


async def test_a_use_case_of_another_tenant_does_not_join_one(database: Database) -> None:
    unit, _ = request(database, "acme")

    async def work() -> None:
        await seen(database, "beta")

    with pytest.raises(TransactionOptions):
        await unit.run(work)


@pytest.mark.parametrize(
    "tenant", ["o'hara", "a\\'; DROP TABLE notes; --", "Ünï ✓", 'x"y', "\\", "$$", "a;b"]
)
async def test_a_tenant_may_be_any_text(database: Database, tenant: str) -> None:
    await add(database, tenant, tenant)
    assert await seen(database, tenant) == [tenant]
    for old in ("on", "off"):
        async with database.transaction():
            await database.execute(f"SET LOCAL standard_conforming_strings = {old}")
            assert await database.fetch_value(f"SELECT {quoted(tenant)} AS t") == tenant


async def test_a_tenant_with_nul_is_refused() -> None:
    with pytest.raises(BadParameter):
        quoted("a\0b")


async def test_a_login_that_ignores_row_security_is_refused_at_start(
    secured: str, nexios_database_url: str
) -> None:
    assert secured != nexios_database_url
    with pytest.raises(TenancyBypassed) as refusal:
        async with Database(nexios_database_url):
            pass
    assert 'table "notes" keeps tenants apart' in str(refusal.value)
    assert "NOBYPASSRLS" in str(refusal.value)
    async with Database(nexios_database_url, ignores_tenants=True) as administration:
        assert await administration.fetch_all("SELECT * FROM notes") == []


async def test_such_a_login_is_fine_where_no_table_has_tenants(nexios_database_url: str) -> None:
    async with Database(nexios_database_url) as plain:
        await create_tables(plain, METADATA)
    async with Database(nexios_database_url) as plain:
        assert await plain.fetch_value("SELECT count(*) FROM notes") == 0


class Written:
    """Alembic's ``op``, as far as it is asked."""

    def __init__(self, dialect: str) -> None:
        self.statements: list[str] = []
        self.dialect = type("Dialect", (), {"name": dialect})()

    def execute(self, sqltext: Any) -> None:
        self.statements.append(sqltext)

    def get_context(self) -> Any:
        return self


async def test_a_migration_secures_a_table_where_the_store_can() -> None:
    op = Written("postgresql")
    tenant_table(op, "shop.notes", "owner", kind="uuid")
    assert op.statements[:2] == [
        'ALTER TABLE "shop"."notes" ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE "shop"."notes" FORCE ROW LEVEL SECURITY',
    ]
    assert "AS uuid)" in op.statements[2]
    op = Written("sqlite")
    tenant_table(op, "notes")
    assert op.statements == []


@pytest.mark.parametrize("name", ["", 'a"b', "a; DROP TABLE b", "a.b.c", "1a"])
async def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        tenant_statements(name)
