"""Finds out what became of a COMMIT whose answer was lost."""

import asyncio
from typing import Final

from sqlalchemy import Executable

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import BadParameter, CommitUnanswered, ConnectionLost
from nexios.application.errors import Unavailable

BUDGET_S: Final = 5.0
_PAUSE_S: Final = 0.05
# A crash of the server resets its statistics, a stop in good order does not. Readable by all.
_LIFE: Final = "extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text"
MARK: Final = f"concat_ws(' ', pg_current_xact_id()::text, {_LIFE})"
"""SQL for the number of the current transaction and the life of the server that gave it."""
_STATUS: Final = f"SELECT pg_xact_status(CAST(CAST(? AS text) AS xid8)) AS status, {_LIFE} AS life"


async def resolve_commit(
    database: Database, mark: str, lost: CommitUnanswered, *, witness: Executable | None = None
) -> None:
    """Return when the transaction is committed.

    Asks the server over other connections until it knows, for `BUDGET_S` at most.

    Args:
        database: Where COMMIT was sent.
        mark: What `MARK` was inside of the transaction.
        lost: To raise when nobody knows.
        witness: Selects a row that only this transaction can have written.

    Raises:
        ConnectionLost: It was rolled back, so the use case may be run again.
        CommitUnanswered: The server does not know it any more, or does not answer.
    """
    try:
        async with asyncio.timeout(BUDGET_S):
            committed = await _is_committed(database, mark, witness)
    except TimeoutError:
        committed = None
    if committed is None:
        raise lost
    if not committed:
        raise ConnectionLost(
            "the connection broke before COMMIT, the server rolled back"
        ) from lost


async def _is_committed(database: Database, mark: str, witness: Executable | None) -> bool | None:
    xid, _, life = mark.partition(" ")
    while True:
        try:
            row = await database.fetch_one(_STATUS, [xid]) or {}
            if row.get("status") == "committed" and row["life"] != life:
                # A crash forgets numbers it has not written down, and gives them out again:
                # this may be another's commit.
                seen = witness is not None and await database.fetch_value(witness) is not None
                return True if seen else None
        except BadParameter:
            # A number of the future: the server crashed and has forgotten it.
            return False
        except Unavailable:
            row = {"status": "in progress"}
        if row.get("status") != "in progress":
            return {"committed": True, "aborted": False}.get(str(row.get("status")))
        await asyncio.sleep(_PAUSE_S)
