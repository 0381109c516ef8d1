"""Unit of work and repositories over a ``Database``."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import anyio
from sqlalchemy import Executable, Select, Table, select
from sqlalchemy.sql import ColumnElement

from nexios.adapters.persistence.audit import write_audit
from nexios.adapters.persistence.compiled import (
    Compiled,
    MapperStatements,
    guarded,
    keyed,
)
from nexios.adapters.persistence.constraints import broken_constraint
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.errors import (
    CommitUnanswered,
    StaleWrite,
    TransactionOptions,
)
from nexios.adapters.persistence.idempotency import SqlIdempotency
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.operations import (
    DeleteRows,
    InsertRoot,
    InsertRows,
    Operation,
    UpdateRoot,
    UpdateRow,
)
from nexios.adapters.persistence.outbox import enqueue, wake, written_event
from nexios.adapters.persistence.outcome import resolve_commit
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.repository import MappedRepository
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.runs import Recorded, RunOptions, Stored, StoreTransaction
from nexios.adapters.persistence.tenancy import SETTING
from nexios.adapters.persistence.told import StoreTold
from nexios.adapters.persistence.transactions import ISOLATIONS, Transaction
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.application.audit import Change
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.subscribers import Subscribers
from nexios.domain.clock import Clock
from nexios.domain.entities import AggregateRoot
from nexios.domain.errors import AlreadyExists, RuleViolated
from nexios.domain.specs import Specification
from nexios.domain.values import Identity

A = TypeVar("A", bound=AggregateRoot[Identity])
I = TypeVar("I", bound=Identity)  # noqa: E741

_log: Final = logging.getLogger("nexios.persistence")
_TELL_TENANT: Final = "SELECT set_config(?, ?, true) AS tenant"
_STATEMENTS: Final[WeakKeyDictionary[Database, MapperStatements]] = WeakKeyDictionary()


class SqlTransaction(StoreTransaction):
    """One try of a run on a database; it takes a connection with its first statement."""

    def __init__(self, database: Database, options: RunOptions, tenant: str | None = None) -> None:
        self.store = database
        self._tenant = tenant if database.store is Store.POSTGRESQL else None
        self._database = database
        self._statements = _statements_of(database)
        self._isolation = options.isolation
        self._mark: str | None = None
        # Made when it is asked for: building a query costs as much as sending one.
        self._witness: Callable[[], Executable] | None = None
        self._wrote: list[Mapper[Any]] = []
        self._enqueued = False
        self._own: Transaction | None = None
        self.joined = database.current is not None
        if self.joined:
            _check_joining(database, options)
        else:
            self._own = database.begin(
                isolation=options.isolation,
                read_only=options.read_only,
                timeout_s=options.timeout_s,
                tenant=self._tenant,
            )

    async def join(self) -> None:
        block = self._database.current
        if self._tenant is None or block is None or not isinstance(block.root, Transaction):
            return
        outer = block.root
        if outer.tenant not in (None, self._tenant):
            raise TransactionOptions(
                "a use case for one tenant runs inside a transaction of another",
                fix="a transaction for each tenant",
            )
        if outer.settings.tenant is None:
            await self._database.fetch_value(_TELL_TENANT, [SETTING, self._tenant])
            outer.tenant = self._tenant

    @property
    def idempotency(self) -> SqlIdempotency:
        return SqlIdempotency(self._database)

    async def fetch(self, mapper: Mapper[Any], id: Identity) -> Stored | None:
        root = mapper.root
        found = await self._by_key(self._statements.select(root, root.c.id), id)
        if not found:
            return None
        rows: Rows = {root.name: found}
        for child in mapper.children:
            statement = self._statements.select(child, mapper.root_keys[child.name])
            rows[child.name] = await self._by_key(statement, id)
        return Stored(id, found[0]["version"], rows)

    async def fetch_page(
        self,
        mapper: Mapper[Any],
        spec: Specification[Any] | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Stored]:
        root = mapper.root
        query = select(root).order_by(root.c.id).limit(limit)
        if spec is not None:
            query = query.where(mapper.where(spec))
        if after is not None:
            query = query.where(root.c.id > after)
        return await self.load(mapper, query)

    async def load(self, mapper: Mapper[Any], query: Select[Any]) -> list[Stored]:
        """Return the aggregates whose root rows ``query`` selects, in its order."""
        root = mapper.root
        roots: list[dict[str, Any]] = list(await self._database.fetch_all(query))
        if not roots:
            return []
        ids = [row["id"] for row in roots]
        rows: dict[Any, Rows] = {row["id"]: {root.name: [row]} for row in roots}
        for child in mapper.children:
            key = mapper.root_keys[child.name]
            for one in rows.values():
                one[child.name] = []
            found = await self._database.fetch_all(select(child).where(key.in_(ids)))
            for part in found:
                rows[part[key.name]][child.name].append(part)
        return [Stored(row["id"], row["version"], rows[row["id"]]) for row in roots]

    async def write(self, changes: Sequence[Operation]) -> None:
        for change in changes:
            self._wrote.append(change.mapper)
            try:
                await self._write(change)
            except (AlreadyExists, RuleViolated) as error:
                named = change.mapper.broken(broken_constraint(error, change.mapper.tables), error)
                if named is error:
                    raise
                raise named from error.__cause__

    async def audit(self, changes: Sequence[Change]) -> None:
        await write_audit(self._database, changes)

    async def enqueue(self, recorded: Sequence[Recorded]) -> None:
        self._enqueued = True
        await enqueue(self._database, recorded, isolation=self._isolation)
        self._witness = partial(written_event, recorded[0])

    async def commit(self) -> None:
        transaction = self._own
        if transaction is None:
            return
        try:
            await transaction.commit()
        except CommitUnanswered as lost:
            self._database.end(transaction)
            if self._mark is None:
                raise
            with anyio.CancelScope(shield=True):
                witness = self._witness() if self._witness is not None else None
                await resolve_commit(self._database, self._mark, lost, witness=witness)
        except (AlreadyExists, RuleViolated) as error:
            # A constraint that is checked at the end: any mapper that wrote may name it.
            for mapper in self._wrote:
                named = mapper.broken(broken_constraint(error, mapper.tables), error)
                if named is not error:
                    raise named from error.__cause__
            raise
        finally:
            self._database.end(transaction)
        if self._enqueued:
            wake(self._database)

    async def rollback(self) -> None:
        transaction = self._own
        if transaction is not None:
            self._database.end(transaction)
            try:
                await transaction.rollback()
            except Exception as error:  # the cause of the rollback is what the caller must see
                _log.warning("a rollback failed: %s", error)
        elif self._wrote and (block := self._database.current) is not None:
            # Half of a use case must not be committed by the block around it.
            block.spend(sys.exception() or RuntimeError("the use case inside was rolled back"))

    async def _by_key(self, statement: Compiled, key: Identity) -> list[Any]:
        return statement.rows(
            await self._database.fetch_all(statement.sql, statement.values({"key": key}))
        )

    async def _write(self, change: Operation) -> None:
        statements = self._statements
        match change:
            case InsertRoot(mapper=mapper, row=row):
                insert = statements.insert(mapper.root, tuple(row), root=True)
                await self._root(insert, row)
                self._witness = partial(_written_root, mapper.root, row["id"])
            case UpdateRoot(mapper=mapper, id=id, version=version, values=values):
                update = statements.update_root(mapper.root, tuple(values))
                if not await self._root(update, {**values, **guarded(id, version)}):
                    raise StaleWrite(id=str(id))
            case DeleteRows(table=table, keys=keys):
                await self._many(statements.delete(table), [keyed(key) for key in keys])
            case UpdateRow(table=table, key=key, values=values):
                update = statements.update(table, tuple(values))
                await self._many(update, [{**values, **keyed(key)}])
            case InsertRows(table=table, rows=rows):
                for names, alike in _alike(rows).items():
                    await self._many(statements.insert(table, names, root=False), alike)

    async def _root(self, statement: Compiled, values: Mapping[str, Any]) -> bool:
        """Write a root's row; False when no row was there to write."""
        args = statement.values(values)
        if self._database.dialect.name != "postgresql":
            return await self._database.execute(statement.sql, args) > 0
        answer = await self._database.fetch_value(statement.sql, args)
        self._mark = None if answer is None else str(answer)
        return answer is not None

    async def _many(self, statement: Compiled, rows: Sequence[Mapping[str, Any]]) -> None:
        if len(rows) == 1:
            await self._database.execute(statement.sql, statement.values(rows[0]))
        else:
            await self._database.execute_many(
                statement.sql, [statement.values(row) for row in rows]
            )


