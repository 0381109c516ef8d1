"""`nexios check --deploy` where the database and the server have a say in it."""

import json
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from click.testing import Result

from nexios.adapters.asgi.serving import RULES
from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.testing.postgres import run_all
from tests.support.ports import free_port
from tests.support.shop import METADATA, Order, SqlOrders

Command = Callable[..., Result]
MAIN = """
from collections.abc import AsyncIterator
from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import Database

data = Module("data")
BIND
data.export(Database)
app = NexiosApp(data, config=MakeConfig(openapi={"enabled": False}))

@app.on_startup
async def never() -> None:
    raise AssertionError("a check starts nothing")
"""
VALUE = "data.bind(Database).value(Database(URL))"
PROVIDED = """
@data.provides(scope=Scope.SINGLETON)
async def database() -> AsyncIterator[Database]:
    async with Database(URL) as opened:
        yield opened
"""


@pytest.fixture(params=[VALUE, PROVIDED], ids=["value", "provided"])
def app_on(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Writes an application on a database, and returns what names it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(url: str) -> str:
        name = f"deploy_{uuid.uuid4().hex[:8]}"
        text = MAIN.replace("BIND", request.param).replace("URL", repr(url))
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}:app"

    return write


@pytest.fixture
def audited(nexios_database_url: str) -> Iterator[tuple[str, str, str]]:
    """The URL of the owner, that of a plain login, and the name of the login."""
    login = f"plain_{uuid.uuid4().hex[:8]}"

    async def make() -> None:
        async with Database(nexios_database_url) as owner:
            await create_tables(owner, METADATA)

    anyio.run(make)
    run_all(
        nexios_database_url,
        [
            f"CREATE ROLE {login} LOGIN NOSUPERUSER",
            f"GRANT USAGE, CREATE ON SCHEMA public TO {login}",
            f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {login}",
        ],
    )
    parts = urlsplit(nexios_database_url)
    plain = parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()
    yield nexios_database_url, plain, login
    run_all(
        nexios_database_url,
        [
            f"REASSIGN OWNED BY {login} TO CURRENT_USER",
            f"DROP OWNED BY {login}",
            f"DROP ROLE {login}",
        ],
    )


def of_code(result: Result, code: str) -> list[dict[str, object]]:
    told = json.loads(result.stdout)["findings"]
    return [one for one in told if one["code"] == code]


def test_a_superuser_is_flagged_and_a_plain_login_is_not(
    audited: tuple[str, str, str], app_on: Callable[[str], str], nexios: Command
) -> None:
    owner, plain, _ = audited
    (found,) = of_code(nexios("check", app_on(owner), "--deploy", "--format", "json"), "NX618")
    assert found["level"] == "warning"
    assert "is a superuser" in str(found["says"])
    text = nexios("check", app_on(owner), "--deploy").stdout
    assert "NX618 warning: the login of" in text
    assert of_code(nexios("check", app_on(plain), "--deploy", "--format", "json"), "NX618") == []


@pytest.mark.parametrize("how", ["itself", "by a role"])
def test_an_owner_of_the_audit_is_flagged_with_the_tables(
    audited: tuple[str, str, str], app_on: Callable[[str], str], nexios: Command, how: str
) -> None:
    owner, plain, login = audited
    if how == "itself":
        run_all(owner, [f"ALTER TABLE nx_audit OWNER TO {login}"])
        gone: list[str] = []
    else:
        role = f"{login}_team"
        run_all(
            owner,
            [
                f"CREATE ROLE {role}",
                f"GRANT CREATE ON SCHEMA public TO {role}",
                f"ALTER TABLE nx_audit OWNER TO {role}",
                f"GRANT {role} TO {login}",
            ],
        )
        gone = [
            f"REASSIGN OWNED BY {role} TO CURRENT_USER",
            f"DROP OWNED BY {role}",
            f"DROP ROLE {role}",
        ]
    (found,) = of_code(nexios("check", app_on(plain), "--deploy", "--format", "json"), "NX618")
    assert "owns the audit" in str(found["says"])
    assert found["places"] == ["nx_audit"]
    if gone:
        run_all(owner, gone)


def test_changes_without_a_seal_are_flagged_until_there_is_one(
    audited: tuple[str, str, str], app_on: Callable[[str], str], nexios: Command
) -> None:
    owner, plain, _ = audited

    async def change() -> None:
        async with Database(owner) as database:
            unit = SqlUnitOfWork(database)
            orders = SqlOrders(unit)

            async def work() -> None:
                orders.add(Order.open("n1"))

            await unit.run(work)

    async def seal() -> None:
        async with Database(owner) as database:
            assert await SqlAuditTrail(database).seal() is not None

    anyio.run(change)
    name = app_on(plain)
    (found,) = of_code(nexios("check", name, "--deploy", "--format", "json"), "NX618")
    assert "has 1 changes and no seal" in str(found["says"])
    assert "nexios audit seal" in str(found["fix"])
    anyio.run(seal)
    assert of_code(nexios("check", name, "--deploy", "--format", "json"), "NX618") == []


def test_a_database_without_an_audit_has_nothing_to_flag(
    tmp_path: Path, app_on: Callable[[str], str], nexios: Command
) -> None:
    done = nexios(
        "check", app_on(f"sqlite:///{tmp_path / 'x.db'}"), "--deploy", "--format", "json"
    )
    assert of_code(done, "NX618") == []
    assert "not asked" not in done.stderr


def test_a_database_that_is_away_is_said_and_the_rest_is_checked(
    app_on: Callable[[str], str], nexios: Command
) -> None:
    name = app_on(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    done = nexios("check", name, "--deploy", "--format", "json")
    assert "a database was not asked: " in done.stderr
    assert of_code(done, "NX603")
    assert done.exit_code == 1


def test_another_server_is_flagged_with_what_it_lacks(
    tmp_path: Path, app_on: Callable[[str], str], nexios: Command
) -> None:
    name = app_on(f"sqlite:///{tmp_path / 'x.db'}")

    def found(*arguments: str) -> list[dict[str, object]]:
        return of_code(nexios("check", name, "--deploy", "--format", "json", *arguments), "NX620")

    assert found() == []
    (granian,) = found("--server", "granian")
    assert granian["says"] == "granian lacks what nexios run does"
    assert set(granian["places"]) < set(RULES)  # type: ignore[call-overload]  # a list of texts
    uvicorn, *starving = found("--server", "uvicorn")
    assert RULES[0] in uvicorn["places"]  # type: ignore[operator]  # a list of texts
    assert bool(starving) is (find_spec("uvloop") is not None)
    for one in starving:
        assert "accepts one connection a turn" in str(one["says"])
    text = nexios("check", name, "--deploy", "--server", "granian").stdout
    assert "NX620 warning: granian lacks" in text
