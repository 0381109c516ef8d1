"""Migrations on a real database: written, applied, undone, compared, one process at a time."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import MigrationError
from nexios.adapters.persistence.metadata import metadata_of
from nexios.adapters.persistence.migrations import Migrations, MigrationsBehind
from nexios.adapters.persistence.tables import create_tables, tables
from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime
from nexios.application.health import HealthCheck
from tests.support.shop import METADATA, MemoryOrders, OrderId, SqlOrders

pytestmark = pytest.mark.asyncio


class Shouted(TypeDecorator[str]):
    """A column type of an application's own."""

    impl = Text
    cache_ok = True


def people(*more: Column[object] | Index) -> MetaData:
    metadata = MetaData()
    Table(
        "people",
        metadata,
        Column("id", IdentityType(OrderId), primary_key=True),
        Column("name", String(40), nullable=False),
        Column("balance", ExactDecimal(12, 2), nullable=False),
        Column("since", UtcDateTime, nullable=False),
        *more,
    )
    Table(
        "letters",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    )
    return metadata


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'migrated.db'}"
    found: str = request.getfixturevalue("nexios_database_url")
    return found


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as opened:
        yield opened
        assert opened.status.in_use == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "migrations"


async def first(database: Database, folder: Path, metadata: MetaData) -> Migrations:
    """Write and apply the first migration of ``metadata``."""
    migrations = Migrations(database, metadata, folder=folder)
    migrations.init()
    assert await migrations.revision("first tables") is not None
    await migrations.upgrade()
    return migrations


async def by_hand(migrations: Migrations, name: str, upgrade: str, downgrade: str = "pass") -> str:
    """Write an empty migration, put steps into it and return its revision."""
    path = await migrations.revision(name, empty=True)
    assert path is not None
    before, after = path.read_text().split("    pass\n\n\n")
    path.write_text(f"{before}    {upgrade}\n\n\n{after.replace('pass', downgrade)}")
    return path.name.partition("_")[0]


async def names(database: Database) -> set[str]:
    listed = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if database.store.value == "sqlite"
        else "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    return {str(row["name"]) for row in await database.fetch_all(listed)}


async def test_the_first_migration_makes_all_tables_and_taking_it_back_removes_them(
    database: Database, folder: Path
) -> None:
    migrations = await first(database, folder, METADATA)

    made = {table.name for table in METADATA.tables.values()}
    assert await names(database) >= made | {"nx_outbox", "nx_delivery"}
    assert await migrations.drift() == []
    state = await migrations.state()
    assert state.applied == state.heads
    assert await migrations.upgrade() == []

    (undone,) = await migrations.downgrade("base")
    assert undone == f"back from {state.heads[0]}  first tables"
    assert await names(database) == {"alembic_version"}


async def test_what_migrations_make_is_what_create_tables_makes(
    database: Database, folder: Path
) -> None:
    await create_tables(database, METADATA)
    migrations = Migrations(database, METADATA, folder=folder)
    migrations.init()
    assert await migrations.revision("first tables") is None
    assert await migrations.drift() == []


async def test_a_migration_written_on_sqlite_runs_on_postgres_and_imports_nothing_of_ours(
    tmp_path: Path, folder: Path, nexios_database_url: str
) -> None:
    async with Database(f"sqlite:///{tmp_path / 'one.db'}") as one:
        await first(one, folder, people())
    (script,) = (folder / "versions").glob("*.py")
    assert "nexios" not in script.read_text()
    async with Database(nexios_database_url) as other:
        migrations = Migrations(other, people(), folder=folder)
        await migrations.upgrade()
        assert await migrations.drift() == []


async def test_a_change_of_the_tables_becomes_a_migration(
    database: Database, folder: Path
) -> None:
    await first(database, folder, people())
    changed = people(Column("nick", Shouted), Index("people_name", "name"))
    migrations = Migrations(database, changed, folder=folder)
    assert sorted(await migrations.drift()) == [
        "people.nick: is missing",
        "people: index people_name (name) is missing",
    ]

    path = await migrations.revision("nicknames")

    assert path is not None
    assert path.name.endswith("_nicknames.py")
    assert f"import {Shouted.__module__}\n" in path.read_text()
    assert len(await migrations.upgrade()) == 1
    assert await migrations.drift() == []
    assert await migrations.revision("again") is None
    assert len(list((folder / "versions").glob("*.py"))) == 2


