"""Which tables an application has, Nexios' own among them."""

from collections.abc import Iterable

from sqlalchemy import MetaData

from nexios.adapters.persistence.errors import MigrationError
from nexios.adapters.persistence.sql import SqlRepository
from nexios.adapters.persistence.tables import tables


def metadata_of(sources: Iterable[object]) -> list[MetaData]:
    """Return the tables of what an application binds, each MetaData once.

    Args:
        sources: SQL repositories (by their mapper) and MetaData objects count; others do not.
    """
    found: dict[int, MetaData] = {}
    for source in sources:
        if isinstance(source, MetaData):
            found[id(source)] = source
        elif isinstance(source, type) and issubclass(source, SqlRepository):
            for table in source.mapper.tables:
                found[id(table.metadata)] = table.metadata
    return list(found.values())


def with_ours(metadata: Iterable[MetaData]) -> tuple[MetaData, ...]:
    """Return ``metadata`` and what of Nexios' tables is in none of them.

    Raises:
        MigrationError: Two of them have one table.
    """
    given = tuple(metadata)
    owners: dict[str, MetaData] = {}
    for one in given:
        for key in one.tables:
            if key in owners:
                raise MigrationError(
                    f'the table "{key}" is in two MetaData of this application',
                    fix="keep one of them; tables(metadata) belongs into one at most",
                )
            owners[key] = one
    ours = MetaData()
    tables(ours)
    for table in list(ours.tables.values()):
        if table.key in owners:
            ours.remove(table)
    return (*given, ours) if ours.tables else given
