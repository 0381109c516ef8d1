"""The history of an application's tables: made, applied, compared, and asked for readiness."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import MigrationError
from nexios.adapters.persistence.metadata import with_ours
from nexios.adapters.persistence.placeholders import Store

VERSION_TABLE: Final = "alembic_version"
_IS_MIGRATED: Final = {
    Store.POSTGRESQL: f"SELECT to_regclass('{VERSION_TABLE}') IS NOT NULL",
    Store.SQLITE: f"SELECT count(*) FROM sqlite_master WHERE name = '{VERSION_TABLE}'",  # noqa: S608
}


class MissingAlembic(MigrationError):
    """Migrations are asked for, and alembic is not installed."""

    def __init__(self) -> None:
        super().__init__("migrations need alembic", fix='pip install "nexios[migrations]"')


class MigrationsBehind(MigrationError):
    """The database lacks migrations that this version of the application is made for."""

    def __init__(self, state: "MigrationState") -> None:
        self.state = state
        applied = ", ".join(state.applied) or "nothing"
        super().__init__(
            f"the database is at {applied}, this application needs {', '.join(state.missing)}",
            fix="nexios db upgrade APP",
        )


@dataclass(frozen=True, slots=True)
class MigrationState:
    """How a database stands to a folder of migrations.

    Attributes:
        applied: The revisions noted in the database; one unless the history has branches.
        heads: The last revisions of the folder.
        missing: Those of ``heads`` the database has not reached.
        unknown: Those of ``applied`` the folder does not have: a newer version of the
            application has been here.
    """

    applied: tuple[str, ...]
    heads: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def behind(self) -> bool:
        """Whether migrations wait. False after a newer version: it has run ours before its own."""
        return bool(self.missing) and not self.unknown


class Migrations:
    """The migrations in one folder, for one database. Also a ``HealthCheck``: behind is not ready.

    Work on the schema has a connection of its own, beside the pool: no statement timeout, the
    Database's lock timeout, and one process at a time. Each migration is one transaction.

    Args:
        database: Where they are applied.
        metadata: The application's tables, for `revision` and `drift`; Nexios' own are added.
        folder: Holds ``env.py`` and ``versions/``.
    """

    name: Final = "migrations"
    critical: Final = True
    timeout_s: Final = 1.0

    def __init__(self, database: Database, *metadata: MetaData, folder: Path) -> None:
        self._database = database
        self._metadata = with_ours(metadata)
        self._folder = folder
        self._history: Any = None

    def init(self) -> list[Path]:
        """Write the folder; nothing that is there is touched.

        Raises:
            MigrationError: There is one already.
        """
        written: list[Path] = _door().write_folder(self._folder)
        return written

    async def revision(self, message: str, *, empty: bool = False) -> Path | None:
        """Write a migration from the database's tables to the application's.

        Args:
            message: What it does; part of the file's name.
            empty: Write one without steps, for data.

        Returns:
            The file; None when there is nothing to change.

        Raises:
            MigrationsBehind: Apply what is there first.
        """
        if not empty:
            await self.check()
        self._history = None
        written: Path | None = await self._alembic().revision(message, empty=empty)
        return written

    async def upgrade(self, revision: str = "head") -> list[str]:
        """Apply migrations up to ``revision``; return what was done, a line each."""
        done: list[str] = await self._alembic().upgrade(revision)
        return done

    async def downgrade(self, revision: str) -> list[str]:
        """Take migrations back down to ``revision``, ``-1`` or ``base``; return what was done."""
        done: list[str] = await self._alembic().downgrade(revision)
        return done

    async def stamp(self, revision: str = "head") -> None:
        """Note that the tables are as after ``revision``, and change none."""
        await self._alembic().stamp(revision)

    async def drift(self) -> list[str]:
        """Return how the database's tables differ from the application's, a line each.

        Raises:
            MigrationsBehind: Apply what is there first.
        """
        await self.check()
        lines: list[str] = await self._alembic().drift()
        return lines

    async def state(self) -> MigrationState:
        """Return how the database stands to the folder."""
        if self._history is None:
            self._history = _door().history_of(self._folder)
        applied = await applied_revisions(self._database)
        reached, unknown = self._history.reached(applied)
        heads = self._history.heads
        missing = tuple(head for head in heads if head not in reached)
        return MigrationState(applied, heads, missing, unknown)

    async def check(self) -> None:
        """Return when no migration waits.

        Raises:
            MigrationsBehind: Some do.
        """
        state = await self.state()
        if state.behind:
            raise MigrationsBehind(state)

    def _alembic(self) -> Any:
        return _door().Alembic(self._database, self._metadata, self._folder)


async def applied_revisions(database: Database) -> tuple[str, ...]:
    """Return the revisions a database says it is at; nothing where it has no migrations."""
    if not await database.fetch_value(_IS_MIGRATED[database.store]):
        return ()
    rows = await database.fetch_all(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return tuple(sorted(str(row["version_num"]) for row in rows))


def _door() -> Any:  # what it holds cannot be named where alembic is not installed
    try:
        from nexios.adapters.persistence import revisions
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "alembic":
            raise
        raise MissingAlembic from None
    return revisions
