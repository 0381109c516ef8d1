"""Rows, events and deliveries of one process, applied all or nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from nexios.adapters.persistence.errors import StaleWrite
from nexios.adapters.persistence.lanes import Lanes
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory_idempotency import MemoryKeys
from nexios.adapters.persistence.memory_table import MemoryTable, Taken
from nexios.adapters.persistence.operations import (
    DeleteRows,
    InsertRoot,
    InsertRows,
    Operation,
    UpdateRoot,
    UpdateRow,
)
from nexios.adapters.persistence.rows import Key, Row
from nexios.adapters.persistence.runs import Recorded, Stored
from nexios.adapters.persistence.told import StoreTold
from nexios.application.audit import Change, Seal
from nexios.application.listening import Signals
from nexios.domain.errors import AlreadyExists, RuleViolated
from nexios.domain.values import Identity


class MemoryStore:
    """Keeps rows by table and primary key. One for each test, or one for the whole process.

    Attributes:
        lanes: Recorded events and their deliveries.
        keys: Results of ``once=True`` use cases.
        audit: What changed, in order.
        seals: Over ``audit``.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """Start empty.

        Args:
            now: Seconds; decides when a delivery may be tried again and a key is forgotten.
        """
        self._tables: dict[str, MemoryTable] = {}
        self._undo: list[Callable[[], None]] = []
        self.lanes = Lanes(now)
        self.keys = MemoryKeys(now)
        self.audit: list[Change] = []
        self.seals: list[Seal] = []
        # Consumer and message of what came from outside; see inbox.py.
        self.accepted: set[tuple[str, str]] = set()
        self.told = StoreTold("memory")

    def tell_to(self, signals: Signals) -> None:
        """Tell these of use cases; an application does so at its start."""
        self.told.tell_to(signals)

    def rows(self, table: Table) -> list[Row]:
        """Return all rows of a table, for tests."""
        memory = self._table(table)
        return [memory.loaded(row) for row in memory.rows.values()]

    def read(self, mapper: Mapper[Any], id: Identity) -> Stored | None:
        """Return one aggregate's rows."""
        root = self._table(mapper.root)
        (value,) = root.stored({"id": id}, whole=False).values()
        row = next(root.having(("id",), (value,)), None)
        return None if row is None else self._stored(mapper, root, row)

    def read_all(self, mapper: Mapper[Any], after: UUID | None) -> Iterator[Stored]:
        """Give every aggregate with an id above ``after``, in id order."""
        root = self._table(mapper.root)
        start = -1 if after is None else after.int
        rows = [row for row in root.rows.values() if row["id"].int > start]
        for row in sorted(rows, key=lambda row: row["id"].int):
            yield self._stored(mapper, root, row)

    def apply(
        self,
        changes: Sequence[Operation],
        recorded: Sequence[Recorded],
        settled: Sequence[tuple[int, str]],
        audited: Sequence[Change] = (),
    ) -> None:
        """Carry out one commit. Nothing awaits in here, so nobody sees the middle of it.

        Raises:
            StaleWrite: Another commit changed the aggregate.
            DomainError: A constraint is broken, in the mapper's words where it has some.
            BadParameter: A value its column cannot hold.
        """
        try:
            for change in changes:
                self._carry_out(change)
            events = self.lanes.prepare(recorded)
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo.clear()
        for seq, consumer in settled:
            self.lanes.settle(seq, consumer)
        self.lanes.append(events)
        for one in audited:
            number = self.audit[-1].id + 1 if self.audit else 1
            self.audit.append(replace(one, id=number, mark=number))

    def _stored(self, mapper: Mapper[Any], root: MemoryTable, row: Row) -> Stored:
        rows = {mapper.root.name: [root.loaded(row)]}
        for child in mapper.children:
            table = self._table(child)
            column = mapper.root_keys[child.name].name
            found = table.having((column,), (row["id"],))
            rows[child.name] = [table.loaded(one) for one in found]
        return Stored(row["id"], row["version"], rows)

    def _table(self, table: Table) -> MemoryTable:
        found = self._tables.get(table.name)
        if found is None:
            found = self._tables[table.name] = MemoryTable(table)
        return found

    def _carry_out(self, change: Operation) -> None:
        try:
            match change:
                case InsertRoot(mapper=mapper, row=row):
                    self._insert(self._table(mapper.root), row)
                case InsertRows(table=table, rows=rows):
                    for row in rows:
                        self._insert(self._table(table), row)
                case UpdateRoot():
                    self._update_root(change)
                case UpdateRow(table=table, key=key, values=values):
                    memory = self._table(table)
                    stored = memory.rows[memory.key(key)]
                    self._put(memory, {**stored, **memory.stored(values, whole=False)})
                case DeleteRows(table=table, keys=keys):
                    memory = self._table(table)
                    for key in keys:
                        self._drop(memory, memory.key(key))
        except Taken as taken:
            error = AlreadyExists("a value that must be unique is taken")
            raise change.mapper.broken(taken.constraint, error) from taken

        self._check_references(change)

    def _update_root(self, change: UpdateRoot) -> None:
        memory = self._table(change.mapper.root)
        values = tuple(memory.stored({"id": change.id}, whole=False).values())
        row = next(memory.having(("id",), values), None)
        if row is None or row["version"] != change.version:
            raise StaleWrite(id=str(change.id))
        changed = memory.stored(change.values, whole=False)
        self._put(memory, {**row, **changed, "version": change.version + 1})

    def _insert(self, memory: MemoryTable, values: Row) -> None:
        row = memory.stored(values, whole=True)
        if memory.key(values) in memory.rows:
            raise Taken(memory.taken_key())
        self._put(memory, row)

    def _put(self, memory: MemoryTable, row: Row) -> None:
        key = tuple([row[column.name] for column in memory.table.primary_key])
        before = memory.rows.get(key)
        memory.put(row)
        if before is None:
            self._undo.append(lambda: memory.drop(key))
        else:
            self._undo.append(lambda: memory.put(before))

    def _drop(self, memory: MemoryTable, key: Key) -> None:
        row = memory.rows[key]
        memory.drop(key)
        self._undo.append(lambda: memory.put(row))

    def _check_references(self, change: Operation) -> None:
        # As PostgreSQL does: at the end of the statement, for the rows it touched.
        if isinstance(change, DeleteRows):
            self._check_nothing_refers(change)
            return
        table = change.mapper.root if isinstance(change, InsertRoot | UpdateRoot) else change.table
        memory = self._table(table)
        for reference in memory.references:
            target = self._tables.get(reference.table)
            for row in _touched(change, memory):
                values = tuple([row[name] for name in reference.columns])
                if None in values:
                    continue
                if target is None or next(target.having(reference.referred, values), None) is None:
                    raise self._broken(change, reference.name)

    def _check_nothing_refers(self, change: DeleteRows) -> None:
        for other in self._tables.values():
            for reference in other.references:
                if reference.table != change.table.name:
                    continue
                for key in change.keys:
                    gone = self._table(change.table).stored(key, whole=False)
                    if not set(reference.referred) <= gone.keys():
                        continue
                    values = tuple([gone[name] for name in reference.referred])
                    if next(other.having(reference.columns, values), None) is not None:
                        raise self._broken(change, reference.name)

    def _broken(self, change: Operation, constraint: str) -> Exception:
        error = RuleViolated("a rule of the stored data forbids this")
        return change.mapper.broken(constraint, error)


def _touched(change: Operation, memory: MemoryTable) -> list[Row]:
    match change:
        case InsertRoot(row=row):
            return [memory.rows[memory.key(row)]]
        case InsertRows(rows=rows):
            return [memory.rows[memory.key(row)] for row in rows]
        case UpdateRow(key=key):
            return [memory.rows[memory.key(key)]]
        case UpdateRoot(id=id):
            (value,) = memory.stored({"id": id}, whole=False).values()
            return list(memory.having(("id",), (value,)))
        case DeleteRows():
            return []
