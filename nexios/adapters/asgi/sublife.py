"""A mounted ASGI application with a life of its own, driven by the application around it."""

import logging
from collections.abc import Iterable
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from nexios.adapters.asgi.lifespan import run_all
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.adapters.asgi.url import path_below, quote_path

_log: Final = logging.getLogger("nexios")


def scope_below(scope: Scope, depth: int) -> Scope:
    """Return the scope for an application ``depth`` segments below.

    A copy, ``root_path`` extended, ``path`` whole: it begins with ``root_path`` (ASGI 3.0), also
    where the server left that out. An application that has a ``base_app`` below finds this one's
    there.
    """
    told: str = scope.get("root_path", "")
    below, root = path_below(scope["path"], told), told.rstrip("/")
    at = "".join(f"/{part}" for part in below[1:].split("/")[:depth])
    child = {**scope, "root_path": root + at}
    whole = root + below
    if whole != scope["path"] and root + at != scope["path"]:
        child["path"], child["raw_path"] = whole, quote_path(whole).encode()
    if "app" in scope:
        child.setdefault("base_app", scope["app"])
    return child


class SubLifeFailed(RuntimeError):
    """A mounted application said that it cannot start, or failed to stop."""

    def __init__(self, app: ASGIApp, step: str, says: str) -> None:
        self.app = app
        self.step = step
        self.says = says
        super().__init__(app, step, says)

    def __str__(self) -> str:
        name = getattr(self.app, "__name__", type(self.app).__name__)
        return f"the mounted application {name} failed at its {self.step}: {self.says}"


class SubApp:
    """An application below another one: served by it, started after and stopped before it.

    One that knows no lifespan (it raises, or returns) is served all the same, as servers do it.

    Attributes:
        app: The application.
    """

    __slots__ = (
        "_answers",
        "_asked",
        "_failure",
        "_lives",
        "_running",
        "_state",
        "_stopping",
        "app",
    )

    def __init__(self, app: ASGIApp) -> None:
        """Serve ``app``; it is started by `start`."""
        self.app = app
        self._lives = False
        self._running = False
        self._reset()

    def _reset(self) -> None:
        self._state: dict[str, Any] = {}
        self._failure: SubLifeFailed | None = None
        self._asked = False
        self._stopping: anyio.Event | None = None
        self._answers: dict[str, anyio.Event] = {}

    def prepare(self) -> None:
        """Let requests wait from now on until it has started; `start` is to follow."""
        self._reset()
        self._lives = True
        self._stopping = anyio.Event()
        self._answers = {"startup": anyio.Event(), "shutdown": anyio.Event()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a scope over, with the values of the application's own lifespan in ``state``."""
        if "startup" in self._answers:
            await self._answers["startup"].wait()
        if self._state:
            scope = {**scope, "state": {**(scope.get("state") or {}), **self._state}}
        await self.app(scope, receive, send)

    async def start(self, tasks: TaskGroup) -> None:
        """Run its lifespan in ``tasks`` and wait until it has started; once, if mounted twice.

        Raises:
            SubLifeFailed: It answered ``lifespan.startup.failed``.
        """
        if not self._lives:
            self.prepare()
        if not self._running:
            self._running = True
            tasks.start_soon(self._run, name="nexios mounted application")
        await self._answers["startup"].wait()
        if self._failure is not None:
            self._lives = False
            raise self._failure

    def drain(self) -> None:
        """Let it end what would go on for ever, where it knows how: connections are waited for."""
        drain = getattr(self.app, "drain", None)
        if drain is not None:
            drain()

    async def stop(self) -> None:
        """Let it stop and wait for that; nothing happens when it did not start.

        Raises:
            SubLifeFailed: It answered ``lifespan.shutdown.failed``, or broke.
        """
        if not self._lives or self._stopping is None:
            return
        self._lives = False
        self._stopping.set()
        await self._answers["shutdown"].wait()
        if self._failure is not None:
            raise self._failure

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self.app(scope, self._receive, self._send)
        except Exception as error:
            # ASGI 3.0, lifespan: who raises before the start is answered knows no lifespan.
            if self._answers["startup"].is_set() and self._failure is None:
                self._failure = SubLifeFailed(self.app, "end", str(error))
        finally:
            self._running = False
            for answer in self._answers.values():
                answer.set()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        if self._stopping is not None:
            await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        _, step, outcome = message["type"].split(".")
        if outcome == "failed":
            word = "start" if step == "startup" else "end"
            self._failure = SubLifeFailed(self.app, word, message.get("message", ""))
        self._answers[step].set()


class SubApps:
    """The applications mounted in one application, and their lives."""

    __slots__ = ("_apps", "_tasks")

    def __init__(self, apps: Iterable[SubApp]) -> None:
        """Take them in order of mounting; nothing is started."""
        self._apps = tuple(apps)
        self._tasks: TaskGroup | None = None

    async def start(self, tasks: TaskGroup) -> None:
        """Start them one after the other; `stop` is due also when this raises.

        Raises:
            SubLifeFailed: One of them cannot start.
        """
        for app in self._apps:
            await app.start(tasks)
        self._tasks = tasks

    def replace(self, apps: Iterable[SubApp]) -> None:
        """Have these from now on; new ones start at once, beside the caller."""
        known, self._apps = self._apps, tuple(apps)
        if self._tasks is not None:
            for app in self._apps:
                if app not in known:
                    app.prepare()
                    self._tasks.start_soon(self._start_late, app, self._tasks)

    def drain(self) -> None:
        """Let each end its streams; they are stopped when the connections are over."""
        for app in self._apps:
            app.drain()

    async def stop(self) -> None:
        """Stop those that started, the last one first.

        Raises:
            SubLifeFailed: One failed to stop; all were stopped.
        """
        self._tasks = None
        stops = (app.stop for app in reversed(self._apps))
        await run_all(stops, what="mounted applications failed to stop")

    async def _start_late(self, app: SubApp, tasks: TaskGroup) -> None:
        try:
            await app.start(tasks)
        except SubLifeFailed as failed:
            _log.error("%s", failed)
