"""The test clients, at the address they had in Nexios 2.11."""

from nexios.testing.client import (
    AsyncTestClient,
    Client,
    TestClient,
    create_async_client,
    create_client,
)

__all__ = ["AsyncTestClient", "Client", "TestClient", "create_async_client", "create_client"]
