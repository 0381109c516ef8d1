"""The shell over uvicorn's h11 protocol, for machines without httptools."""

import re
import sys
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http import h11_impl
from uvicorn.protocols.http.h11_impl import H11Protocol

from nexios.adapters.servers.refusals import (
    FRAGMENT,
    HEADERS,
    TARGET,
    UNREADABLE,
    UPGRADE_BODY,
    VERSION,
    Refusal,
    Refused,
    malformed,
)
from nexios.adapters.servers.shell import Shell
from nexios.adapters.servers.targets import AnotherHost, insist_on_host, origin_form

# The library is a dependency of uvicorn, not of ours.
h11: Final[Any] = vars(h11_impl)["h11"]

_END: Final = re.compile(rb"\r?\n\r?\n")
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_FOLD: Final = re.compile(rb"\r\n[ \t]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length[ \t]*:", re.IGNORECASE)
_LIST: Final = re.compile(rb"\r\ncontent-length[ \t]*:[^\r]*,", re.IGNORECASE)
_LINE: Final = re.compile(rb"[^ ]+ [^ ]+ HTTP/(\d\.\d)\r\n")
_OLD: Final = re.compile(rb"[A-Z]+ [^ ]+\r\n")  # HTTP/0.9 names no version
_VERSIONS: Final = frozenset({b"1.0", b"1.1"})

_LINES = malformed("a line does not end in CR LF")
_FOLDED = malformed("a header field goes on in the next line")
_LENGTHS = malformed("the header field content-length is given twice")


class H11Shell(Shell, H11Protocol):
    """uvicorn's engine of pure Python for requests, inside the shell."""

    conn: Any
    _plain: Callable[[], Any]
    _head: object = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make an engine as uvicorn does, and look at what its parser is given and gives."""
        super().__init__(*args, **kwargs)
        self._plain = self.conn.next_event
        self.conn.next_event = self._next_event

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self._deaf:
            self.overhear(len(data))
            return
        super().data_received(data)
        if self.cycle is not None and (self.cycle.more_body or self.cycle is self._counted):
            self.count(len(data))
        elif self.conn.their_state is h11.IDLE:
            self._bound()

    def _bound(self) -> None:
        held = self.conn.trailing_data[0]
        target = held.partition(b"\r\n")[0]
        if b"\r\n" not in held and len(target) > self.watch.limits.target + 1024:
            self.refuse(TARGET)
        elif len(held) > self.watch.head_bytes:
            self.refuse(HEADERS)
        elif held:
            self._head = self._head or object()
            self.url = target if b"\r\n" in held else b""

    def head_begun(self) -> object:
        """Return what is the same until the head under way is whole; None where none is."""
        return self._head

    def _next_event(self) -> Any:
        if self._deaf:
            return h11.NEED_DATA
        if self.conn.their_state is h11.IDLE:
            self._examine(self.conn.trailing_data[0])
        event = self._plain()
        if isinstance(event, h11.Data):
            self._carried += len(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if self.too_many(list(event.headers)):
                raise Refused(HEADERS)
        elif isinstance(event, h11.Request):
            self._head, self.url = None, b""
            self._check(event)
            if event.target[:1] != b"/":
                event = self._below_its_host(event)
        return event

    def _below_its_host(self, event: Any) -> Any:
        try:
            insist_on_host(event.target, event.headers)
        except AnotherHost:
            raise Refused(UNREADABLE) from None
        return h11.Request(
            method=event.method,
            target=origin_form(event.target),
            headers=event.headers.raw_items(),
            http_version=event.http_version,
        )

    def _examine(self, held: bytes) -> None:
        """Look at a head as it stands on the wire: h11 reads more than there may be."""
        end = _END.search(held)
        head = held[: end.end()] if end else held.rstrip(b"\r")
        if _BARE.search(head) is not None:
            raise Refused(_LINES)
        if _FOLD.search(head) is not None:
            raise Refused(_FOLDED)
        if len(_LENGTH.findall(head)) > 1 or _LIST.search(head):
            raise Refused(_LENGTHS)
        line = _LINE.match(head)
        if _OLD.match(head) or (line is not None and line[1] not in _VERSIONS):
            raise Refused(VERSION)

    def _check(self, event: Any) -> None:
        if b"#" in event.target:
            raise Refused(FRAGMENT)
        table = dict(event.headers)
        if b"upgrade" not in table:
            return
        if b"transfer-encoding" in table or table.get(b"content-length", b"").strip(b"0"):
            raise Refused(UPGRADE_BODY)
        if table[b"upgrade"].lower() != b"websocket":
            return
        if len(event.target) > self.watch.limits.target:
            raise Refused(TARGET)
        if self.too_many(list(event.headers)):
            raise Refused(HEADERS)

    def handle_events(self) -> None:
        """Take what the parser has made of the bytes."""
        try:
            super().handle_events()
        except Refused as refused:
            self.refuse(refused.refusal)

    def send_400_response(self, _msg: str) -> None:
        """Answer what h11 cannot read; called while its error is handled."""
        error = sys.exc_info()[1]
        hint = getattr(error, "error_status_hint", 400)
        self.refuse(HEADERS if hint == 431 else _said(error))

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection to the engine for sockets, as it is."""
        self.watch.discard(self)
        self.transport = self.transport.raw
        super().handle_websocket_upgrade(event)

    def is_chunked(self) -> bool:
        """Return whether the body that is read comes in chunks."""
        return any(name == b"transfer-encoding" for name, _ in self.scope["headers"])

    def on_response_complete(self) -> None:
        """Go on with what the peer sent meanwhile."""
        if self.leaving:
            self.transport.close()
        super().on_response_complete()
        self._unset_keepalive_if_required()  # the watch does that
        if self._held is not None:
            self.say_held()


def _said(error: BaseException | None) -> Refusal:
    return VERSION if "http version" in str(error).lower() else UNREADABLE
