from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nexios.cli.main import main
from tests.support.notes import Store
from tests.support.store import Files, tidy_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield from tidy_store(tmp_path)


@pytest.fixture
def nexios() -> Callable[..., Result]:
    """Runs the command line: ``nexios("check", "store.main:app")``."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return run


@pytest.fixture(params=["sqlite", "postgres"])
def notes(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The application of notes, on a database of its own."""
    if request.param == "sqlite":
        return Store(tmp_path, f"sqlite:///{tmp_path / 'notes.db'}")
    return Store(tmp_path, request.getfixturevalue("nexios_database_url"))
