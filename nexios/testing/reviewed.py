"""Compares a text with the reviewed file beside the test that asks."""

import difflib
import inspect
import os
from pathlib import Path


def assert_reviewed(found: str, golden: str | Path, *, what: str) -> None:
    """Fail, with a diff, when a text is not that of a reviewed file.

    ``NEXIOS_GOLDEN=write`` in the environment writes it anew.

    Args:
        golden: The file, seen from the folder of the test that calls.
        what: What the text tells, for the words of the failure: ``the wiring``.

    Raises:
        AssertionError: They differ, or there is no such file.
    """
    path = _folder_of_caller() / golden
    if os.environ.get("NEXIOS_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    if not path.is_file():
        raise AssertionError(f"there is no {_shown(path)} yet\n  fix: {_command()}")
    reviewed = path.read_text(encoding="utf-8")
    if found != reviewed:
        lines = difflib.unified_diff(
            reviewed.splitlines(), found.splitlines(), _shown(path), f"{what} now", lineterm=""
        )
        difference = "\n".join(lines)
        raise AssertionError(
            f"{what} is not that of {_shown(path)}\n{difference}"
            f"\n  fix: if the change is meant, {_command()}"
        )


def _folder_of_caller() -> Path:
    ours = Path(__file__).parent
    frame = inspect.currentframe()
    while frame is not None and Path(frame.f_code.co_filename).parent == ours:
        frame = frame.f_back
    return Path(frame.f_code.co_filename).parent if frame is not None else Path.cwd()


def _command() -> str:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    return f"NEXIOS_GOLDEN=write python -m pytest {test}".rstrip()


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
