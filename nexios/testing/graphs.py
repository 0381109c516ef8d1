"""Asserts, in one line of a test, that the wiring is the one somebody has looked at."""

from pathlib import Path

from nexios.app import NexiosApp
from nexios.container.container import Container
from nexios.container.module import Module
from nexios.testing.reviewed import assert_reviewed


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
    assert_reviewed(_container_of(root).graph().text(), golden, what="the wiring")


def _container_of(root: Module | Container | NexiosApp) -> Container:
    if isinstance(root, NexiosApp):
        return root.container
    return Container(root) if isinstance(root, Module) else root
