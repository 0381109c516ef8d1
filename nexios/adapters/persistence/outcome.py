"""Finds out what became of a COMMIT whose answer was lost."""

import asyncio
from typing import Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import CommitUnanswered, ConnectionLost
from nexios.application.errors import Unavailable

BUDGET_S: Final = 5.0
_PAUSE_S: Final = 0.05
_STATUS: Final = "SELECT pg_xact_status(CAST(CAST(? AS text) AS xid8))"


async def resolve_commit(database: Database, xid: str, lost: CommitUnanswered) -> None:
    """Return when the transaction ``xid`` is committed.

    Asks the server over other connections until it knows, for `BUDGET_S` at most.

    Raises:
        ConnectionLost: It was rolled back, so the use case may be run again.
        CommitUnanswered: The server does not know it any more, or does not answer.
    """
    try:
        async with asyncio.timeout(BUDGET_S):
            status = await _settled_status(database, xid)
    except TimeoutError:
        status = None
    if status == "committed":
        return
    if status == "aborted":
        raise ConnectionLost(
            "the connection broke before COMMIT, the server rolled back"
        ) from lost
    raise lost


async def _settled_status(database: Database, xid: str) -> object:
    while True:
        try:
            status = await database.fetch_value(_STATUS, [xid])
        except Unavailable:
            status = "in progress"
        if status != "in progress":
            return status
        await asyncio.sleep(_PAUSE_S)
