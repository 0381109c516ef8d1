"""What carries channels is chosen by one setting, and its loss costs no socket."""

import secrets
from contextlib import AsyncExitStack

import pytest

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.messaging.nats_backplane import NatsBackplane
from nexios.adapters.messaging.postgres_backplane import PostgresBackplane
from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.adapters.persistence.database import Database
from nexios.application.backplane import Backplane, LinkState
from nexios.application.realtime import RealtimeSettings
from nexios.config import ConfigError, MakeConfig
from nexios.container.container import Container
from nexios.container.module import Module
from nexios.testing.redis import RedisServer
from nexios.websockets.carriers import NoDatabase, carrier
from nexios.websockets.channel import Channel
from tests.support.links import Links, healed
from tests.support.redis import own_redis
from tests.support.sockets import FakeApp, running_hub
from tests.websockets.test_resume import enter, staying, told

__all__ = ["own_redis"]

pytestmark = pytest.mark.asyncio


async def chosen(backplane: str, *bindings: tuple[type, object]) -> Backplane:
    module = Module("shop")
    for key, value in bindings:
        module.bind(key).value(value)
    async with Container(module) as container:
        return await carrier(RealtimeSettings(backplane=backplane), container)


async def test_one_setting_chooses_the_carrier() -> None:
    database = Database("postgresql://127.0.0.1:1/x")
    assert type(await chosen("memory://")) is MemoryBackplane
    assert type(await chosen("redis://127.0.0.1:1")) is RedisBackplane
    assert type(await chosen("redis+cluster://127.0.0.1:1,127.0.0.1:2")) is RedisBackplane
    assert type(await chosen("nats://127.0.0.1:1")) is NatsBackplane
    assert type(await chosen("database", (Database, database))) is PostgresBackplane


async def test_what_is_bound_comes_before_the_setting() -> None:
    own = MemoryBackplane()
    assert await chosen("redis://127.0.0.1:1", (Backplane, own)) is own


@pytest.mark.parametrize("bindings", [(), ((Database, Database("sqlite://")),)])
async def test_a_database_that_is_missing_or_another_is_said(
    bindings: tuple[tuple[type, object], ...],
) -> None:
    with pytest.raises(NoDatabase, match=r"fix: module\.bind\(Database\)"):
        await chosen("database", *bindings)


@pytest.mark.parametrize("wrong", [{"backplane": "kafka://x"}, {"namespace": "a b"}])
async def test_a_wrong_setting_is_said_at_once(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="realtime"):
        MakeConfig(realtime=wrong)


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_a_broker_that_is_killed_or_stands_still_keeps_the_sockets(
    own_redis: RedisServer, how: str
) -> None:
    namespace = f"t{secrets.token_hex(6)}"
    url = f"{own_redis.url}?socket_timeout=1&socket_connect_timeout=1"
    link = RedisBackplane(url, namespace=namespace)
    links = Links()
    link.on_link(links)
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app, backplane=link), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app, None))
        await ada.receive_json()
        before = await healed(lambda: chat.broadcast("before"))
        frame = await ada.receive_json()
        assert (frame["data"], frame["at"]) == ("before", str(before.position))
        getattr(own_redis, how)()
        await links.until(LinkState.DEGRADED)
        assert (await ada.receive_json())["state"] == "degraded"
        assert (await chat.broadcast("alone")).degraded
        assert (await ada.receive_json())["degraded"]
        if how == "kill":
            own_redis.start()
        else:
            own_redis.resume()
        await links.until(LinkState.UP)
        assert (await ada.receive_json())["state"] == "up"
        if how == "kill":  # it kept nothing: another epoch says so
            assert (await ada.receive_json())["reason"] == "epoch"
        await healed(lambda: chat.broadcast("after"))
        assert await told(ada, 1) == ["after"]
        assert [member.socket for member in chat.members]
