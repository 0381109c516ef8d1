"""Where sessions live: in a signed cookie, or in a store with a random id in the cookie."""

import hashlib
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.session import Session, UnstorableSession
from nexios.adapters.security.file_sessions import FileSessions
from nexios.adapters.security.signing import SignedValues
from nexios.application.keyring import Keyring
from nexios.application.revocations import Credential, Revocations
from nexios.application.sections.callers import SessionSettings
from nexios.application.sessions import SessionStore, StoredSession
from nexios.domain.errors import Conflict
from nexios.records import dataclass

_SEEN_EVERY: Final = timedelta(seconds=60)
_COOKIE_BYTES: Final = 3584
_TRIES: Final = 5
_PURPOSE: Final = "session"

_Changes = Mapping[str, tuple[Any, Any]]


@dataclass(slots=True)
class Opened:
    """The session of one request, with what is needed to keep it.

    Attributes:
        session: What the handler sees.
        cookie: Its cookie's value as it came; "" when none came, or none that is good.
        stored: As it was found; None for a new one.
        id: What it is called when it is revoked; None where that is not how it ends.
    """

    session: Session
    cookie: str = ""
    stored: StoredSession | None = None
    id: str | None = None


class SessionManager(ABC):
    """Opens a session from a cookie and keeps it.

    Args:
        settings: How long sessions last.
        now: The time of day, in UTC.
    """

    server_side: ClassVar[bool] = False  # what is in a session never reaches its client

    def __init__(
        self,
        settings: SessionSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._now = now

    @abstractmethod
    async def open(self, cookie: str, *, read_only: bool = False) -> Opened:
        """Return the session that a cookie names; a new, empty one where it names none.

        Raises:
            Unavailable: The store does not answer.
        """

    @abstractmethod
    async def keep(self, opened: Opened) -> str | None:
        """Keep what was changed.

        Returns:
            The cookie's new value, "" to have it deleted, None to leave it as it is.

        Raises:
            Conflict: Another request changed the same key meanwhile.
            UnstorableSession: It has no JSON form, or is too large.
        """

    def _fresh(self, session: Session) -> StoredSession:
        now = self._now()
        ends = now + timedelta(seconds=self._settings.expiration_time)
        made = StoredSession(json.loads(session.text()), session.actor, now, now, ends)
        return self._ending(made, session)

    def _next(self, stored: StoredSession, session: Session, data: Any) -> StoredSession:
        made = replace(
            stored,
            data=data,
            actor=session.actor,
            seen_at=self._now(),
            version=stored.version + 1,
        )
        return self._ending(made, session)

    def _ending(self, stored: StoredSession, session: Session) -> StoredSession:
        """Return it with its end: the absolute one, or sooner where nobody comes any more."""
        ends = stored.created_at + timedelta(seconds=self._settings.expiration_time)
        if session.ends_in_s is not None:
            ends = min(ends, stored.seen_at + timedelta(seconds=session.ends_in_s))
        if stored.actor is not None:
            ends = min(ends, stored.seen_at + timedelta(seconds=self._settings.idle_s))
        return replace(stored, ends_at=ends)

    def _seen_long_ago(self, stored: StoredSession) -> bool:
        return stored.actor is not None and self._now() - stored.seen_at >= _SEEN_EVERY


class SignedSessionManager(SessionManager):
    """The whole session in the cookie: the client can read it, and cannot change it.

    Of two requests that change it at once the later one wins. A copy of an old cookie is good
    until its end, unless it can be revoked: bind `Revocations`, or keep sessions of logged-in
    users in a `SessionStore`.

    Args:
        keyring: Its first secret signs, each of them verifies.
        settings: How long sessions last.
        refuses: Whether a session was revoked; it is none then.
        now: The time of day, in UTC.

    Attributes:
        revocations: Told of sessions that were ended, or go on under a new id.
    """

    def __init__(
        self,
        keyring: Keyring,
        settings: SessionSettings,
        *,
        refuses: Callable[[Credential], bool] = lambda _: False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(settings, now=now)
        self._signed = SignedValues(keyring, _PURPOSE)
        self._refuses = refuses
        self.revocations: Revocations | None = None

    async def open(self, cookie: str, *, read_only: bool = False) -> Opened:
        """Return what the cookie holds, if it was signed here and has not ended."""
        name, stored = self._read(cookie) if cookie else (None, None)
        if name is not None and self._refuses(Credential(session=name)):
            name, stored = None, None
        opened = _opened(cookie, stored, read_only)
        opened.id = opened.session.id = name
        return opened

    async def keep(self, opened: Opened) -> str | None:
        """Sign what was changed; an emptied one is deleted."""
        session, stored = opened.session, opened.stored
        if session.emptied:
            await self._revoke(opened)
            return "" if opened.cookie else None
        if stored is None:
            return self._written(_new_id(), self._fresh(session)) if session.modified else None
        if not (session.modified or session.renewed or self._seen_long_ago(stored)):
            return None
        if session.renewed:
            await self._revoke(opened)
        name = _new_id() if session.renewed or opened.id is None else opened.id
        return self._written(name, self._next(stored, session, json.loads(session.text())))

    async def _revoke(self, opened: Opened) -> None:
        """See to it that a copy of the cookie as it came is good no more."""
        if self.revocations is not None and opened.id is not None and opened.stored is not None:
            ends = opened.stored.created_at + timedelta(seconds=self._settings.expiration_time)
            await self.revocations.session(opened.id, ends)

    def _written(self, id: str, stored: StoredSession) -> str:
        text = self._signed.sign(
            {
                "i": id,
                "d": stored.data,
                "a": stored.actor,
                "c": stored.created_at.timestamp(),
                "s": stored.seen_at.timestamp(),
                "e": stored.ends_at.timestamp(),
            }
        )
        if len(text) > _COOKIE_BYTES:
            raise UnstorableSession(
                f"a cookie holds {_COOKIE_BYTES} bytes, it has {len(text)}"
                "\n  fix: bind a SessionStore, or keep less in it"
            )
        return text

    def _read(self, cookie: str) -> tuple[str | None, StoredSession | None]:
        value = self._signed.open(cookie, max_age_s=self._settings.expiration_time)
        if value is None:
            return None, None
        ends = datetime.fromtimestamp(value["e"], UTC)
        if ends <= self._now():
            return None, None
        return value.get("i"), StoredSession(
            data=value["d"],
            actor=value["a"],
            created_at=datetime.fromtimestamp(value["c"], UTC),
            seen_at=datetime.fromtimestamp(value["s"], UTC),
            ends_at=ends,
        )


class StoredSessionManager(SessionManager):
    """A random id in the cookie, the session in a store under the id's digest.

    Args:
        store: Where sessions are.
        settings: How long they last.
        now: The time of day, in UTC.
    """

    server_side = True

    def __init__(
        self,
        store: SessionStore,
        settings: SessionSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(settings, now=now)
        self._store = store

    async def open(self, cookie: str, *, read_only: bool = False) -> Opened:
        """Load the session; an id that the store does not know is never taken over."""
        digest = digest_of(cookie)
        stored = await self._store.load(digest) if cookie else None
        return _opened(cookie, stored, read_only, digest.hex())

    async def keep(self, opened: Opened) -> str | None:
        """Write what was changed, over what others changed meanwhile."""
        session, stored = opened.session, opened.stored
        if session.emptied:
            if stored is None:
                return None
            await self._store.end(digest_of(opened.cookie))
            return ""
        if stored is None:
            return await self._begin(self._fresh(session)) if session.modified else None
        if not (session.modified or session.renewed or self._seen_long_ago(stored)):
            return None
        return await self._merge(opened.cookie, stored, session)

    async def _begin(self, stored: StoredSession) -> str:
        token = secrets.token_urlsafe(32)
        await self._store.create(digest_of(token), stored)
        return token

    async def _merge(self, cookie: str, stored: StoredSession, session: Session) -> str | None:
        changes, digest = session.changes(), digest_of(cookie)
        token = secrets.token_urlsafe(32) if session.renewed else None
        proven_here = token is not None and session.actor not in (None, stored.actor)
        for _ in range(_TRIES):
            made = self._next(stored, session, self._merged(stored.data, changes))
            if token is None:
                done = await self._store.save(digest, made)
            else:
                done = await self._store.renew(digest, digest_of(token), made)
            if done:
                return token
            found = await self._store.load(digest)
            if found is None and proven_here:
                return await self._begin(replace(made, version=1))  # who just logged in is in
            if found is None:
                # It was ended meanwhile, and stays ended. Where ids are renewed at once, the
                # client has the other one by now.
                return "" if token is None else None
            stored = found
            if _is_made(changes, session, stored):
                return None
        raise Conflict("this session is changed by too many requests at once")

    def _merged(self, theirs: Mapping[str, Any], changes: _Changes) -> dict[str, Any]:
        data = {**theirs}
        for key, (before, after) in changes.items():
            if self._settings.on_conflict == "refuse" and data.get(key) not in (before, after):
                raise Conflict("another request changed this session", key=key)
            if after is None:
                data.pop(key, None)
            else:
                data[key] = after
        return data


class FileSessionManager(StoredSessionManager):
    """A random id in the cookie, the session in a file: 2.11's name, for one machine.

    Args:
        settings: How long sessions last, and where the files are.
        now: The time of day, in UTC.
    """

    def __init__(
        self,
        settings: SessionSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        store = FileSessions(settings.file_storage_path or "sessions", now=now)
        super().__init__(store, settings, now=now)


class BaseSessionInterface(SessionManager):
    """2.11's base of managers of one's own: ``load`` and ``save`` decide where sessions are."""

    @abstractmethod
    async def load(self, cookie: str) -> Mapping[str, Any] | None:
        """Return what was kept under a cookie's value; None where that is nothing."""

    @abstractmethod
    async def save(self, cookie: str, data: Mapping[str, Any]) -> str:
        """Keep it; return the cookie's value from now on.

        Args:
            cookie: The value so far; "" for a new session, and where a new id is wanted.
            data: JSON values; empty for a session that ends.
        """

    async def open(self, cookie: str, *, read_only: bool = False) -> Opened:
        """Load the session of a cookie."""
        found = await self.load(cookie) if cookie else None
        known = "" if found is None else cookie
        return Opened(Session(found, read_only=read_only), known)

    async def keep(self, opened: Opened) -> str | None:
        """Save what was changed."""
        session = opened.session
        if session.emptied:
            if not opened.cookie:
                return None
            await self.save(opened.cookie, {})
            return ""
        if not (session.modified or session.renewed):
            return None
        if session.renewed and opened.cookie:
            await self.save(opened.cookie, {})
        old = "" if session.renewed else opened.cookie
        return await self.save(old, json.loads(session.text()))


def _new_id() -> str:
    return secrets.token_urlsafe(12)


def digest_of(token: str) -> bytes:
    """Return what the store knows of an id."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _is_made(changes: _Changes, session: Session, stored: StoredSession) -> bool:
    """Return whether another request made the very same changes, and there are no others."""
    others = session.renewed or session.ends_in_s is not None or session.actor != stored.actor
    if others or not changes:
        return False
    return all(stored.data.get(key) == after for key, (_, after) in changes.items())


def _opened(
    cookie: str, stored: StoredSession | None, read_only: bool, id: str | None = None
) -> Opened:
    if stored is None:
        return Opened(Session(read_only=read_only))
    session = Session(stored.data, id=id, actor=stored.actor, read_only=read_only)
    return Opened(session, cookie, stored)
