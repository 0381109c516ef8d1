"""The port that keeps what may be used once: the state of a login, a ticket."""

from collections.abc import Mapping
from typing import Any, Protocol


class OneTime(Protocol):
    """Keeps small JSON values by the digest of a key, each for one use and a short while.

    Each adapter owes: of any number who take a value at once, in whatever process, one gets it;
    what has ended is never given out; a value of one purpose is none of another. Who can read
    the store learns no key.
    """

    async def put(
        self, purpose: str, key_digest: bytes, value: Mapping[str, Any], ttl_s: float
    ) -> None:
        """Keep a value for ``ttl_s`` seconds; one that is there under this key is replaced.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    async def take(self, purpose: str, key_digest: bytes) -> dict[str, Any] | None:
        """Return a value and forget it; None where there is none, or it has ended.

        Raises:
            Unavailable: The store does not answer.
        """
        ...
