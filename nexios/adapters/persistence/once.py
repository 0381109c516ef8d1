"""Lets one attempt of a use case take effect once, whatever keeps the results."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, cast

from nexios.application.codec import Codec, kept_codec
from nexios.application.errors import KeyReused
from nexios.application.idempotency import Attempt, Idempotency

T = TypeVar("T")

_REUSED: Final = "this idempotency key was used before, for another request"


async def work_once(store: Idempotency, attempt: Attempt, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns, or returned when ``attempt`` was first committed.

    The first answer too is read back from its kept form, so that it is what a second one gets.

    Raises:
        UncodableField: An argument's or the result's annotation has no JSON form.
        KeyReused: The attempt came before with other arguments.
    """
    returns = kept_codec(attempt.use_case, "its result", attempt.returns)
    kinds = {
        name: kept_codec(attempt.use_case, f'its parameter "{name}"', kind)
        for name, kind in attempt.kinds.items()
    }
    if attempt.key is None:
        # Looked at all the same: what cannot be kept shows in the first test, not with the
        # first client that sends a key.
        return await work()
    asked = fingerprint(attempt.arguments, kinds)

    async def kept() -> object:
        return returns.dump(await work())

    answer = await store.once(attempt.key, asked, kept, use_case=attempt.use_case)
    return cast("T", returns.load(answer))


def fingerprint(arguments: Mapping[str, object], kinds: Mapping[str, Codec]) -> bytes:
    """Return a digest that differs when an argument does."""
    dumped = {name: kinds[name].dump(value) for name, value in arguments.items()}
    return hashlib.sha256(json.dumps(dumped, sort_keys=True).encode()).digest()


def check_fingerprint(kept: bytes, asked: bytes) -> None:
    """Refuse a key that stands for something else already.

    Raises:
        KeyReused: The two differ.
    """
    if kept != asked:
        raise KeyReused(_REUSED)
