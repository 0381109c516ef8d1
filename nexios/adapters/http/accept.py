"""Which of several kinds of answer a client likes best (RFC 9110, 12.5.1)."""

import math
from collections.abc import Mapping, Sequence

from nexios.adapters.asgi.types import Scope


def preferred(told: Sequence[str], offered: Sequence[str], *, limit: int = 64) -> str:
    """Return the media type to answer with; the first offered when the client does not mind.

    Args:
        told: The values of ``Accept``; none means that everything will do.
        offered: Media types, the one liked best by us first. A type such as
            ``application/problem+json`` is also taken by who asks for ``application/json``.
        limit: ``limits.list_items``; further entries are not read.
    """
    ranges: dict[str, float] = {}
    for part in ",".join(told).split(",", limit)[:limit]:
        media, *parameters = part.split(";")
        if media := media.strip().lower():
            ranges[media] = _quality(parameters)
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda media: _weight(ranges, media))  # the first of equals
    return best if _weight(ranges, best) > 0 else offered[0]


def likes_html(scope: Scope) -> bool:
    """Return whether a request would rather have a page than a problem."""
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return preferred(told, ("application/problem+json", "text/html")) == "text/html"


def _weight(ranges: Mapping[str, float], media: str) -> float:
    kind, _, subtype = media.partition("/")
    suffix = subtype.rpartition("+")[2]
    # The more specific range decides.
    for name in (media, f"{kind}/{suffix}", f"{kind}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(text)
            except ValueError:
                return 0.0
            return min(max(quality, 0.0), 1.0) if math.isfinite(quality) else 0.0
    return 1.0
