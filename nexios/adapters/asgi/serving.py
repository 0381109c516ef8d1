"""Says at start what the server below an application does not do for it."""

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from nexios.adapters.asgi.types import Scope

SERVED_BY: Final = "nexios.served_by"
"""Where a server leaves the rules that it keeps: in the lifespan state or the extensions."""

INSISTS: Final = "nexios.insists"
"""Where a server leaves that a start must wait for what is critical: in the lifespan state."""

_TURNS: Final = "new connections are accepted in turns of 64"
RULES: Final = (
    "slow heads, slow bodies and idle connections are timed",
    "clients that do not read their answer are cut",
    "heads and trailers are bounded before they are complete",
    "trailers are no headers",
    "framing is beyond doubt: no bare LF or folded field, one length or chunks, none on upgrades",
    "a refusal lingers until it is read",
    _TURNS,
    "a drain is announced before nothing more is accepted",
)
"""What `nexios run` does beyond ASGI."""

_HYPER: Final = (
    "heads and trailers are bounded before they are complete",
    "trailers are no headers",
    _TURNS,  # it accepts in threads of its own
)
_KEPT: Final[Mapping[str, tuple[str, ...]]] = {"granian": _HYPER}


def kept_by(server: str, *, uvloop: bool) -> tuple[str, ...]:
    """Return the rules that another server keeps.

    Args:
        server: Its name.
        uvloop: It accepts connections in that event loop: one a turn. asyncio takes the backlog.
    """
    return _KEPT.get(server, () if uvloop else (_TURNS,))


def say_what_lacks(scope: Scope, logger: logging.Logger) -> None:
    """Log which of the rules nobody keeps below this lifespan; a word of the server is taken out.

    Args:
        scope: The lifespan's.
        logger: Where to say it, once.
    """
    state = scope.get("state")
    kept: Iterable[str] | None = (scope.get("extensions") or {}).get(SERVED_BY)
    if state is not None:
        kept = state.pop(SERVED_BY, kept)
    if kept is None:
        # Of the two, the one that is loaded in the processes it serves from tells itself so.
        server = "granian" if "granian.asgi" in sys.modules else "another"
        kept = kept_by(server, uvloop=_on_uvloop())
    lacking = [rule for rule in RULES if rule not in kept]
    if lacking:
        logger.warning(
            "this server lacks what `nexios run` does:%s\n  fix: nexios run, or a proxy before it",
            "".join(f"\n  - {rule}" for rule in lacking),
        )


def _on_uvloop() -> bool:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    return type(loop).__module__.partition(".")[0] == "uvloop"
