"""Asserts, in one line of a test, that the wiring is the one somebody has looked at."""

import difflib
import inspect
import os
from pathlib import Path

from nexios.app import NexiosApp
from nexios.container.container import Container
from nexios.container.module import Module


def assert_graph(root: Module | Container | NexiosApp, golden: str | Path) -> None:
    """Fail, with a diff, when the wiring is not that of a reviewed file.

    The file holds ``container.graph().text()``: no lines and no paths, so it changes with the
    wiring only. ``NEXIOS_GOLDEN=write`` in the environment writes it anew.

    Args:
        root: What is looked at; built and proven where it is not yet, and never started.
        golden: The file, seen from the folder of the test that calls.

    Raises:
        AssertionError: The wiring differs, or there is no such file.
        WiringProblem: The wiring is wrong.
    """
    path = _folder_of_caller() / golden
    found = _container_of(root).graph().text()
    if os.environ.get("NEXIOS_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    if not path.is_file():
        raise AssertionError(f"there is no {_shown(path)} yet\n  fix: {_command()}")
    reviewed = path.read_text(encoding="utf-8")
    if found != reviewed:
        lines = difflib.unified_diff(
            reviewed.splitlines(), found.splitlines(), _shown(path), "the wiring now", lineterm=""
        )
        difference = "\n".join(lines)
        raise AssertionError(
            f"the wiring is not that of {_shown(path)}\n{difference}"
            f"\n  fix: if the change is meant, {_command()}"
        )


def _container_of(root: Module | Container | NexiosApp) -> Container:
    if isinstance(root, NexiosApp):
        return root.container
    return Container(root) if isinstance(root, Module) else root


def _folder_of_caller() -> Path:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return Path(frame.f_code.co_filename).parent if frame is not None else Path.cwd()


def _command() -> str:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    return f"NEXIOS_GOLDEN=write python -m pytest {test}".rstrip()


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
