"""An application under the sync client."""

from nexios import NexiosApp
from nexios.testing.client import TestClient


def test_sync_client_runs_the_lifespan() -> None:
    log: list[str] = []
    app = NexiosApp()
    app.on_startup(lambda: log.append("started"))
    app.on_shutdown(lambda: log.append("stopped"))

    with TestClient(app):
        log.append("serving")

    assert log == ["started", "serving", "stopped"]
