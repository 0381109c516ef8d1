"""The entrance: what it says where it cannot work."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dev() -> ModuleType:
    module = ModuleType("dev")
    module.__file__ = str(ROOT / "dev.py")
    exec(compile((ROOT / "dev.py").read_text(), module.__file__, "exec"), module.__dict__)
    return module


def test_old_python_is_told_in_one_line_what_is_needed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))

    assert dev.main(["demo", "--check"]) == 2

    said = capsys.readouterr().err
    assert said == (
        "dev.py: Nexios needs Python 3.11 or newer, this is 3.10; "
        "try: python3.11 dev.py demo --check\n"
    )


def test_python_without_ensurepip_is_told_both_fixes(
    dev: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # an import of it now fails
    monkeypatch.setenv("PATH", str(tmp_path))  # and there is no uv
    dev.STAMP = tmp_path / "no-stamp"

    assert dev.set_up() == 2

    said = capsys.readouterr().err
    assert "apt-get install python3." in said
    assert "pipx install uv" in said


def test_stamp_follows_dependencies_and_constraints_and_not_the_tools_settings(
    dev: ModuleType, tmp_path: Path
) -> None:
    project = '[build-system]\nrequires = []\n[project]\ndependencies = ["anyio"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "constraints.txt").write_text("anyio==4.16.0")
    dev.ROOT = tmp_path
    before = dev.content_stamp()

    (tmp_path / "pyproject.toml").write_text(project + "[tool.ruff]\nline-length = 80\n")
    assert dev.content_stamp() == before

    (tmp_path / "pyproject.toml").write_text(project.replace("anyio", "trio"))
    assert dev.content_stamp() != before

    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "constraints.txt").write_text("anyio==4.17.0")
    assert dev.content_stamp() != before


def test_check_runs_nexios_check_on_nexios_itself(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(command: list[object]) -> int:
        ran.append([str(part) for part in command])
        return int(ran[-1][-2:] == ["check", "nexios"])

    monkeypatch.setattr(dev, "run", run)

    assert dev.check() == 1
    assert [str(dev.PYTHON), "-m", "nexios", "check", "nexios"] in ran
    assert capsys.readouterr().out.endswith("check: failed: itself\n")


def test_bytecode_is_kept_where_the_machine_says_otherwise(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import sys; sys.exit(sys.dont_write_bytecode)"

    assert dev.run([sys.executable, "-c", code]) == 0
    assert dev.run([sys.executable, "-c", code], env={"PYTHONDONTWRITEBYTECODE": "1"}) == 0
