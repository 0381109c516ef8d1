"""The audit trail in the database: written by units of work, sealed and read here."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import select

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.sealing import SEAL_AT_ONCE, SealedTrail
from nexios.adapters.persistence.tables import AUDIT, SEAL
from nexios.application.audit import Change, Seal
from nexios.application.keyring import Keyring
from nexios.domain.clock import Clock
from nexios.domain.errors import AlreadyExists

_AT_ONCE: Final = 500
# The transaction's number: what is below the oldest running one cannot get company any more.
_GROUP: Final = {
    Store.POSTGRESQL: "(?, ?, ?, ?, ?, ?, ?, ?, CAST(CAST(? AS text) AS jsonb),"
    " CAST(CAST(pg_current_xact_id() AS text) AS bigint))",
    Store.SQLITE: "(?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
}
_MARK: Final = {Store.POSTGRESQL: AUDIT.c.xact, Store.SQLITE: AUDIT.c.id}
_HORIZON: Final = {
    Store.POSTGRESQL: "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)"
    " AS bigint) AS horizon",
    # One writer at a time: what is committed is all there is.
    Store.SQLITE: "SELECT coalesce(max(id), 0) + 1 AS horizon FROM nx_audit",
}


async def write_audit(database: Database, changes: Sequence[Change]) -> None:
    """Insert changes in the current transaction."""
    for start in range(0, len(changes), _AT_ONCE):
        part = changes[start : start + _AT_ONCE]
        values: list[object] = []
        for one in part:
            values += [one.stream, one.version, one.use_case, one.actor, one.tenant]
            values += [one.correlation, one.causation, one.at]
            values.append(json.dumps(one.diff, allow_nan=False))
        groups = ", ".join([_GROUP[database.store]] * len(part))
        await database.execute(
            "INSERT INTO nx_audit (stream, version, use_case, actor, tenant, correlation,"  # noqa: S608
            f" causation, at, diff, xact) VALUES {groups}",
            values,
        )


class SqlAuditTrail(SealedTrail):
    """The trail in ``nx_audit``, its seals in ``nx_seal``.

    On PostgreSQL a mark is the number of the transaction, and what a running one may still add
    to is not sealed yet: one that is open for long delays seals. A database that was dumped and
    restored into a new cluster counts transactions anew; seal, verify and keep the last digest
    before, and begin a new trail after. On SQLite a mark is the change's id.
    """

    def __init__(
        self, database: Database, keyring: Keyring | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(keyring, clock)
        self._database = database
        self._mark = _MARK[database.store]

    async def history(
        self, stream: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Change]:
        """Return the changes of one stream, or of all, in order."""
        query = select(AUDIT).where(AUDIT.c.id > after).order_by(AUDIT.c.id).limit(limit)
        if stream is not None:
            query = query.where(AUDIT.c.stream == stream)
        return [self._change(row) for row in await self._database.fetch_all(query)]

    async def _seal(self) -> Seal | None:
        try:
            async with self._database.transaction():
                return await self._seal_next()
        except AlreadyExists:
            # Another process made this seal at the same moment.
            return None

    async def _seal_next(self) -> Seal | None:
        horizon = await self._database.fetch_value(_HORIZON[self._database.store])
        found = await self._database.fetch_one(select(SEAL).order_by(SEAL.c.n.desc()).limit(1))
        previous = None if found is None else _seal(found)
        first = 0 if previous is None else previous.last + 1
        last = int(str(horizon)) - 1
        # The mark at which about as many are enough; a mark's changes stay together.
        enough = (
            select(self._mark)
            .where(self._mark.between(first, last))
            .order_by(self._mark)
            .offset(SEAL_AT_ONCE - 1)
            .limit(1)
        )
        cut = await self._database.fetch_value(enough)
        last = last if cut is None else int(str(cut))
        changes = await self._between(first, last)
        if not changes:
            return None
        made = self._next(previous, changes, last)
        await self._database.execute(
            "INSERT INTO nx_seal (n, first, last, changes, digest, previous, mac, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                made.number,
                made.first,
                made.last,
                made.rows,
                made.digest,
                made.previous,
                made.mac,
                made.at,
            ],
        )
        return made

    async def _seals(self) -> AsyncIterator[Seal]:
        number = 0
        while True:
            query = select(SEAL).where(SEAL.c.n > number).order_by(SEAL.c.n).limit(_AT_ONCE)
            found = await self._database.fetch_all(query)
            for row in found:
                seal = _seal(row)
                yield seal
                number = seal.number
            if len(found) < _AT_ONCE:
                return

    async def _between(self, first: int, last: int) -> Sequence[Change]:
        query = (
            select(AUDIT).where(self._mark.between(first, last)).order_by(self._mark, AUDIT.c.id)
        )
        return [self._change(row) for row in await self._database.fetch_all(query)]

    def _change(self, row: Row) -> Change:
        known = cast("Mapping[str, Any]", row)
        return Change(
            stream=known["stream"],
            version=known["version"],
            use_case=known["use_case"],
            at=cast("datetime", known["at"]),
            diff=known["diff"],
            actor=known["actor"],
            tenant=known["tenant"],
            correlation=known["correlation"],
            causation=known["causation"],
            id=known["id"],
            mark=known[self._mark.name],
        )


def _seal(row: Row) -> Seal:
    known = cast("Mapping[str, Any]", row)
    return Seal(
        number=known["n"],
        first=known["first"],
        last=known["last"],
        rows=known["changes"],
        digest=known["digest"],
        previous=known["previous"],
        mac=known["mac"],
        at=known["at"],
    )