async def test_differences_are_said_a_line_each(database: Database, folder: Path) -> None:
    migrations = await first(database, folder, people(Index("people_name", "name")))
    await database.execute("DROP INDEX people_name")
    await database.execute("DROP TABLE letters")
    await database.execute("ALTER TABLE people ADD COLUMN shoe integer")
    await database.execute("ALTER TABLE people DROP COLUMN balance")
    await database.execute("ALTER TABLE people ADD COLUMN balance text")
    said = sorted(await migrations.drift())
    assert said[0] == "letters: the table is missing"
    assert said[1:3] == [
        "people.balance: nullable is True, should be False",
        said[2],
    ]
    assert said[2].startswith("people.balance: type is TEXT(), should be ")
    assert said[3:] == [
        "people.shoe: is not the application's",
        "people: index people_name (name) is missing",
    ]


async def test_tables_of_others_are_left_alone(database: Database, folder: Path) -> None:
    await database.execute("CREATE TABLE theirs (id integer PRIMARY KEY)")
    migrations = await first(database, folder, people())
    assert await migrations.drift() == []
    (script,) = (folder / "versions").glob("*.py")
    assert "theirs" not in script.read_text()


async def test_a_failing_migration_is_undone_and_those_before_it_stand(
    database: Database, folder: Path
) -> None:
    migrations = await first(database, folder, people())
    await by_hand(migrations, "good", "op.execute('CREATE TABLE good (id integer)')")
    good = (await migrations.state()).missing
    await migrations.upgrade()
    await by_hand(
        migrations,
        "bad",
        "op.execute('CREATE TABLE bad (id integer)')\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')",
    )
    with pytest.raises(MigrationError) as refused:
        await migrations.upgrade()
    assert "nowhere" in str(refused.value)
    assert "INSERT INTO nowhere" in str(refused.value)
    assert "undone" in str(refused.value)
    assert (await migrations.state()).applied == good
    found = await names(database)
    assert "good" in found
    assert "bad" not in found


async def test_behind_is_not_ready_and_a_newer_version_is(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    migrations = await first(database, folder, people())
    assert isinstance(migrations, HealthCheck)
    await migrations.check()
    before = await migrations.state()
    newest = await by_hand(migrations, "next", "op.execute('CREATE TABLE next (id integer)')")
    with pytest.raises(MigrationsBehind) as behind:
        await migrations.check()
    assert str(behind.value) == (
        f"the database is at {before.heads[0]}, this application needs {newest}\n"
        "  fix: nexios db upgrade APP"
    )
    for ask in (migrations.drift, lambda: migrations.revision("more")):
        with pytest.raises(MigrationsBehind):
            await ask()

    await migrations.upgrade()
    await migrations.check()
    # The version before, whose folder lacks the last migration, goes on serving.
    (script,) = (folder / "versions").glob("*_next.py")
    script.unlink()
    old = Migrations(database, people(), folder=folder)
    await old.check()
    assert (await old.state()).unknown == (newest,)


async def test_a_database_without_migrations_is_behind(database: Database, folder: Path) -> None:
    migrations = Migrations(database, people(), folder=folder)
    migrations.init()
    await migrations.revision("first")
    with pytest.raises(MigrationsBehind, match="the database is at nothing"):
        await migrations.check()


async def test_tables_that_are_there_already_can_be_noted_as_migrated(
    database: Database, folder: Path
) -> None:
    migrations = Migrations(database, people(), folder=folder)
    migrations.init()
    await migrations.revision("first")
    await create_tables(database, people())
    with pytest.raises(MigrationError, match="nexios db stamp APP head"):
        await migrations.upgrade()
    await migrations.stamp()
    await migrations.check()
    assert await migrations.drift() == []


async def test_two_at_once_in_one_process_migrate_once(url: str, folder: Path) -> None:
    async with Database(url) as one, Database(url) as other:
        migrations = Migrations(one, people(), folder=folder)
        migrations.init()
        await migrations.revision("first")
        beside = Migrations(other, people(), folder=folder)
        done = await asyncio.gather(migrations.upgrade(), beside.upgrade())
        assert sorted(len(lines) for lines in done) == [0, 1]
        assert await migrations.drift() == []


async def test_processes_at_once_migrate_once(folder: Path, nexios_database_url: str) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from nexios.adapters.persistence import Database, Migrations\n"
        "migrations = Migrations(Database(sys.argv[1]), folder=Path(sys.argv[2]))\n"
        "print(*asyncio.run(migrations.upgrade()))"
    )
    async with Database(nexios_database_url) as database:
        migrations = Migrations(database, people(), folder=folder)
        migrations.init()
        await migrations.revision("first")
        first_one = (await migrations.state()).heads[0]
        slow = "op.execute('SELECT pg_sleep(1)'); op.execute('CREATE TABLE slow (id integer)')"
        await migrations.stamp()
        second = await by_hand(migrations, "slow", slow)
        await migrations.stamp("base")

        said: list[str] = []

        async def upgrade() -> None:
            command = [sys.executable, "-c", code, nexios_database_url, str(folder)]
            done = await anyio.run_process(command)
            said.append(done.stdout.decode().strip())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(upgrade)
        assert sorted(said) == ["", "", f"{first_one}  first {second}  slow"]
        assert await migrations.drift() == []


