"""What a run has to write, as a list in the order that keeps keys whole and locks few."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.rows import Index, Row, TableDiff, diff, index, key_of
from nexios.domain.entities import AggregateRoot
from nexios.domain.events import DomainEvent
from nexios.domain.values import Identity


@dataclass(slots=True, eq=False)
class Tracked:
    """One aggregate in a run.

    Attributes:
        mapper: Of the repository it came through.
        aggregate: The object itself.
        before: Its rows when it was loaded; None for a new one.
        version: The stored version; 0 for a new one.
        removed: It is to go.
        events: How many of its events this run has collected.
        written: The version this run wrote; None when it wrote nothing.
        brought: Events a new one had recorded when it was added.
        diffs: What this run changes of it, by table.
    """

    mapper: Mapper[Any]
    aggregate: AggregateRoot[Identity]
    before: Index | None
    version: int
    removed: bool = False
    events: int = 0
    written: int | None = None
    brought: tuple[DomainEvent, ...] = ()
    diffs: Mapping[str, TableDiff] = field(default_factory=dict)

    @classmethod
    def new(cls, mapper: Mapper[Any], aggregate: AggregateRoot[Identity]) -> "Tracked":
        """Track what no store has yet."""
        brought = tuple(aggregate.pull_events())
        _record(aggregate, brought)
        return cls(mapper, aggregate, None, 0, brought=brought)

    @classmethod
    def of_stored(cls, mapper: Mapper[Any], aggregate: AggregateRoot[Identity]) -> "Tracked":
        """Track what was just loaded."""
        before = index(mapper.dump(aggregate), mapper.tables)
        return cls(mapper, aggregate, before, aggregate.version)

    def stored(self) -> None:
        """The commit is known: the aggregate has its new version now."""
        if self.written is not None:
            self.aggregate.version = self.written

    def undone(self) -> None:
        """Nothing was committed: a new one has the events again that it was added with.

        A use case that is run again may add the very object, made before it.
        """
        if self.before is None:
            self.aggregate.pull_events()
            _record(self.aggregate, self.brought)


@dataclass(frozen=True, slots=True)
class InsertRoot:
    """INSERT INTO root; ``row`` holds ``version`` 1."""

    mapper: Mapper[Any]
    row: Row


@dataclass(frozen=True, slots=True)
class UpdateRoot:
    """UPDATE root SET ``values``, version = version + 1 WHERE id AND version; else StaleWrite.

    ``values`` may be empty: a change of a child, a removal and an event raise the version too.
    """

    mapper: Mapper[Any]
    id: Any
    version: int
    values: Row


@dataclass(frozen=True, slots=True)
class DeleteRows:
    """DELETE FROM ``table``, one row for each primary key."""

    mapper: Mapper[Any]
    table: Table
    keys: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """UPDATE ``table`` SET ``values`` WHERE the primary key is ``key``."""

    mapper: Mapper[Any]
    table: Table
    key: Row
    values: Row


@dataclass(frozen=True, slots=True)
class InsertRows:
    """INSERT INTO ``table``."""

    mapper: Mapper[Any]
    table: Table
    rows: tuple[Row, ...]


Operation = InsertRoot | UpdateRoot | DeleteRows | UpdateRow | InsertRows


@dataclass(frozen=True, slots=True)
class _Changed:
    tracked: Tracked
    root: Row
    diffs: dict[str, TableDiff]


def operations(tracked: Sequence[Tracked]) -> list[Operation]:
    """Return what to write for the aggregates that changed.

    Roots first, by table dependency and id, so that two runs lock in one order and a stream's
    numbers follow its commits. Then children: DELETE, UPDATE, INSERT, so that a unique value can
    move from one row to another. Removed roots last, in the opposite order.

    Also notes on each of ``tracked`` the version it will have, and its diffs.
    """
    changed = [found for one in tracked if (found := _changed(one)) is not None]
    changed.sort(key=lambda one: (one.tracked.mapper.rank, one.tracked.aggregate.id.int))
    written: list[Operation] = [_root_operation(one) for one in changed]
    for one in changed:
        written += _child_operations(one)
    for one in reversed(changed):
        if one.tracked.removed:
            mapper = one.tracked.mapper
            key = key_of(mapper.root, one.root)
            written.append(DeleteRows(mapper, mapper.root, (key,)))
    return written


def _record(aggregate: AggregateRoot[Identity], events: Sequence[DomainEvent]) -> None:
    for event in events:
        aggregate.record(event)


def _changed(tracked: Tracked) -> _Changed | None:
    mapper = tracked.mapper
    root = mapper.root.name
    if tracked.before is None and tracked.removed:
        return None
    if tracked.removed:
        after: Index = {}
    else:
        after = index(mapper.dump(tracked.aggregate), mapper.tables)
        _refuse_odd_root(tracked, after)
    diffs = diff(tracked.before or {}, after, mapper.tables)
    if not diffs and not tracked.events:
        return None
    tracked.written = tracked.version + 1
    tracked.diffs = diffs
    rows = (after if not tracked.removed else tracked.before or {})[root]
    return _Changed(tracked, next(iter(rows.values())), diffs)


def _refuse_odd_root(tracked: Tracked, after: Index) -> None:
    name = type(tracked.mapper).__name__
    root = tracked.mapper.root.name
    rows = after[root]
    if len(rows) != 1:
        raise ValueError(f'{name}.dump() gave {len(rows)} rows of "{root}"; one is needed')
    (row,) = rows.values()
    if row.get("id") != tracked.aggregate.id:
        raise ValueError(f"{name}.dump() gave another id than the aggregate's")
    if "version" in row:
        raise ValueError(f'{name}.dump() gave "version", which the repository keeps')


def _root_operation(changed: _Changed) -> Operation:
    tracked = changed.tracked
    if tracked.before is None:
        return InsertRoot(tracked.mapper, {**changed.root, "version": 1})
    values: Row = {}
    found = changed.diffs.get(tracked.mapper.root.name)
    if found is not None and not tracked.removed:
        for updated in found.updated:
            values.update(updated.after)
    return UpdateRoot(tracked.mapper, changed.root["id"], tracked.version, values)


def _child_operations(changed: _Changed) -> list[Operation]:
    mapper = changed.tracked.mapper
    found: list[Operation] = []
    # What refers goes before what it refers to.
    for table in reversed(mapper.ordered_children):
        if (gone := changed.diffs.get(table.name)) and gone.deleted:
            keys = tuple(key_of(table, row) for row in gone.deleted)
            found.append(DeleteRows(mapper, table, keys))
    for table in mapper.ordered_children:
        one = changed.diffs.get(table.name)
        if one is None:
            continue
        found += [UpdateRow(mapper, table, row.key, row.after) for row in one.updated]
        if one.inserted:
            found.append(InsertRows(mapper, table, one.inserted))
    return found
