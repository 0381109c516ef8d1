"""What is revoked, kept near: a check is a look-up, the store is asked twice a second."""

import logging
import math
import time
from collections.abc import Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from nexios.application.errors import Unavailable
from nexios.application.revocations import Credential, Kind, Revocations, Revoked

POLL_S: Final = 0.5
STALE_S: Final = 30.0
_ANSWER_S: Final = 5.0
_FORGET_EVERY_S: Final = 60.0
_RETRY_AFTER_S: Final = 2.0
_LOGGER: Final = logging.getLogger("nexios.auth")


class NoRevocations(ValueError):
    """What is revoked has to be known, and there is nothing to know it from."""

    def __str__(self) -> str:
        return (
            'auth.revocation is "required", and no Revocations are bound where the app sees them'
            "\n  fix: module.bind(Revocations, scope=Scope.SINGLETON).to(SqlRevocations)"
        )


class RevocationReplica:
    """The revocations of a store as this process knows them; without a store there are none.

    What is noted in the store holds here within a second. While the store does not answer the
    last that is known holds; once that is older than 30 s it is said in the log, and where
    revocations are ``required`` every credential is refused as `Unavailable`.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Know nothing yet.

        Args:
            required: Refuse everything while what is known is too old.
            clock: Seconds that only grow, for the age of what is known.
            now: Seconds since 1970, for what has ended.
        """
        self._required = required
        self._clock = clock
        self._now = now
        self._store: Revocations | None = None
        self._changed: Callable[[], None] | None = None
        self._sequence = 0
        self._fresh_at = -math.inf
        self._forgotten_at = -math.inf
        self._said = False
        self._ends: dict[Kind, dict[str, float]] = {Kind.TOKEN: {}, Kind.SESSION: {}}
        self._subjects: dict[str, tuple[float, float]] = {}  # actor to before and until

    async def start(
        self, store: Revocations, tasks: TaskGroup, *, changed: Callable[[], None]
    ) -> None:
        """Read the store and go on reading it in ``tasks``.

        Args:
            changed: Called when something was revoked that was not before.
        """
        self._store, self._changed = store, changed
        await self.look()
        tasks.start_soon(self._watch, name="nexios revocations")

    def stop(self) -> None:
        """Read no more, and know nothing; the tasks are the caller's to end."""
        self._store = self._changed = None
        self._sequence, self._fresh_at, self._said = 0, -math.inf, False
        self._subjects.clear()
        for ends in self._ends.values():
            ends.clear()

    async def look(self) -> None:
        """Ask the store once what is new; never raises but when cancelled."""
        store = self._store
        if store is None:
            return
        try:
            with anyio.fail_after(_ANSWER_S):
                deltas = await store.since(self._sequence)
                if deltas.sequence < self._sequence:  # it began anew
                    deltas = await store.since(0)
            fresh = [self._note(entry) for entry in deltas.entries]
        except Exception as error:
            self._missed(error)
            return
        self._sequence = deltas.sequence
        self._fresh_at = self._clock()
        if self._said:
            self._said = False
            _LOGGER.warning("the list of revocations is up to date again")
        self._forget()
        if any(fresh) and self._changed is not None:
            self._changed()

    def refuses(self, credential: Credential) -> bool:
        """Return whether a credential was revoked.

        Raises:
            Unavailable: Nobody knows, and that has to be known.
        """
        if self._store is None:
            return False
        if self._required and self._clock() - self._fresh_at > STALE_S:
            raise Unavailable(
                "whether this was revoked cannot be told", retry_after_s=_RETRY_AFTER_S
            )
        return self.revoked(credential)

    def revoked(self, credential: Credential) -> bool:
        """Return whether a credential was revoked, as far as is known here."""
        now = self._now()
        if self._ends[Kind.TOKEN].get(credential.token or "", 0.0) > now:
            return True
        if self._ends[Kind.SESSION].get(credential.session or "", 0.0) > now:
            return True
        found = self._subjects.get(credential.subject or "")
        if found is None or found[1] <= now:
            return False
        return credential.issued_at is None or credential.issued_at < found[0]

    def over(self, credential: Credential) -> bool:
        """Return whether a credential has ended or was revoked; for sockets that are open."""
        ends = credential.expires_at
        return (ends is not None and ends <= self._now()) or self.revoked(credential)

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(POLL_S)
            await self.look()

    def _note(self, entry: Revoked) -> bool:
        """Keep an entry; False when it was known, or names nothing."""
        if not entry.key:
            return False
        until = entry.until.timestamp()
        if entry.before is not None:
            known = self._subjects.get(entry.key, (-math.inf, -math.inf))
            merged = (max(known[0], entry.before.timestamp()), max(known[1], until))
            self._subjects[entry.key] = merged
            return merged != known
        ends = self._ends[entry.kind]
        known_end = ends.get(entry.key, -math.inf)
        ends[entry.key] = max(known_end, until)
        return until > known_end

    def _forget(self) -> None:
        if self._clock() - self._forgotten_at < _FORGET_EVERY_S:
            return
        self._forgotten_at, now = self._clock(), self._now()
        for ends in self._ends.values():
            for key in [key for key, until in ends.items() if until <= now]:
                del ends[key]
        for actor in [one for one, (_, until) in self._subjects.items() if until <= now]:
            del self._subjects[actor]

    def _missed(self, error: Exception) -> None:
        age = self._clock() - self._fresh_at
        if self._said or age <= STALE_S:
            return
        self._said = True
        known = "was not read yet" if math.isinf(age) else f"is {age:.0f} s old"
        follows = "every token is refused" if self._required else "what is known of it holds"
        _LOGGER.warning("the list of revocations %s; %s: %s", known, follows, error)
