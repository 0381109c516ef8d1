"""What "the same attempt again" means, and the port that lets it have its effect once."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from nexios.application.caller import Caller
from nexios.records import dataclass

LIFETIME_S: Final = 24 * 3600.0
"""How long an answer is kept; after that the key counts as never seen."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a use case that must not take effect twice.

    Attributes:
        key: Digest of tenant, actor, use case and the caller's key; None when the caller gave
            none: then it is not kept.
        use_case: Its full name.
        arguments: What it was called with, by parameter; without a key not looked at.
        kinds: The annotations of its parameters.
        returns: The annotation of its result.
    """

    key: bytes | None
    use_case: str
    arguments: Mapping[str, object]
    kinds: Mapping[str, Any]
    returns: Any


def key_digest(caller: Caller, use_case: str) -> bytes:
    """Return the key under which an attempt of ``caller`` is kept.

    Another tenant or actor with the same text has another key, and so has the same request's
    second use case.
    """
    parts = [caller.tenant, caller.actor, use_case, caller.idempotency_key]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


class Idempotency(Protocol):
    """Keeps the results of use cases by key, in the transaction of their effect.

    Each adapter owes: a result is kept when, and only when, the effect is committed; a second
    call of a key whose first has not ended waits for it, and does the work itself when the first
    one came to nothing.
    """

    async def once(
        self,
        key: bytes,
        fingerprint: bytes,
        work: Callable[[], Awaitable[object]],
        *,
        use_case: str = "",
    ) -> object:
        """Do ``work``, or return what it returned when ``key`` was first seen.

        Called inside of a transaction, before anything else in it.

        Args:
            key: See `key_digest`.
            fingerprint: Digest of the arguments.
            work: The use case's body; returns a JSON value.
            use_case: For who looks at the table.

        Raises:
            KeyReused: ``key`` is known with another ``fingerprint``.
            Unavailable: The first call of ``key`` did not end in time.
        """
        ...
