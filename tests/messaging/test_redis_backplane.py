"""The backplane over Redis: the contract against a real server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.application.backplane import Backplane
from tests.contracts.backplane import BackplaneContract

pytestmark = pytest.mark.asyncio


class TestRedisBackplane(BackplaneContract):
    window_s = 2.0
    age_s = 2.0

    @pytest.fixture(autouse=True)
    def server(self, nexios_redis: str) -> None:
        self.url = nexios_redis

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Backplane]:
        self.namespace = f"t{secrets.token_hex(6)}"
        yield self._made()

    def second(self, first: Backplane) -> Backplane:
        return self._made()

    async def moved(self, backplane: Backplane, seconds: float) -> None:
        await anyio.sleep(seconds)  # the server's own clock

    def _made(self) -> RedisBackplane:
        return RedisBackplane(self.url, namespace=self.namespace, duplicate_window_s=self.window_s)
