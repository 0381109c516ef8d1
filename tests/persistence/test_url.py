from pathlib import Path

import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import UnknownDriver, UnknownOption
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.url import masked, parse_options, parse_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgres_goes_to_asyncpg(scheme: str) -> None:
    url = parse_url(f"{scheme}://app:secret@db:5433/shop?sslmode=require")

    assert url.store is Store.POSTGRESQL
    assert url.driver_url == "postgresql://app:secret@db:5433/shop?sslmode=require"
    assert "secret" not in url.masked


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///app.db", Path("app.db")),
        ("sqlite+aiosqlite:///app.db", Path("app.db")),
        ("sqlite:////var/app.db", Path("/var/app.db")),
        ("sqlite:///with%20space.db", Path("with space.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_sqlite_is_a_path_or_memory(text: str, path: Path | None) -> None:
    url = parse_url(text)

    assert (url.store, url.path, url.in_memory) == (Store.SQLITE, path, path is None)


@pytest.mark.parametrize("text", ["mysql://app:secret@db/shop", "app.db", "", "://x"])
def test_other_databases_are_refused_when_the_object_is_made(text: str) -> None:
    with pytest.raises(UnknownDriver, match="Nexios speaks postgresql and sqlite") as refusal:
        Database(text)

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("text", ["sqlite://host/app.db", "sqlite:///app.db?mode=ro"])
def test_sqlite_has_no_host_and_no_options(text: str) -> None:
    with pytest.raises(UnknownDriver, match="a SQLite URL is a path"):
        parse_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:s3cret@db/shop",
        "postgresql://app:s3cret@x@db/shop",
        "postgresql://app:s3cret/x@db/shop",
        "postgresql://:s3cret@db/shop",
        "postgresql://db/shop?user=app&password=s3cret",
        "postgresql://db/shop?password=s3cret&x=1",
    ],
)
def test_no_text_holds_a_password(text: str) -> None:
    assert "s3cret" not in masked(text)
    assert "s3cret" not in repr(Database(text))


def test_an_unknown_keyword_names_the_near_one() -> None:
    with pytest.raises(UnknownOption, match="statement_timeout_s=3") as refusal:
        parse_options({"statement_timeout": 3})

    assert 'no option "statement_timeout"' in str(refusal.value)


@pytest.mark.parametrize("options", [{"pool_size": 0}, {"lock_timeout_s": -1.0}])
def test_impossible_values_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UnknownOption, match="too small"):
        parse_options(options)
