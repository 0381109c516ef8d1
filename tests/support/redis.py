"""A Redis of one test, which it may stop, kill and empty."""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import anyio
import pytest

from nexios.application.errors import Unavailable
from nexios.testing.redis import NoRedis, RedisServer
from nexios.testing.skips import missing

T = TypeVar("T")


async def healed(call: Callable[[], Awaitable[T]]) -> T:
    """Return what a call gives once the server answers again; a busy machine takes a while."""
    with anyio.fail_after(20):
        while True:
            try:
                return await call()
            except Unavailable:
                await anyio.sleep(0.02)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    try:
        server = RedisServer()
    except NoRedis as reason:
        missing("redis", str(reason))
    with server:
        yield server
