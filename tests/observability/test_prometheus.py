"""What Prometheus reads of an application."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexios import NexiosApp
from nexios.adapters.observability.prometheus import MOST_SERIES, Metrics
from nexios.application.listening import Signals
from nexios.application.signals import (
    DeliveryDone,
    DeliveryFailed,
    DependencyDown,
    LoopBlocked,
    RequestFinished,
    SocketClosed,
    SocketOpened,
    StatementRan,
)
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


def watched() -> tuple[NexiosApp, Metrics]:
    app, metrics = NexiosApp(), Metrics()
    app.signals.on(metrics)
    app.register(metrics.page, "/metrics")

    @app.get("/users/{id:int}")
    async def user(id: int) -> dict[str, int]:
        return {"id": id}

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    return app, metrics


def series(text: str, name: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if line.startswith(f"nexios_{name}{{")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_requests_are_counted_by_template() -> None:
    app, _ = watched()
    for number in range(20):
        await ask(app, "GET", f"/users/{number}")
        await ask(app, "GET", f"/nowhere/{number}")
    await ask(app, "GET", "/broken")
    answer = await ask(app, "GET", "/metrics")
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/plain; version=")
    counted = series(answer.text, "http_request_duration_seconds_count")
    name = "nexios_http_request_duration_seconds_count"
    assert counted == {
        f'{name}{{method="GET",route="/users/{{id:int}}",scheme="http",status="200"}}': 20,
        f'{name}{{method="GET",route="",scheme="http",status="404"}}': 20,
        f'{name}{{method="GET",route="/broken",scheme="http",status="500"}}': 1,
    }
    assert series(answer.text, "unexpected_errors_total") == {
        'nexios_unexpected_errors_total{route="/broken"}': 1
    }
    assert 'le="0.005"' in answer.text
    assert 'le="30.0"' in answer.text


async def test_ten_thousand_paths_give_few_series() -> None:
    app, _ = watched()
    for number in range(10_000):
        await ask(app, f"METHOD{number}", f"/path/{number}")
    answer = await ask(app, "GET", "/metrics")
    assert len(series(answer.text, "http_request_duration_seconds_count")) == 1


async def test_a_metric_has_a_bounded_number_of_series() -> None:
    metrics, signals = Metrics(), Signals()
    signals.on(metrics)
    for number in range(MOST_SERIES + 500):
        signals.tell(RequestFinished("GET", f"/r{number}", "http", 200, 0.1, True, {}))
    text = metrics.exposed()[0].decode()
    counted = series(text, "http_request_duration_seconds_count")
    assert len(counted) == MOST_SERIES
    others = [count for labels, count in counted.items() if 'route="other"' in labels]
    assert others == [501]
    assert sum(counted.values()) == MOST_SERIES + 500


async def test_every_event_that_is_heard_is_counted() -> None:
    metrics, signals = Metrics(), Signals()
    signals.on(metrics)
    signals.off(metrics)
    assert not signals.hears(*metrics.listens_to)
    signals.on(metrics)
    told: list[Any] = [
        SocketOpened("/ws", "ws", {}),
        SocketOpened("/ws", "ws", {}),
        SocketClosed("/ws", "ws", 4321, 1.0, {}),
        StatementRan("sqlite", "SELECT ?", 0.2, None),
        DeliveryDone("mail", "order.placed", 0.2),
        DeliveryFailed("mail", "order.placed", 0.2, "ValueError"),
        DependencyDown("database", "refused"),
        LoopBlocked(0.5),
    ]
    for event in told:
        signals.tell(event)
    assert signals.failures == 0
    text = metrics.exposed()[0].decode()
    assert series(text, "sockets_open") == {'nexios_sockets_open{route="/ws"}': 1}
    assert 'nexios_sockets_closed_total{code="4xxx",route="/ws"} 1.0' in text
    assert 'nexios_statement_seconds_count{failure="",store="sqlite"} 1.0' in text
    assert len(series(text, "delivery_seconds_count")) == 2
    assert 'nexios_dependency_down{check="database"} 1.0' in text
    assert "nexios_loop_blocked_seconds_count 1.0" in text


async def test_the_page_answers_whom_it_may_and_reading_alone() -> None:
    app, _ = watched()
    metrics = Metrics(
        allowed=lambda scope: (b"x-forwarded-for", b"1.2.3.4") not in scope["headers"]
    )
    app.register(metrics.page, "/closed")
    assert (await ask(app, "GET", "/closed")).status == 200
    refused = await ask(app, "GET", "/closed", headers={"x-forwarded-for": "1.2.3.4"})
    assert (refused.status, refused.body) == (404, b"")
    assert (await ask(app, "POST", "/metrics")).status == 405
    head = await ask(app, "HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"")
    openmetrics = await ask(
        app, "GET", "/metrics", headers={"accept": "application/openmetrics-text"}
    )
    assert openmetrics.text.endswith("# EOF\n")


WORKER = """
from nexios.adapters.observability.prometheus import Metrics, worker_ended
from nexios.application.listening import Signals
from nexios.application.signals import RequestFinished, SocketOpened
import os, sys
metrics, signals = Metrics(), Signals()
signals.on(metrics)
signals.tell(RequestFinished("GET", "/", "http", 200, 0.1, True, {}))
signals.tell(SocketOpened("/ws", "ws", {}))
print(metrics.exposed()[0].decode())
worker_ended(os.getpid())
"""


def worked(folder: Path) -> str:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", WORKER], env=env, check=True, capture_output=True, text=True
    ).stdout


async def test_the_page_of_one_worker_tells_of_all(tmp_path: Path) -> None:
    said = [worked(tmp_path), worked(tmp_path)]
    name = "http_request_duration_seconds_count"
    assert list(series(said[0], name).values()) == [1]
    assert list(series(said[1], name).values()) == [2]
    # The first worker has ended, and its sockets with it.
    assert list(series(said[1], "sockets_open").values()) == [1]
