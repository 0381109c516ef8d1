"""Plays an ASGI server for one application in this process: lifespan, calls, an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.from_thread import BlockingPortal

from nexios.adapters.asgi.errors import ERROR_EXTENSION
from nexios.adapters.asgi.serving import RULES, SERVED_BY
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.testing.conformance import AsgiViolation, Conformance

PEER: Final = ("testclient", 50000)
WAIT_S: Final = 10.0
"""How long the start and the stop of an application may take."""


class LifespanFailed(RuntimeError):
    """The application answered ``lifespan.startup.failed`` or ``lifespan.shutdown.failed``."""


class ServedLifespan:
    """The server's side of one lifespan, in a task of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        self._told = anyio.Event()  # shut down
        self._answers = {"startup": anyio.Event(), "shutdown": anyio.Event()}
        self._failed: str | None = None
        self._error: BaseException | None = None
        self._supported = True
        self._asked = 0

    async def start(self) -> None:
        """Start the application; one that knows no lifespan is started already."""
        spawn(self._run)
        await self._answer("startup")

    async def stop(self) -> None:
        """Stop the application."""
        self._told.set()
        if self._supported:
            await self._answer("shutdown")

    async def _answer(self, step: str) -> None:
        with anyio.fail_after(WAIT_S):
            await self._answers[step].wait()
        if self._failed is not None:
            raise LifespanFailed(self._failed) from self._error

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
            "extensions": {SERVED_BY: RULES},  # nobody is served, so nothing lacks
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            # ASGI 3.0, lifespan: an app that raises before it answers supports no lifespan.
            if self._answers["startup"].is_set():
                self._failed = self._failed or str(error)
                self._error = error
            self._supported = False
        finally:
            for answer in self._answers.values():
                answer.set()

    async def _receive(self) -> Message:
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._told.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        _, step, outcome = message["type"].split(".")
        if outcome == "failed":
            self._failed = message.get("message") or f"{step} failed"
            self._supported = False
        self._answers[step].set()


def spawn(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``run``, which never raises, beside the caller and beyond the caller's task.

    No task group: a client opened by a fixture may be closed by another task.
    """
    try:
        task = asyncio.get_running_loop().create_task(run())
    except RuntimeError:
        import trio

        trio.lowlevel.spawn_system_task(run)
    else:
        _RUNNING.add(task)
        task.add_done_callback(_RUNNING.discard)


_RUNNING: Final[set["asyncio.Task[None]"]] = set()  # the loop keeps weak references only


@dataclass(frozen=True, slots=True)
class Answered:
    """One whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class InProcessServer:
    """Calls the application as a server would, for both clients."""

    def __init__(self, app: ASGIApp, *, root_path: str, raise_: bool, check: bool) -> None:
        """Serve ``app``.

        Args:
            raise_: Raise what leaves the application itself; if not, it is a 500.
            check: Fail when the application breaks ASGI.
        """
        self.app = app
        self.lifespan: ServedLifespan | None = None
        self.last_error: BaseException | None = None
        self._root_path = root_path
        self._raise = raise_
        self._check = check

    async def start(self) -> None:
        """Run the application's start.

        Raises:
            LifespanFailed: It said that it cannot.
        """
        lifespan = ServedLifespan(self.app)
        await lifespan.start()
        self.lifespan = lifespan

    async def stop(self) -> None:
        """Run the application's stop, if it was started.

        Raises:
            LifespanFailed: It said that it failed.
        """
        lifespan, self.lifespan = self.lifespan, None
        if lifespan is not None:
            await lifespan.stop()

    @property
    def state(self) -> dict[str, Any] | None:
        """A copy of the lifespan state for one scope; None without lifespan."""
        return None if self.lifespan is None else dict(self.lifespan.state)

    def _hear(self, error: BaseException) -> None:
        self.last_error = error

    async def call(self, scope: Scope, chunks: Sequence[bytes]) -> Answered:
        """Return the application's answer to one request.

        Args:
            scope: What the client knows of it; the rest is added here.
            chunks: Of the body, as they arrive.

        Raises:
            AsgiViolation: It broke the protocol.
            Exception: What left the application itself, unless that is not wanted.
        """
        self.last_error = None
        state = self.state
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "root_path": self._root_path,
            "client": PEER,
            "extensions": {ERROR_EXTENSION: self._hear},
            **scope,
            **({} if state is None else {"state": state}),
        }
        answer = _Answer(chunks)
        watched = Conformance(scope["method"], answer.send)
        send: Send = watched.send if self._check else answer.send
        receive: Receive = answer.receive
        try:
            await self.app(scope, receive, send)
            if self._check:
                watched.finish()
        except AsgiViolation:
            raise
        except Exception as error:
            self.last_error = error
            if self._raise:
                raise
            answer.status = answer.status or 500
        return Answered(answer.status, answer.headers, b"".join(answer.parts))


class _Answer:
    """Collects one answer and plays the request's body."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks) or [b""]
        self._over = anyio.Event()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []

    async def receive(self) -> Message:
        if not self._chunks:
            await self._over.wait()
            return {"type": "http.disconnect"}
        chunk = self._chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._over.set()


class LoopThread:
    """An event loop in a thread of its own, from the first call on until it is stopped."""

    def __init__(self, backend: str, options: Mapping[str, Any] | None) -> None:
        self._backend = backend
        self._options = dict(options or {})
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None

    @property
    def portal(self) -> BlockingPortal:
        """The way into the loop, started when first asked for."""
        if self._portal is None:
            ready = threading.Event()
            # A daemon: a client that nobody closes must not keep the interpreter alive.
            self._thread = threading.Thread(target=self._main, args=(ready,), daemon=True)
            self._thread.start()
            ready.wait()
        if self._portal is None:
            raise RuntimeError(
                f"the event loop {self._backend!r} of the test client did not start"
            )
        return self._portal

    def _main(self, ready: threading.Event) -> None:
        async def serve() -> None:
            async with BlockingPortal() as portal:
                self._portal = portal
                ready.set()
                await portal.sleep_until_stopped()

        try:
            anyio.run(serve, backend=self._backend, backend_options=self._options)
        finally:
            ready.set()

    def stop(self) -> None:
        """End the loop, if it was started."""
        portal, self._portal = self._portal, None
        # The collector may call this in the very thread that is to end.
        if portal is not None and self._thread not in (None, threading.current_thread()):
            portal.start_task_soon(portal.stop, True)
            self._thread.join()
