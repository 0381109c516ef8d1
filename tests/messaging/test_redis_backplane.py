"""The backplane over Redis: the contract against a real server."""

import pytest

from tests.contracts.redis_backplane import RedisBackplaneContract

pytestmark = pytest.mark.asyncio


class TestRedisBackplane(RedisBackplaneContract):
    @pytest.fixture(autouse=True)
    def server(self, nexios_redis: str) -> None:
        self.url = nexios_redis
