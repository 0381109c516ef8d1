"""A Redis of one test, which it may stop, kill and empty."""

from collections.abc import Iterator

import pytest

from nexios.testing.redis import NoRedis, RedisServer
from nexios.testing.skips import missing


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    try:
        server = RedisServer()
    except NoRedis as reason:
        missing("redis", str(reason))
    with server:
        yield server
