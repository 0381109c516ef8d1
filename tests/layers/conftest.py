from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.store import Files, tidy_store


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield from tidy_store(tmp_path)
