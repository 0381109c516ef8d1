"""Sessions in files, for one machine."""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from anyio import to_thread

from nexios.application.errors import Unavailable
from nexios.application.sessions import StoredSession

T = TypeVar("T")

_MOMENTS: Final = ("created_at", "seen_at", "ends_at")


class FileSessions:
    """One file for each session, named by the digest of its id, never by what a client sent.

    Files are replaced whole, so none is ever read half. Versions are compared inside this
    process: with several of them two writes at once may lose one.

    Args:
        folder: Made, for this user alone, where it is not there.
        now: The time of day, in UTC.
    """

    def __init__(
        self, folder: str | Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = Path(folder)
        self._now = now
        self._lock = threading.Lock()

    async def load(self, digest: bytes) -> StoredSession | None:
        """Return a session that has not ended."""
        return await self._in_thread(self._read, digest)

    async def create(self, digest: bytes, session: StoredSession) -> None:
        """Keep a new session."""
        await self._in_thread(self._write, digest, session)

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        """Replace a session of the version before."""

        def replace() -> bool:
            found = self._read(digest)
            if found is None or found.version != session.version - 1:
                return False
            self._write(digest, session)
            return True

        return await self._in_thread(replace)

    async def renew(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        """Replace as `save` does, under another digest."""

        def replace() -> bool:
            found = self._read(digest)
            if found is None or found.version != session.version - 1:
                return False
            # The old one first: if the process dies between, nobody is logged in by mistake.
            self._path(digest).unlink(missing_ok=True)
            self._write(new, session)
            return True

        return await self._in_thread(replace)

    async def end(self, digest: bytes) -> None:
        """Forget a session."""
        await self._in_thread(self._path(digest).unlink, True)

    async def end_all(self, actor: str, *, keep: bytes | None = None) -> int:
        """Forget every session of an actor, but for one; every file is read."""

        def forget() -> int:
            gone = [digest for digest, _ in self._every(actor) if digest != keep]
            for digest in gone:
                self._path(digest).unlink(missing_ok=True)
            return len(gone)

        return await self._in_thread(forget)

    async def of(self, actor: str) -> Mapping[bytes, StoredSession]:
        """Return the sessions of an actor; every file is read."""
        return await self._in_thread(lambda: dict(self._every(actor)))

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        def locked() -> T:
            with self._lock:
                return work(*arguments)

        try:
            return await to_thread.run_sync(locked)
        except OSError as error:
            raise Unavailable("sessions cannot be kept now") from error

    def _every(self, actor: str) -> Iterator[tuple[bytes, StoredSession]]:
        for path in self._folder.glob("*.json"):
            digest = bytes.fromhex(path.stem)
            found = self._read(digest)
            if found is not None and found.actor == actor:
                yield digest, found

    def _path(self, digest: bytes) -> Path:
        return self._folder / f"{digest.hex()}.json"

    def _read(self, digest: bytes) -> StoredSession | None:
        path = self._path(digest)
        try:
            held = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        found = StoredSession(**{k: _loaded(k, value) for k, value in held.items()})
        if found.ends_at <= self._now():
            path.unlink(missing_ok=True)
            return None
        return found

    def _write(self, digest: bytes, session: StoredSession) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = {k: _dumped(value) for k, value in asdict(session).items()}
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(held, file, allow_nan=False)
            Path(name).replace(self._path(digest))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _dumped(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _loaded(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in _MOMENTS else value
