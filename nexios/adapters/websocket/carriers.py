"""Takes credentials out of a handshake's subprotocols and query, where browsers can put them."""

from typing import Final
from urllib.parse import unquote

from nexios.adapters.asgi.types import RawHeader, Scope

BEARER: Final = "bearer."
"""What a subprotocol begins with that is a token. It is never chosen, shown or logged."""

TICKET: Final = "nexios.ticket"
"""The scope's key for the ``ticket`` of the query (auth/tickets.py)."""

_CREDENTIALS: Final = (b"authorization", b"cookie")
_FIELD: Final = b"sec-websocket-protocol"
_TICKET: Final = b"ticket"
_MASK: Final = b"ticket=***"


def take_carriers(scope: Scope) -> None:
    """Turn a bearer subprotocol into the header it stands for, and take a ticket out of sight.

    The scope is changed in place: it is the one a server logs from. A handshake with a bearer
    and an ``Authorization`` of its own has two such headers, and proves nobody.
    """
    offered: list[str] = scope.get("subprotocols") or []
    if any(name.startswith(BEARER) for name in offered):
        _take_bearers(scope, offered)
    query = scope.get("query_string", b"")
    if _TICKET in query:
        _take_ticket(scope, query)


def with_bearer(scope: Scope, token: str) -> Scope:
    """Return a copy of the scope with a token as its only credential."""
    headers = [pair for pair in scope["headers"] if pair[0] not in _CREDENTIALS]
    return {**scope, "headers": [*headers, _authorization(token)]}


def _take_bearers(scope: Scope, offered: list[str]) -> None:
    tokens = [name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)]
    others = [name for name in offered if not name.startswith(BEARER)]
    kept: list[RawHeader] = [pair for pair in scope["headers"] if pair[0] != _FIELD]
    if others:
        kept.append((_FIELD, ", ".join(others).encode("latin-1")))
    scope["headers"] = [*kept, *(_authorization(token) for token in tokens)]
    scope["subprotocols"] = others


def _take_ticket(scope: Scope, query: bytes) -> None:
    fields = query.split(b"&")
    found = [field for field in fields if field.partition(b"=")[0] == _TICKET]
    if not found:
        return
    scope["query_string"] = b"&".join(_MASK if field in found else field for field in fields)
    if len(found) == 1:  # of two nobody knows which is meant
        scope[TICKET] = unquote(found[0].partition(b"=")[2].decode("latin-1"))


def _authorization(token: str) -> RawHeader:
    return b"authorization", b"Bearer " + token.encode("latin-1", "replace")
