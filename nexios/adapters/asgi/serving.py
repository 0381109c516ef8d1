"""Says at start what the server below an application does not do for it."""

import logging
from collections.abc import Iterable
from typing import Final

from nexios.adapters.asgi.types import Scope

SERVED_BY: Final = "nexios.served_by"
"""Where a server leaves the rules that it keeps: in the lifespan state or the extensions."""

INSISTS: Final = "nexios.insists"
"""Where a server leaves that a start must wait for what is critical: in the lifespan state."""

RULES: Final = (
    "slow heads, slow bodies and idle connections are timed",
    "clients that do not read their answer are cut",
    "heads and trailers are bounded before they are complete",
    "trailers are no headers",
    "framing is beyond doubt: no bare LF, folded field, second length, body on an upgrade",
    "a refusal lingers until it is read",
    "new connections are accepted in turns of 64",
    "a drain is announced before nothing more is accepted",
)
"""What `nexios run` does beyond ASGI."""


def say_what_lacks(scope: Scope, logger: logging.Logger) -> None:
    """Log which of the rules nobody keeps below this lifespan; a word of the server is taken out.

    Args:
        scope: The lifespan's.
        logger: Where to say it, once.
    """
    state = scope.get("state")
    kept: Iterable[str] = (scope.get("extensions") or {}).get(SERVED_BY, ())
    if state is not None:
        kept = state.pop(SERVED_BY, kept)
    lacking = [rule for rule in RULES if rule not in kept]
    if lacking:
        logger.warning(
            "this server lacks what `nexios run` does:%s\n  fix: nexios run, or a proxy before it",
            "".join(f"\n  - {rule}" for rule in lacking),
        )
