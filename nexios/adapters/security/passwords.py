"""The door of pwdlib: password hashes by argon2id, and bcrypt's to be replaced."""

import logging
import os
import re
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
from anyio import to_thread
from anyio.lowlevel import RunVar

from nexios.application.errors import Overloaded
from nexios.application.passwords import Verified, password_bytes

T = TypeVar("T")

_MEMORY_KIB: Final = 19 * 1024  # with two passes and one lane: OWASP's floor
_PASSES: Final = 2
_LANES: Final = 1
_WAITING: Final = 64
_RETRY_AFTER_S: Final = 1.0
_BCRYPT_BYTES: Final = 72
_SCHEME: Final = re.compile(r"\$([a-z0-9-]{1,20})\$")
_WRONG: Final = Verified(ok=False)
_LOGGER: Final = logging.getLogger("nexios.auth")

# Of the process and not of an object, which a container may make for each request: whoever
# hashes so many at once shares the line of an event loop, and the threads of the process.
_LINES: Final[RunVar[dict[int, "_Line"]]] = RunVar("nexios_password_lines")
_RUNNING: Final[dict[int, threading.BoundedSemaphore]] = {}


class Argon2Passwords:
    """Hashes with argon2id, in few threads: more would slow the event loop and each other.

    Hashes of other parameters verify and are replaced; so are bcrypt's, with the extra
    ``bcrypt``. Of those only the first 72 bytes were ever hashed: a longer password that agrees
    with them is right, and is not taken for a replacement.

    Args:
        memory_kib: Memory of one hash.
        passes: Over that memory.
        lanes: Threads of one hash.
        at_once: How many hashes are computed beside each other; half of the cores unless told.
        waiting: How many more may wait for their turn, in each event loop.

    Raises:
        ImportError: The extra ``passwords`` is not installed.
        ValueError: A number is too small.
    """

    def __init__(
        self,
        *,
        memory_kib: int = _MEMORY_KIB,
        passes: int = _PASSES,
        lanes: int = _LANES,
        at_once: int | None = None,
        waiting: int = _WAITING,
    ) -> None:
        at_once = max(1, _cores() // 2) if at_once is None else at_once
        if lanes < 1 or passes < 1 or memory_kib < 8 * lanes or at_once < 1 or waiting < 0:
            raise ValueError(
                "passes, lanes and at_once are at least 1, memory_kib 8 for each lane, waiting 0"
            )
        self._argon2 = _argon2(passes, memory_kib, lanes)
        self._bcrypt = _bcrypt()
        self._at_once = at_once
        self._most = at_once + waiting
        # A task that is cancelled by its own `cancel` leaves its thread at work, and its place in
        # the line free: what counts the threads is here.
        self._running = _RUNNING.setdefault(at_once, threading.BoundedSemaphore(at_once))

    async def hash(self, password: str) -> str:
        """Return a hash of a new salt, with its parameters."""
        made: str = await self._in_thread(self._argon2.hash, password_bytes(password))
        return made

    async def verify(self, password: str, stored: str | None) -> Verified:
        """Compare a password with a stored hash."""
        return await self._in_thread(self._compare, password_bytes(password), stored)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        line = _line(self._at_once)
        # Nothing is awaited between looking and entering, so nobody comes between.
        if line.inside >= self._most:
            raise Overloaded("too many passwords are checked now", retry_after_s=_RETRY_AFTER_S)
        line.inside += 1
        try:
            return await to_thread.run_sync(self._counted, work, arguments, limiter=line.limiter)
        finally:
            line.inside -= 1

    def _counted(self, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
        with self._running:
            return work(*arguments)

    def _compare(self, password: bytes, stored: str | None) -> Verified:
        if stored is not None:
            try:
                return self._read(password, stored)
            except ValueError:
                _LOGGER.error("a stored password cannot be read: %s", self._named(stored))
        self._argon2.hash(password)  # the same work as for a wrong password
        return _WRONG

    def _read(self, password: bytes, stored: str) -> Verified:
        """Compare; ValueError for a hash of no known format, and for a damaged one."""
        if self._argon2.identify(stored):
            old = self._argon2.check_needs_rehash(stored)
            right = self._argon2.verify(password, stored)
        elif self._bcrypt is not None and self._bcrypt.identify(stored):
            part = password[:_BCRYPT_BYTES]
            old, right = part == password, self._bcrypt.verify(part, stored)
        else:
            raise ValueError
        if not right:
            return _WRONG
        return Verified(True, self._argon2.hash(password) if old else None)

    def _named(self, stored: str) -> str:
        """Return what format a hash seems to have: never the text, it may be the password."""
        found = _SCHEME.match(stored)
        if found is None:
            return "it is in no known format"
        if found[1].startswith("2") and self._bcrypt is None:
            return "it is of bcrypt; fix: pip install 'nexios[bcrypt]'"
        return f"its format is {found[1]!r}"


class _Line:
    """Those who hash or wait for it, in one event loop."""

    __slots__ = ("inside", "limiter")

    def __init__(self, limiter: anyio.CapacityLimiter) -> None:
        self.limiter = limiter
        self.inside = 0


def _line(at_once: int) -> _Line:
    lines = _LINES.get(None)
    if lines is None:
        lines = {}
        _LINES.set(lines)
    if at_once not in lines:
        lines[at_once] = _Line(anyio.CapacityLimiter(at_once))
    return lines[at_once]


def _argon2(passes: int, memory_kib: int, lanes: int) -> Any:
    try:
        from pwdlib.exceptions import HasherNotAvailable
    except ImportError as missing:
        raise ImportError(_needs()) from missing
    try:
        from pwdlib.hashers.argon2 import Argon2Hasher
    except (ImportError, HasherNotAvailable) as missing:
        raise ImportError(_needs()) from missing
    return Argon2Hasher(passes, memory_kib, lanes)


def _bcrypt() -> Any:
    """Return what verifies bcrypt's hashes; None where the extra is not installed."""
    from pwdlib.exceptions import HasherNotAvailable

    try:
        from pwdlib.hashers.bcrypt import BcryptHasher
    except (ImportError, HasherNotAvailable):
        return None
    return BcryptHasher()


def _needs() -> str:
    return "Argon2Passwords needs pwdlib and argon2; fix: pip install 'nexios[passwords]'"


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
