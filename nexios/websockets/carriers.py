"""From one setting to what carries topics between processes."""

from typing import Final

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.backplane import Backplane
from nexios.application.realtime import RealtimeSettings
from nexios.container.container import Container

_REDIS: Final = ("redis", "rediss", "redis+sentinel", "redis+cluster", "unix")
_NATS: Final = ("nats", "tls")
_ROWS: Final = ("database", "postgresql")


class NoDatabase(Exception):
    """Channels are to be carried by the app's database, and it has none they can use."""

    def __init__(self, setting: str) -> None:
        self.setting = setting
        super().__init__(setting)

    def __str__(self) -> str:
        return (
            f"realtime.backplane is {self.setting!r}, and no Database of PostgreSQL is bound where"
            " the app sees it\n  fix: module.bind(Database).value(Database(url)), exported"
        )


async def carrier(settings: RealtimeSettings, container: Container) -> Backplane:
    """Return what is bound, else what ``realtime.backplane`` names; nothing is connected.

    Raises:
        NoDatabase: It names the database, and none is bound.
        ImportError: Its library is not installed; the text names the extra.
    """
    bound = await container.get(Backplane | None)
    if bound is not None:
        return bound
    named = settings.backplane
    scheme = named.partition(":")[0]
    # Each carrier is loaded by the app that names it: the others pay for none.
    if scheme in _REDIS:
        from nexios.adapters.messaging.redis_backplane import RedisBackplane

        return RedisBackplane(named, namespace=settings.namespace)
    if scheme in _NATS:
        from nexios.adapters.messaging.nats_backplane import NatsBackplane

        return NatsBackplane(named, namespace=settings.namespace)
    if scheme in _ROWS:
        return await _on_rows(settings, container)
    return MemoryBackplane()


async def _on_rows(settings: RealtimeSettings, container: Container) -> Backplane:
    # Their home loads SQLAlchemy, which an app on another carrier never pays for.
    from nexios.adapters.messaging.postgres_backplane import PostgresBackplane
    from nexios.adapters.persistence.database import Database
    from nexios.adapters.persistence.placeholders import Store

    database = await container.get(Database | None)
    if database is None or database.store is not Store.POSTGRESQL:
        raise NoDatabase(settings.backplane)
    return PostgresBackplane(database, namespace=settings.namespace)