class SqlUnitOfWork(TrackingUnitOfWork):
    """Runs use cases in transactions of a database. One for each REQUEST scope.

    Args:
        database: Shared by all of the application.
        caller: On whose behalf.
        subscribers: Who handles which event; nobody without.
        clock: Stamps envelopes.
    """

    def __init__(
        self,
        database: Database,
        caller: Caller = ANONYMOUS,
        subscribers: Subscribers | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(caller, subscribers, clock)
        self.database = database

    @property
    def told(self) -> StoreTold:
        """Whom the database tells."""
        return self.database.told

    def begin(self, options: RunOptions) -> SqlTransaction:
        return SqlTransaction(self.database, options, self.caller.tenant)


class SqlRepository(MappedRepository[A, I], Generic[A, I]):
    """A repository over a mapper and a database.

    ``class SqlOrders(SqlRepository[Order, OrderId], Orders): mapper = OrderMapper()``

    Args:
        uow: The unit of work of this scope, the same that the services have.
    """

    def __init__(self, uow: SqlUnitOfWork) -> None:
        super().__init__(uow)

    def where(self, spec: Specification[A]) -> ColumnElement[bool]:
        """Return the SQL meaning of ``spec``, for a hand-written ``select``."""
        return self.mapper.where(spec)

    async def load(self, query: Select[Any]) -> list[A]:
        """Return the aggregates whose root rows ``query`` selects; pending changes unseen.

        Args:
            query: Selects every column of the mapper's root table.
        """
        run = self._run("load")
        transaction = run.transaction
        if not isinstance(transaction, SqlTransaction):
            raise TypeError(f"{type(self).__name__} needs a SqlUnitOfWork")
        stored = await transaction.load(self.mapper, query)
        found = [run.loaded(self.mapper, one) for one in stored]
        return [aggregate for one in found if (aggregate := self._seen(one)) is not None]


def _written_root(root: Table, id: UUID) -> Executable:
    return select(root.c.id).where(root.c.id == id)


def _statements_of(database: Database) -> MapperStatements:
    known = _STATEMENTS.get(database)
    if known is None:
        known = _STATEMENTS[database] = MapperStatements(database.dialect)
    return known


def _check_joining(database: Database, options: RunOptions) -> None:
    block = database.current
    outer = block.root if block is not None else None
    if options.isolation is None or not isinstance(outer, Transaction):
        return
    has = outer.settings.isolation or ISOLATIONS[0]
    if ISOLATIONS.index(options.isolation) > ISOLATIONS.index(has):
        raise TransactionOptions(
            f"{options.name} needs {options.isolation} and runs inside a transaction "
            f"that is {has}",
            fix=f'db.transaction(isolation="{options.isolation}") around it',
        )


def _alike(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by the columns they have."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return groups
