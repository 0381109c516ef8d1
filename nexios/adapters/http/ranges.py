"""Conditions of requests, pure (RFC 9110, 13)."""


def quoted_tag(tag: str) -> str:
    """Return an entity tag as it stands in a header."""
    return f'"{tag}"'


def matches_tag(asked: str, tag: str, *, limit: int = 64) -> bool:
    """Return whether ``If-None-Match`` names ``tag``, weakly compared (RFC 9110, 8.8.3.2).

    Args:
        asked: The header's value, several joined by commas.
        tag: The tag of the answer, in quotes.
        limit: ``limits.list_items``; further tags are not read.
    """
    wanted = tag.removeprefix("W/")
    listed = (part.strip() for part in asked.split(",", limit)[:limit])
    return any(part == "*" or part.removeprefix("W/") == wanted for part in listed)
