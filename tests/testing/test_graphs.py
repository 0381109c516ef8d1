"""assert_graph: a change of the wiring is a diff somebody reads."""

from pathlib import Path

import pytest

from nexios.app import NexiosApp
from nexios.config import MakeConfig
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.errors import MissingBinding
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.testing import assert_graph


class Clock:
    pass


class Diary:
    def __init__(self, clock: Clock) -> None: ...


def diary(*, scope: Scope = Scope.SINGLETON) -> Module:
    module = Module("diary", export=[Diary])
    module.bind(Clock, scope=scope)
    module.bind(Diary)
    return module


def app() -> NexiosApp:
    made = NexiosApp(diary(), config=MakeConfig())

    @made.get("/")
    async def index(diary: Diary = Depend()) -> str:
        return ""

    return made


def test_module_container_and_application_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXIOS_GOLDEN", "write")
    for name, root in {"m": diary(), "c": Container(diary()), "a": app()}.items():
        assert_graph(root, tmp_path / "deep" / f"{name}.txt")
    monkeypatch.delenv("NEXIOS_GOLDEN")
    assert_graph(diary(), tmp_path / "deep" / "m.txt")
    assert_graph(Container(diary()), tmp_path / "deep" / "m.txt")
    assert_graph(app(), tmp_path / "deep" / "a.txt")
    text = (tmp_path / "deep" / "a.txt").read_text()
    assert '    GET /\n      diary: Diary  from "diary"\n' in text
    assert text != (tmp_path / "deep" / "c.txt").read_text()


def test_the_file_is_seen_from_the_folder_of_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_graph(diary(), "golden/diary.txt")


def test_change_is_a_diff_with_the_command_that_accepts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    golden = tmp_path / "diary.txt"
    golden.write_text(Container(diary()).graph().text())
    with pytest.raises(AssertionError) as failure:
        assert_graph(diary(scope=Scope.TRANSIENT), golden)
    lines = str(failure.value).splitlines()
    assert lines[:3] == [
        "the wiring is not that of diary.txt",
        "--- diary.txt",
        "+++ the wiring now",
    ]
    assert "-    Clock  SINGLETON" in lines
    assert "+    Clock  TRANSIENT (SINGLETON)" in lines
    assert lines[-1].startswith("  fix: if the change is meant, NEXIOS_GOLDEN=write python -m py")
    assert lines[-1].endswith("test_change_is_a_diff_with_the_command_that_accepts_it")


def test_missing_file_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"there is no new.txt yet\n  fix: NEXIOS_GOLDEN="):
        assert_graph(diary(), tmp_path / "new.txt")


def test_wrong_wiring_is_refused_before_it_is_compared(tmp_path: Path) -> None:
    with pytest.raises(MissingBinding):
        assert_graph(Module("app", bind=[Diary]), tmp_path / "new.txt")


def test_lines_that_move_change_nothing(tmp_path: Path) -> None:
    golden = tmp_path / "diary.txt"
    golden.write_text(Container(diary()).graph().text())
    module = Module("diary", export=[Diary])

    module.bind(Clock, scope=Scope.SINGLETON)

    module.bind(Diary)
    assert_graph(module, golden)
