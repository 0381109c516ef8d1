"""Clients that call an ASGI application in this process, without a socket.

The door of httpx2.
"""

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from anyio.from_thread import BlockingPortal

from nexios.adapters.asgi.types import ASGIApp, Message, Scope
from nexios.testing.server import Answered, InProcessServer, LoopThread
from nexios.testing.sockets import SocketSession, websocket_connect

try:
    import httpx2
except ImportError as missing:
    raise ImportError("the test client needs httpx2; fix: pip install 'nexios[test]'") from missing

T = TypeVar("T")


class _Transport(httpx2.BaseTransport):
    def __init__(self, server: InProcessServer, thread: LoopThread) -> None:
        self._server = server
        self._thread = thread

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not isinstance(request.stream, httpx2.SyncByteStream):
            raise TypeError("TestClient sends sync bodies; fix: AsyncTestClient")
        chunks = list(request.stream)
        answer = self._thread.portal.call(self._server.call, _scope(request), chunks)
        return _response(request, answer)


class _AsyncTransport(httpx2.AsyncBaseTransport):
    def __init__(self, server: InProcessServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not isinstance(request.stream, httpx2.AsyncByteStream):
            raise TypeError("AsyncTestClient sends async bodies; fix: TestClient")
        chunks = [chunk async for chunk in request.stream]
        return _response(request, await self._server.call(_scope(request), chunks))


class SyncSocket:
    """A connected socket, for tests without ``await``; each call waits in the client's loop."""

    def __init__(self, session: SocketSession, portal: BlockingPortal) -> None:
        self.session = session
        self._portal = portal

    @property
    def subprotocol(self) -> str | None:
        """What the app chose."""
        return self.session.subprotocol

    def _call(self, run: Callable[..., Awaitable[T]], *args: object) -> T:
        return self._portal.call(run, *args)

    def send_text(self, text: str) -> None:
        """Send a text message."""
        self._call(self.session.send_text, text)

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._call(self.session.send_bytes, data)

    def send_json(self, value: object) -> None:
        """Send a value as JSON text."""
        self._call(self.session.send_json, value)

    def receive(self) -> Message:
        """Return the next message; ``WebSocketDisconnect`` when the app closed."""
        return self._call(self.session.receive)

    def receive_text(self) -> str:
        """Return the next message, which has to be text."""
        return self._call(self.session.receive_text)

    def receive_bytes(self) -> bytes:
        """Return the next message, which has to be binary."""
        return self._call(self.session.receive_bytes)

    def receive_json(self) -> Any:
        """Return the next message as a value."""
        return self._call(self.session.receive_json)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side."""
        self._call(self.session.close, code, reason)


class TestClient(httpx2.Client):
    """Calls an application from sync code; the application runs in a thread of the client.

    ``with TestClient(app) as client`` runs the lifespan; without ``with`` the application starts
    at the first request, as on a server without lifespan.

    Attributes:
        last_error: What a handler raised in the last request and became its 500, or None.
    """

    __test__ = False  # pytest collects classes of this name

    def __init__(
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        check_asgi_conformance: bool = True,
    ) -> None:
        """Prepare calls to ``app``.

        Args:
            raise_server_exceptions: Raise what leaves the application itself; if not, it is a
                500. What a handler raises and the application answers is never raised.
            backend: ``asyncio`` or ``trio``.
            check_asgi_conformance: Fail when the application breaks ASGI.
        """
        self._server = InProcessServer(
            app, root_path=root_path, raise_=raise_server_exceptions, check=check_asgi_conformance
        )
        self._thread = LoopThread(backend, backend_options)
        self._finalizer = weakref.finalize(self, self._thread.stop)
        super().__init__(
            base_url=base_url,
            transport=_Transport(self._server, self._thread),
            cookies=dict(cookies or {}),
            headers={"user-agent": "testclient", **(headers or {})},
            follow_redirects=follow_redirects,
        )

    @property
    def app(self) -> ASGIApp:
        """The application."""
        return self._server.app

    @property
    def last_error(self) -> BaseException | None:
        """What became the 500 of the last request."""
        return self._server.last_error

    @property
    def portal(self) -> BlockingPortal:
        """The way into the loop the application runs in, to await something of it."""
        return self._thread.portal

    def __enter__(self) -> Self:
        try:
            self._thread.portal.call(self._server.start)
        except BaseException:
            self._thread.stop()
            raise
        return super().__enter__()

    def __exit__(self, *exc: Any) -> None:
        try:
            self._thread.portal.call(self._server.stop)
        finally:
            super().__exit__(*exc)
            self._thread.stop()

    def close(self) -> None:
        """Close the client and end its thread."""
        super().close()
        self._thread.stop()

    @contextmanager
    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[SyncSocket]:
        """Connect to a socket; the cookies and headers of the client go with the handshake.

        Raises:
            SocketDenied: The application refused the handshake.
        """
        portal = self._thread.portal
        request = self.build_request("GET", _as_http(url), headers=headers)
        connecting = _connect(self._server, request, subprotocols)
        with portal.wrap_async_context_manager(connecting) as session:
            yield SyncSocket(session, portal)


class AsyncTestClient(httpx2.AsyncClient):
    """The same for async code; the application runs in the caller's event loop."""

    __test__ = False

    def __init__(
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        check_asgi_conformance: bool = True,
    ) -> None:
        """Prepare calls to ``app``; the arguments are those of ``TestClient``."""
        self._server = InProcessServer(
            app, root_path=root_path, raise_=raise_server_exceptions, check=check_asgi_conformance
        )
        super().__init__(
            base_url=base_url,
            transport=_AsyncTransport(self._server),
            cookies=dict(cookies or {}),
            headers={"user-agent": "testclient", **(headers or {})},
            follow_redirects=follow_redirects,
        )

    @property
    def app(self) -> ASGIApp:
        """The application."""
        return self._server.app

    @property
    def last_error(self) -> BaseException | None:
        """What became the 500 of the last request."""
        return self._server.last_error

    async def __aenter__(self) -> Self:
        await self._server.start()
        return await super().__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        try:
            await self._server.stop()
        finally:
            await super().__aexit__(*exc)

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[SocketSession]:
        """Connect to a socket; the cookies and headers of the client go with the handshake."""
        request = self.build_request("GET", _as_http(url), headers=headers)
        return _connect(self._server, request, subprotocols)


class Client(AsyncTestClient):
    """2.11's client: ``async with Client(app) as client``. Write `AsyncTestClient`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log_requests: bool = False,  # noqa: ARG002  # taken for the sake of old tests
        max_retries: int = 0,  # noqa: ARG002
        **options: Any,
    ) -> None:
        """Take the options of `AsyncTestClient`, and two of 2.11 that have no effect here.

        Args:
            app: Any ASGI application.
            log_requests: The logger ``httpx2`` tells every request anyway.
            max_retries: Nothing is sent over a wire that could fail.
        """
        super().__init__(app, **options)


def create_client(app: ASGIApp, **options: Any) -> TestClient:
    """Return ``TestClient(app, ...)``; the options are its own, hence Any."""
    return TestClient(app, **options)


def create_async_client(app: ASGIApp, **options: Any) -> AsyncTestClient:
    """Return ``AsyncTestClient(app, ...)``; the options are its own, hence Any."""
    return AsyncTestClient(app, **options)


def _scope(request: httpx2.Request) -> Scope:
    url = request.url
    path, _, _ = url.raw_path.partition(b"?")
    return {
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port or (443 if url.scheme == "https" else 80)),
    }


def _response(request: httpx2.Request, answer: Answered) -> httpx2.Response:
    return httpx2.Response(
        answer.status, headers=answer.headers, content=answer.body, request=request
    )


def _as_http(url: str) -> str:
    return f"http{url[2:]}" if url.startswith(("ws://", "wss://")) else url


@asynccontextmanager
async def _connect(
    server: InProcessServer, request: httpx2.Request, subprotocols: Sequence[str] | None
) -> AsyncIterator[SocketSession]:
    url = request.url
    target = url.copy_with(scheme="wss" if url.scheme == "https" else "ws")
    headers = list(request.headers.multi_items())
    connecting = websocket_connect(
        server.app,
        str(target),
        headers=headers,
        subprotocols=subprotocols or (),
        state=server.state,
    )
    async with connecting as session:
        yield session
