"""The port that lets a repeated request have its effect once."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Idempotency(Protocol):
    """Keeps the results of use cases by key, in the transaction of their effect."""

    async def once(self, key: bytes, fingerprint: bytes, work: Callable[[], Awaitable[T]]) -> T:
        """Do ``work``, or return what it returned when ``key`` was first seen.

        Args:
            key: Digest of tenant, actor, use case and the caller's key.
            fingerprint: Digest of the arguments.
            work: The use case's body; called inside the transaction.

        Raises:
            KeyReused: ``key`` is known with another ``fingerprint``.
        """
        ...
