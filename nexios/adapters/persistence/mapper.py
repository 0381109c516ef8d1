"""The explicit map between an aggregate and its rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Column, Table, UniqueConstraint, and_, false, func, not_, or_, true
from sqlalchemy.sql import ColumnElement

from nexios.adapters.persistence.errors import DatabaseError, MissingCriterion
from nexios.adapters.persistence.rows import Rows
from nexios.domain.entities import AggregateRoot
from nexios.domain.errors import DomainError
from nexios.domain.specs import AllOf, AnyOf, Not, Specification
from nexios.domain.values import Identity

A = TypeVar("A", bound=AggregateRoot[Identity])


class Mapper(ABC, Generic[A]):
    """Turns an aggregate into rows and back; the law is ``load(dump(a))`` has every field of a.

    Attributes:
        root: The table of the aggregate itself, with the columns ``id`` and ``version``.
        children: Tables of its parts; each carries the root's id in its primary key.
        criteria: A specification's class to a function that gives its SQL.
        constraints: A constraint's name to a function that gives the error to raise.
        audit: Keep a record of each change.
    """

    root: ClassVar[Table]
    children: ClassVar[tuple[Table, ...]] = ()
    criteria: ClassVar[Mapping[type[Any], Callable[[Any], ColumnElement[bool]]]] = {}
    constraints: ClassVar[Mapping[str, Callable[[Exception], DomainError]]] = {}
    audit: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Refuse tables that cannot hold an aggregate, where the mapper is defined."""
        super().__init_subclass__(**kwargs)
        root = getattr(cls, "root", None)
        if root is None:
            return
        for needed in ("id", "version"):
            if needed not in root.columns:
                raise DatabaseError(
                    f'{cls.__qualname__}: table "{root.name}" has no column "{needed}"',
                    fix='Column("version", Integer, nullable=False)'
                    if needed == "version"
                    else 'Column("id", IdentityType(...), primary_key=True)',
                )
        cls.root_keys = {child.name: _root_key(cls, child) for child in cls.children}

    root_keys: ClassVar[Mapping[str, Column[Any]]] = {}
    """Each child table's column that holds the root's id."""

    @abstractmethod
    def dump(self, aggregate: A) -> Rows:
        """Return table name to rows. Pure and cheap; ``version`` is not its business."""

    @abstractmethod
    def load(self, rows: Rows) -> A:
        """Return the aggregate of one root row and its children's rows."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The root and its children."""
        return (self.root, *self.children)

    @cached_property
    def rank(self) -> tuple[int, str]:
        """Where the root stands when tables are sorted by their foreign keys."""
        return (self.root.metadata.sorted_tables.index(self.root), self.root.name)

    @cached_property
    def ordered_children(self) -> tuple[Table, ...]:
        """The children, each after those it refers to."""
        order = self.root.metadata.sorted_tables
        return tuple(sorted(self.children, key=order.index))

    def where(self, spec: Specification[A]) -> ColumnElement[bool]:
        """Return the SQL meaning of a specification.

        A leaf that is NULL counts as false, so that ``~spec`` picks what ``spec`` does not.

        Raises:
            MissingCriterion: A leaf has no entry in ``criteria``.
        """
        match spec:
            case AllOf(specs=specs):
                return and_(true(), *map(self.where, specs))
            case AnyOf(specs=specs):
                return or_(false(), *map(self.where, specs))
            case Not(spec=inner):
                return not_(self.where(inner))
        for kind in type(spec).__mro__:
            if kind in self.criteria:
                return func.coalesce(self.criteria[kind](spec), false())
        name = type(spec).__name__
        raise MissingCriterion(
            f"{type(self).__name__} has no SQL for {name}",
            fix=f"criteria = {{{name}: lambda spec: {self.root.name}.c....}}",
        )

    def broken(self, constraint: str | None, error: Exception) -> Exception:
        """Return the error this mapper names for a constraint, else ``error`` itself."""
        make = self.constraints.get(constraint or "")
        return error if make is None else make(error)


def unique_name(table: Table, columns: tuple[str, ...]) -> str:
    """Return the name of the unique or primary key over ``columns``.

    A name given in the table's definition, else the one PostgreSQL makes.
    """
    if columns == tuple(column.name for column in table.primary_key):
        return _text(table.primary_key.name) or f"{table.name}_pkey"
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint) and columns == tuple(
            constraint.columns.keys()
        ):
            name = _text(constraint.name)
            if name:
                return name
    for made in table.indexes:
        if made.unique and made.name and columns == tuple(made.columns.keys()):
            return str(made.name)
    return f"{table.name}_{'_'.join(columns)}_key"


def _text(name: object) -> str | None:
    return str(name) if isinstance(name, str) else None


def _root_key(mapper: type[Mapper[Any]], child: Table) -> Column[Any]:
    mine = {mapper.root.c.id}
    # A grandchild's key refers to a child's, which refers to the root's.
    for table in (*mapper.children, child):
        for column in table.primary_key:
            if any(key.column in mine for key in column.foreign_keys):
                mine.add(column)
                if table is child:
                    return column
    raise DatabaseError(
        f'{mapper.__qualname__}: the primary key of "{child.name}" does not carry '
        f'the id of "{mapper.root.name}"',
        fix=f'Column("{mapper.root.name}_id", ForeignKey("{mapper.root.name}.id"), '
        "primary_key=True)",
    )
