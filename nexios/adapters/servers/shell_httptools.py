"""The shell over uvicorn's httptools protocol: the door of that parser."""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nexios.adapters.servers.cycle import Cycle
from nexios.adapters.servers.refusals import (
    CONNECT,
    FRAGMENT,
    HEADERS,
    TARGET,
    UNREADABLE,
    UPGRADE_BODY,
    VERSION,
    Refusal,
    Refused,
)
from nexios.adapters.servers.shell import Shell
from nexios.adapters.servers.targets import AnotherHost, insist_on_host


class HttpToolsShell(Shell, HttpToolsProtocol):
    """uvicorn's faster engine for requests, inside the shell."""

    parser: Any
    url: bytes = b""
    _chunked: object = None
    _served: Any = None

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self._deaf:
            self.overhear(len(data))
            return
        try:
            if len(data) > self.watch.head_bytes and not self.is_sending():
                data = self._feed_in_pieces(data)
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError as error:
            self.refuse(self._refusal_of(error))
        else:
            cycle = self.cycle
            if (
                cycle is None
                or cycle.more_body
                or cycle.scope is not self.scope
                or cycle is self._counted
            ):
                self.count(len(data))

    def _feed_in_pieces(self, data: bytes) -> bytes:
        """Read all but the last piece, which is returned.

        A read may hold a quarter of a mebibyte, and all of it header fields.
        """
        size = self.watch.head_bytes
        start = 0
        while start + size < len(data) and not self._deaf:
            self.parser.feed_data(data[start : start + size])
            start += size
            if self.cycle is None or self.cycle.scope is not self.scope:
                self.count(size)
        return b"" if self._deaf else data[start:]

    def _refusal_of(self, error: Exception) -> Refusal:
        cause = error.__context__
        if isinstance(cause, Refused):
            return cause.refusal
        return VERSION if "version" in str(error).lower() else UNREADABLE

    def _upgrade(self) -> None:
        if self._should_upgrade():
            self.handle_websocket_upgrade()
            return
        # The parser reads no further after it; whoever asked for h2c is answered in HTTP/1.1.
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()
        else:
            cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the engine for sockets, as it is."""
        self.watch.discard(self)
        self.transport = self.transport.raw
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the connection go; uvicorn tells so to the last of the requests on it alone."""
        for cycle in (self._served, *(queued for queued, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    # Callbacks of the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; the parser leaves the blanks at its end, which are none of it."""
        if value[-1:] <= b" ":
            value = value.rstrip(b"\t ")  # RFC 9110, 5.5
        # What uvicorn does, without the call: there are ten of them in a browser's request.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin a request, its head being whole."""
        if b"#" in self.url:
            raise Refused(FRAGMENT)
        if self.url[:1] != b"/":
            try:
                insist_on_host(self.url, self.headers)
            except AnotherHost:
                raise Refused(UNREADABLE) from None
        scope, parser = self.scope, self.parser
        scope["method"] = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        if parser.should_upgrade():
            self._check_upgrade()
            if self._should_upgrade():
                return  # the engine for sockets goes on with it
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        root = self.root_path
        scope["path"] = f"{root}{path}"
        scope["raw_path"] = root.encode("ascii") + target.path if root else target.path
        scope["query_string"] = target.query or b""
        before = self.cycle
        # By position, a quarter of a microsecond less.
        self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version == "1.1" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._served = self.cycle
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _check_upgrade(self) -> None:
        if self.parser.get_method() == b"CONNECT":
            raise Refused(CONNECT)
        for field in self.headers:
            name = field[0]
            if name == b"transfer-encoding" or (
                name == b"content-length" and field[1].strip(b"0")
            ):
                raise Refused(UPGRADE_BODY)
        if not self._should_upgrade():
            return
        # The engine for sockets has bounds of its own and no words for them.
        if self.parser.get_http_version() != "1.1":
            raise Refused(VERSION)
        if len(self.url) > self.watch.limits.target:
            raise Refused(TARGET)
        if self.too_many(self.headers):
            raise Refused(HEADERS)

    def on_chunk_header(self) -> None:
        """Read a chunk; fields that come after it are trailers, which uvicorn adds to the head."""
        if self._chunked is not self.cycle:
            self._chunked = self.cycle
            self.headers = []

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        cycle = self.cycle
        self._carried += len(body)
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return  # it is the sockets' now
        if cycle is self._chunked and self.headers and self.has_too_many_trailers():
            raise Refused(HEADERS)
        cycle.more_body = False
        if not cycle.response_complete:
            cycle.message_event.set()

    def is_chunked(self) -> bool:
        """Return whether the body that is read comes in chunks."""
        return self._chunked is self.cycle

    def has_too_many_trailers(self) -> bool:
        """Return whether those that have come so far are over the bounds."""
        return self.too_many(self.headers)

    # The answer

    def on_response_complete(self) -> None:
        """Go on with what the peer sent meanwhile."""
        self.server_state.total_requests += 1
        if self.leaving:
            self.transport.close()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._served = cycle
            self._start_asgi_task(cycle, app)
        elif self._held is not None:
            self.say_held()

    def _queued(self, cycle: Any) -> bool:
        for entry in self.pipeline:
            if entry[0] is cycle:
                self.pipeline.remove(entry)
                return True
        return False