async def test_a_migration_that_waits_for_a_lock_gives_up_and_traffic_lives(
    folder: Path, nexios_database_url: str
) -> None:
    async with Database(nexios_database_url, lock_timeout_s=0.3) as database:
        migrations = await first(database, folder, people())
        await by_hand(
            migrations, "slow", "op.execute('ALTER TABLE people ADD COLUMN extra integer')"
        )
        async with database.transaction():
            # A long read: the ALTER waits for it, and every later reader for the ALTER.
            await database.fetch_all("SELECT * FROM people")

            async with Database(nexios_database_url) as reader:
                with anyio.fail_after(10):
                    with pytest.raises(MigrationError, match="lock timeout"):
                        await migrations.upgrade()
                    assert await reader.fetch_all("SELECT * FROM people") == []
        assert len(await migrations.upgrade()) == 1


async def test_rebuilding_a_table_of_sqlite_keeps_the_rows_that_refer_to_it(
    tmp_path: Path, folder: Path
) -> None:
    async with Database(f"sqlite:///{tmp_path / 'kept.db'}") as database:
        migrations = await first(database, folder, people())
        await database.execute("INSERT INTO people VALUES ('a', 'Ada', 1, 'now')")
        await database.execute("INSERT INTO letters VALUES (1, 'a')")
        rebuild = "with op.batch_alter_table('people', recreate='always') as batch: "
        await by_hand(
            migrations, "rebuild", f"{rebuild}batch.alter_column('name', new_column_name='called')"
        )
        await migrations.upgrade()
        assert await database.fetch_value("SELECT count(*) FROM letters") == 1
        assert await database.fetch_value("SELECT called FROM people") == "Ada"

        await by_hand(migrations, "lose", "op.execute('DELETE FROM people')")
        with pytest.raises(MigrationError, match='a row of "letters" refers to a row of "people"'):
            await migrations.upgrade()
        assert await database.fetch_value("SELECT count(*) FROM people") == 1


async def test_what_has_no_connection_of_its_own_is_refused(folder: Path) -> None:
    Migrations(Database("sqlite://"), folder=folder).init()
    for address, options, says in (
        ("sqlite://", {}, "a database in memory"),
        ("postgresql://app:secret@db/shop", {"pooler": True}, "cannot go through a pooler"),
    ):
        database = Database(address, **options)  # type: ignore[arg-type]
        migrations = Migrations(database, people(), folder=folder)
        with pytest.raises(MigrationError, match=says) as refused:
            await migrations.upgrade()
        assert "secret" not in str(refused.value)
        await database.stop()


async def test_a_folder_is_written_once_and_missed_by_name(folder: Path) -> None:
    migrations = Migrations(Database("sqlite://"), folder=folder)
    with pytest.raises(MigrationError, match="nexios db init APP"):
        await migrations.state()
    migrations.init()
    (folder / "env.py").write_text("mine = True\n")
    with pytest.raises(MigrationError, match="already"):
        migrations.init()
    assert (folder / "env.py").read_text() == "mine = True\n"


async def test_an_unknown_revision_is_refused(database: Database, folder: Path) -> None:
    migrations = await first(database, folder, people())
    with pytest.raises(MigrationError, match="nosuch"):
        await migrations.upgrade("nosuch")


async def test_one_table_in_two_metadata_is_refused_and_ours_may_stand_in_one() -> None:
    database = Database("sqlite://")
    with pytest.raises(MigrationError, match='"people" is in two'):
        Migrations(database, people(), people(), folder=Path("x"))
    with_ours = people()
    tables(with_ours)
    Migrations(database, with_ours, MetaData(), folder=Path("x"))


async def test_tables_are_found_by_repositories_and_bound_metadata() -> None:
    mine = MetaData()
    assert metadata_of([SqlOrders, MemoryOrders, object(), mine, SqlOrders, int]) == [
        METADATA,
        mine,
    ]


async def test_without_alembic_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['alembic'] = None\n"
        "from pathlib import Path\n"
        "from nexios.adapters.persistence import Database, Migrations\n"
        "Migrations(Database('sqlite://'), folder=Path('x')).init()"
    )
    done = await anyio.run_process([sys.executable, "-c", code], check=False)
    assert (
        done.stderr.decode()
        .rstrip()
        .endswith('migrations need alembic\n  fix: pip install "nexios[migrations]"')
    )
    assert done.returncode == 1
