"""The shapes of the ASGI wire.

Values inside scopes and messages are ``Any``: ASGI 3.0 types them by key, which no mapping type
can say. Whoever reads a key states its type.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeader = tuple[bytes, bytes]
"""One header field: lower-case name and value, as ASGI 3.0 writes them."""

HeaderBlock = tuple[RawHeader, ...]
"""Header fields made at start, appended to answers as they are."""
