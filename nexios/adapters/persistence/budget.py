"""What all processes together may take of a server's connections."""

import os
from typing import Final

from nexios.adapters.persistence.errors import DatabaseRefused
from nexios.adapters.persistence.tenancy import Asks
from nexios.adapters.persistence.url import Options

KEPT: Final = 10
"""So many are for migrations, backups and people."""
_MOST: Final = "SELECT CAST(current_setting('max_connections') AS integer) AS most"


class PoolTooLarge(DatabaseRefused):
    """All workers together would ask for more connections than the server gives."""


def workers_of(options: Options) -> int:
    """Return how many processes have such a pool."""
    if options.workers is not None:
        return options.workers
    told = os.environ.get("WEB_CONCURRENCY", "")
    return int(told) if told.isdecimal() and int(told) else 1


async def refuse_oversize(database: Asks, options: Options, masked: str) -> int:
    """Refuse pools that the server cannot fill; return how many connections it has.

    Args:
        database: A PostgreSQL one, without a pooler between.
        options: Of its pool.
        masked: Its URL, for the error.

    Raises:
        PoolTooLarge: Workers times ``pool_size`` is above ``max_connections`` less 10.
    """
    found = await database.fetch_one(_MOST, [])
    most = int(str(found["most"])) if found else 0
    workers = workers_of(options)
    if workers * options.pool_size > most - KEPT:
        raise PoolTooLarge(
            f"{workers} workers with pool_size={options.pool_size} may take "
            f"{workers * options.pool_size} connections; {masked} has {most}, of which {KEPT} "
            f"are for others\n  fix: pool_size={max(1, (most - KEPT) // workers)}, fewer workers, "
            "a higher max_connections, or a pooler and Database(..., pooler=True)"
        )
    return most
