"""The database goes away under the running shop, and comes back."""

from collections.abc import Iterator

import pytest

from examples.shop.main import shop
from examples.shop.tests.support.wire import Visitor, told
from nexios import MakeConfig
from nexios.testing.client import AsyncTestClient
from nexios.testing.postgres import NoPostgres, PostgresServer
from nexios.testing.skips import missing


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, which this test may stop."""
    try:
        made = PostgresServer(durable=True)
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with made:
        yield made


@pytest.mark.asyncio
async def test_an_outage_is_503_and_over_without_a_restart_of_the_shop(
    server: PostgresServer,
) -> None:
    async with AsyncTestClient(shop(MakeConfig(database_url=server.url()))) as client:
        visitor = Visitor(client)
        order = await visitor.draft(("tea", 1))
        async with visitor.follow(order) as socket:
            assert (await socket.receive_json())["status"] == "draft"
            server.stop("immediate")
            for answer in (
                await client.get("/products"),
                await client.post(f"/orders/{order}/place"),
            ):
                assert answer.status_code == 503, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
                assert "retry-after" in answer.headers
                assert str(server.port) not in answer.text
            server.start()

            assert (await client.post(f"/orders/{order}/place")).status_code == 202

            # The socket stayed open, the worker found its way back.
            assert (await told(socket))[-1] == "confirmed"
        assert await visitor.on_hand("tea") == 39
