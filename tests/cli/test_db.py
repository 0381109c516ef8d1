"""`nexios db`: what it writes, says and ends with, on an application of two contexts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from nexios.testing.postgres import run_sql
from tests.support.store import Files

Command = Callable[..., Result]

TABLES = """\
from sqlalchemy import Column, Integer, MetaData, String, Table
from nexios.adapters.persistence import IdentityType
from nexios.domain import Identity

class GoodId(Identity): ...
metadata = MetaData()
goods = Table("goods", metadata,
    Column("id", IdentityType(GoodId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", String(40), nullable=False),
)
views = MetaData()
counts = Table("counts", views, Column("name", String(40), primary_key=True))
"""
MAIN = """\
from collections.abc import AsyncIterator
from sqlalchemy import MetaData
from nexios import Key, Module, NexiosApp, MakeConfig, Scope, profile
from nexios.adapters.persistence import Database, Mapper, SqlRepository, SqlUnitOfWork
from nexios.domain import AggregateRoot, Repository
from store.tables import GoodId, goods, views

class Good(AggregateRoot[GoodId]):
    name: str
class Goods(Repository[Good, GoodId]): ...
class GoodMapper(Mapper[Good]):
    root = goods
    def dump(self, good): return {"goods": [{"id": good.id, "name": good.name}]}
    def load(self, rows): return Good(id=rows["goods"][0]["id"], name=rows["goods"][0]["name"])
class SqlGoods(SqlRepository[Good, GoodId], Goods):
    mapper = GoodMapper()

store = Module("store")
@store.provides(scope=Scope.SINGLETON)
async def database() -> AsyncIterator[Database]:
    async with Database(URL) as opened:
        yield opened
store.bind(SqlUnitOfWork)
store.export(Database, SqlUnitOfWork)
inner = Module("goods", include=[store])
def elsewhere() -> Goods: raise LookupError
inner.bind(Goods, when=profile("prod")).to(SqlGoods)
inner.bind(Goods, when=~profile("prod")).to(elsewhere)
inner.bind(Key(MetaData, "views")).value(views)
app = NexiosApp(store, inner, config=MakeConfig())
hidden = NexiosApp(inner, config=MakeConfig())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def main(request: pytest.FixtureRequest, store: Files, tmp_path: Path) -> str:
    """An application on an empty database; a private repository, and only in production."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")
    store.write("store/tables.py", TABLES)
    store.write("store/main.py", MAIN.replace("URL", repr(url)))
    return "store.main"


def test_from_nothing_to_a_checked_database(main: str, nexios: Command, tmp_path: Path) -> None:
    done = nexios("db", "init", main)
    assert done.exit_code == 0, done.output
    assert done.output == (
        "wrote  store/migrations/env.py\n"
        "wrote  store/migrations/script.py.mako\n"
        'next   nexios db revision store.main -m "first tables"\n'
    )
    done = nexios("db", "revision", main, "-m", "first tables")
    assert done.exit_code == 0, done.output
    (script,) = (tmp_path / "store/migrations/versions").glob("*_first_tables.py")
    assert done.output == f"wrote  store/migrations/versions/{script.name}\n"
    written = script.read_text()
    assert all(f'"{name}"' in written or f"'{name}'" in written for name in
               ("goods", "counts", "nx_outbox", "nx_delivery"))  # fmt: skip
    head = script.name.partition("_")[0]

    done = nexios("db", "check", main)
    assert done.exit_code == 1
    assert done.output == (
        f"Error: the database is at nothing, this application needs {head}\n"
        "  fix: nexios db upgrade store.main\n"
    )
    assert nexios("db", "upgrade", main).output == f"done   {head}  first tables\n"
    assert nexios("db", "upgrade", main).output == "nothing to do\n"
    done = nexios("db", "check", main)
    assert done.exit_code == 0
    assert done.output == "ok: no migration waits, and the tables are the application's\n"
    assert nexios("db", "current", main).output == f"database  {head}\nfolder    {head}\n"
    done = nexios("db", "revision", main, "-m", "again")
    assert done.output == "nothing to change: no file was written\n"

    done = nexios("db", "downgrade", main, "-1")
    assert done.output == f"done   back from {head}  first tables\n"
    assert nexios("db", "current", main).output.startswith("database  no migrations applied\n")
    assert nexios("db", "stamp", main).output == "noted  head\n"
    assert nexios("db", "current", main).output.startswith(f"database  {head}\n")


def test_check_names_differences_and_ends_with_1(
    store: Files, main: str, nexios: Command, tmp_path: Path
) -> None:
    for words in (["init", main], ["revision", main, "-m", "first"], ["upgrade", main]):
        assert nexios("db", *words).exit_code == 0
    migrations = tmp_path / "store/migrations"
    (script,) = (migrations / "versions").glob("*.py")
    # Of another length: bytecode is kept by second and size.
    script.write_text(script.read_text().replace("length=40", "length=9"))
    for words in (["downgrade", main, "base"], ["upgrade", main]):
        assert nexios("db", *words).exit_code == 0
    done = nexios("db", "check", main)
    assert done.exit_code == 1
    assert "goods.name: type is VARCHAR(length=9), should be String(length=40)\n" in done.output
    assert done.output.endswith(
        "Error: 2 differences to the tables of store.main\n"
        '  fix: nexios db revision store.main -m "..."\n'
    )


def test_another_url_and_folder_are_taken(main: str, nexios: Command, tmp_path: Path) -> None:
    other = ["--url", f"sqlite:///{tmp_path / 'other.db'}", "--folder", "history"]
    for words in (["init"], ["revision", "-m", "first"], ["upgrade"], ["check"]):
        done = nexios("db", words[0], main, *words[1:], *other)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "history/env.py").is_file()
    assert nexios("db", "current", main, "--folder", "history").output.startswith(
        "database  no migrations applied\n"
    )


def test_what_is_missing_is_named_with_the_line_that_mends(main: str, nexios: Command) -> None:
    done = nexios("db", "upgrade", main)
    assert done.exit_code == 1
    assert "fix: nexios db init store.main, or --folder" in done.output
    done = nexios("db", "upgrade", f"{main}:hidden")
    assert done.exit_code == 1
    assert "include the module that exports Database" in done.output
    assert nexios("db", "upgrade", "store.nowhere").exit_code == 2
    nexios("db", "init", main)
    assert nexios("db", "init", main).exit_code == 1


def test_a_database_that_is_away_ends_with_3(store: Files, main: str, nexios: Command) -> None:
    url = "postgresql://app:secret@127.0.0.1:1/store"
    text = MAIN.replace("Database(URL)", f"Database({url!r}, start_timeout_s=0.1)")
    store.write("store/main.py", text)
    done = nexios("db", "current", main)
    assert done.exit_code == 3
    assert "127.0.0.1:1" in done.output
    assert "secret" not in done.output


def test_the_server_is_left_without_connections(
    main: str, nexios: Command, nexios_database_url: str
) -> None:
    nexios("db", "init", main)
    nexios("db", "upgrade", main, "--url", nexios_database_url)
    rows = run_sql(
        nexios_database_url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'nexios'",
    )
    assert rows == []
