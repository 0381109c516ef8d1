"""The section ``telemetry``."""

from typing import Any

import pytest
from opentelemetry import trace

from nexios import MakeConfig, NexiosApp
from nexios.adapters.observability.logging import RequestLog
from nexios.config import ConfigError
from nexios.testing.client import AsyncTestClient

pytestmark = pytest.mark.asyncio


def app_with(telemetry: dict[str, Any]) -> NexiosApp:
    app = NexiosApp(MakeConfig(telemetry=telemetry, trusted_proxies=["testclient"]))

    @app.get("/trace")
    async def told() -> str:
        return format(trace.get_current_span().get_span_context().trace_id, "032x")

    return app


async def test_metrics_are_served_to_trusted_peers_that_come_by_themselves() -> None:
    async with AsyncTestClient(app_with({"metrics": True, "metrics_path": "/m"})) as client:
        await client.get("/trace")
        page = await client.get("/m")
        assert page.status_code == 200
        assert 'route="/trace"' in page.text
        through = await client.get("/m", headers={"x-forwarded-for": "1.2.3.4"})
        assert through.status_code == 404
        assert "/m" not in (await client.get("/openapi.json")).json()["paths"]


async def test_a_page_of_metrics_needs_no_guard_where_everything_else_does() -> None:
    from nexios.auth import public

    config = MakeConfig(telemetry={"metrics": True}, auth={"deny_by_default": True})
    app = NexiosApp(config)

    @app.get("/")
    @public
    async def index() -> str:
        return ""

    app.check()


async def test_metrics_are_off_unless_wanted() -> None:
    async with AsyncTestClient(app_with({})) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_traces_go_on_where_a_trusted_peer_began_them() -> None:
    # Without the SDK a span is what came in: nothing is recorded, and all is handed on.
    told = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = {"traceparent": f"00-{told}-00f067aa0ba902b7-01"}
    async with AsyncTestClient(app_with({"traces": True})) as client:
        assert (await client.get("/trace", headers=header)).text == told
    async with AsyncTestClient(app_with({})) as client:
        assert (await client.get("/trace", headers=header)).text == "0" * 32


async def test_what_was_attached_is_let_go_at_the_end() -> None:
    app = app_with({"traces": True, "metrics": True})
    for _ in range(2):
        async with AsyncTestClient(app):
            assert app.signals.hears(*RequestLog().listens_to)
        assert not app.signals.hears(*RequestLog().listens_to)


async def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="telemetry"):
        MakeConfig(telemetry={"logging": "xml"})
    with pytest.raises(ConfigError, match="metrics_path"):
        MakeConfig(telemetry={"metrics_path": "metrics"})
