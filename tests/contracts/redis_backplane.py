"""The contract of backplanes on Redis, by whatever way it is reached."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.application.backplane import Backplane
from tests.contracts.backplane import BackplaneContract


class RedisBackplaneContract(BackplaneContract):
    """Subclass it as ``Test...`` with a fixture that sets ``url``."""

    window_s = 2.0
    age_s = 2.0
    url: str

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
