"""Asserts, in one line of a test, that who may pass where is what somebody has looked at."""

from pathlib import Path

from nexios.app import NexiosApp
from nexios.auth.access import table
from nexios.auth.middleware import roles_in
from nexios.testing.reviewed import assert_reviewed


def assert_access(app: NexiosApp, golden: str | Path) -> None:
    """Fail, with a diff, when who may pass where is not that of a reviewed file.

    The file holds what ``nexios routes`` prints: each route and socket, its guards, and the
    roles that pass them. ``NEXIOS_GOLDEN=write`` in the environment writes it anew.

    Args:
        app: Built and proven where it is not yet, and never started.
        golden: The file, seen from the folder of the test that calls.

    Raises:
        AssertionError: It differs, or there is no such file.
        Exception: What is wrong with routes and wiring.
    """
    found = table(app.entrances, roles_in(app.container))
    assert_reviewed(found, golden, what="who may pass where")
