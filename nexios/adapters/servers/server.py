"""uvicorn's server with our acceptor and our way to stop."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import uvicorn

from nexios.adapters.asgi.serving import INSISTS, RULES, SERVED_BY
from nexios.adapters.servers.cancelling import cancel_all
from nexios.adapters.servers.listening import Acceptor, bind, shown
from nexios.adapters.servers.management import ManagementPort
from nexios.adapters.servers.shell import Shell
from nexios.adapters.servers.watchdog import Watchdog
from nexios.application.sections.serving import ServerSettings

START_FAILED: Final = 3
_LOOK_S: Final = 0.05
_CLEAN_UP_S: Final = 2.0
_LIFESPAN_S: Final = 3.0
_SPREAD_S: Final = 3.0
_APART_S: Final = 0.01
_LAST_WORDS_S: Final = 0.5
_CLOSE: Final = (b"connection", b"close")
_log: Final = logging.getLogger("uvicorn.error")


class Server(uvicorn.Server):
    """The server of `nexios run`, alone in its process or as one of several workers.

    It stops in steps, of 30 s together at most: not ready any more but accepting, for
    ``drain_s``; accepting no more, sockets and streams told to come back, requests in flight
    answered, for ``grace_s``; requests cancelled, 2 s for their clean-ups; the lifespan, 3 s.
    A second signal skips every wait.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        worker: bool = False,
        management: Sequence[socket.socket] = (),
    ) -> None:
        """Make a server.

        Args:
            config: uvicorn's.
            worker: Other processes serve the same socket, and a parent starts and stops us.
            management: Bound sockets of the second listener.
        """
        super().__init__(config)
        self._management_sockets = management
        self._management: ManagementPort | None = None
        self._worker = worker
        # A parent that died while we were importing is told by nobody else.
        parent = multiprocessing.parent_process()
        self._parent = os.getppid() if parent is None else parent.pid
        self._retired = False
        self._watchdog: Watchdog | None = None

    # Start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen; with ``server.wait`` listen meanwhile."""
        settings = self._settings
        served_by: Any = self.lifespan
        served_by.state[SERVED_BY] = RULES
        served_by.state[INSISTS] = True
        self._watchdog = Watchdog(settings.loop_block_exit_s)
        self.servers: Any = []  # asyncio's own are used in the same three ways
        self._manage()
        starting = asyncio.create_task(self.lifespan.startup(), name="nexios start")
        until = asyncio.get_running_loop().time() + settings.startup_s
        try:
            while not starting.done():
                await self._look_after(starting, until)
                if settings.wait and not self.servers:
                    await self._listen(sockets)
            await starting
            if self.lifespan.should_exit:
                sys.exit(START_FAILED)
            if not self.servers:
                await self._listen(sockets)
        except SystemExit:
            starting.cancel()
            served_by.startup_failed = True  # its end is no news any more
            await self._close_all()
            raise
        self.started = True
        self._watchdog.start()
        # Modules, routes and plans are never garbage; each full collection would walk them.
        gc.collect()
        gc.freeze()

    async def _look_after(self, starting: "asyncio.Task[None]", until: float) -> None:
        """Give the start a moment; end the process when it takes too long, or is not wanted.

        Raises:
            SystemExit: With 0 when a signal came, with 3 when the time is over.
        """
        await asyncio.wait([starting], timeout=_LOOK_S)
        if starting.done():
            return
        if await self.on_tick(0):
            _log.info("Stopped before the application had started")
            sys.exit(0)
        settings = self._settings
        if not settings.wait and asyncio.get_running_loop().time() >= until:
            _log.error(
                "The application did not start within %g s (server.startup_s).", settings.startup_s
            )
            sys.exit(START_FAILED)

    async def _listen(self, sockets: list[socket.socket] | None) -> None:
        """Accept connections; end the process where that cannot be."""
        config = self.config
        try:
            listening = sockets or bind(config.host, config.port, uds=config.uds, fd=config.fd)
            self.servers = [
                Acceptor(
                    one,
                    self._protocol,
                    backlog=config.backlog,
                    shared=self._worker,
                    tls=config.ssl,
                )
                for one in listening
            ]
        except OSError as error:
            _log.error("%s", error)
            if self.lifespan.startup_event.is_set():
                await self.lifespan.shutdown()
            sys.exit(START_FAILED)
        if sockets is None:
            _log.info("Uvicorn running on %s (Press CTRL+C to quit)", shown(listening))

    def _manage(self) -> None:
        if not self._management_sockets:
            return
        app = getattr(self.config.loaded_app, "management", None)
        if app is None:
            _log.error("only a NexiosApp has something for the management port to serve")
            sys.exit(START_FAILED)
        self._management = ManagementPort(
            self._management_sockets,
            app,
            self.config.http_protocol_class,
            shared=self._worker,
        )

    async def _close_all(self) -> None:
        for one in self.servers:
            one.close()
        if self._management is not None:
            await self._management.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        return protocol

    @property
    def _settings(self) -> ServerSettings:
        config = getattr(self.config.loaded_app, "config", None)
        settings = getattr(config, "server", None)
        return settings if isinstance(settings, ServerSettings) else ServerSettings()

    # Run

    async def on_tick(self, counter: int) -> bool:
        """Refresh what every answer carries; return whether to stop."""
        if self._watchdog is not None:
            self._watchdog.beat()
        stop = await super().on_tick(counter)
        if self._retired and _CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers.append(_CLOSE)
        return stop or (self._worker and os.getppid() != self._parent)

    # Stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the steps that the class tells."""
        del sockets  # they are our acceptors'
        settings = self._settings
        interactive = self._captured_signals[:1] == [signal.SIGINT]
        self._tell("retire")
        self._retired = True
        await self._announced(0.0 if interactive else settings.drain_s)
        _log.info("Shutting down")
        for server in self.servers:
            server.close()
            await server.wait_closed()
        self._tell("drain")
        self._part()
        loop = asyncio.get_running_loop()
        until = loop.time() + settings.grace_s
        await self._idle(until)
        if not self.force_exit:
            await self._give_up()
            rest = max(until - loop.time(), 0.0) + _CLEAN_UP_S + _LIFESPAN_S
            await self._end_lifespan(rest)
        if self._watchdog is not None:
            self._watchdog.stop()
        await self._close_all()

    def _tell(self, what: str) -> None:
        tell = getattr(self.config.loaded_app, what, None)
        if tell is not None:
            tell()

    async def _announced(self, seconds: float) -> None:
        """Serve on while balancers take notice; every answer ends its connection."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        counter = 0
        await self.on_tick(counter)
        while loop.time() < until and not self.force_exit:
            await asyncio.sleep(_LOOK_S)
            counter += 1
            await self.on_tick(counter // 2)

    def _part(self) -> None:
        """Let idle connections go, and tell sockets to come back, not all at once."""
        loop = asyncio.get_running_loop()
        others: list[Any] = []
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, Shell):
                connection.shutdown()
            else:
                others.append(connection)
        apart = min(_APART_S, _SPREAD_S / max(len(others), 1))
        # An application that drains says more than a close does; what is left then is for us.
        drains = hasattr(self.config.loaded_app, "drain")
        first = _SPREAD_S + _LAST_WORDS_S if drains else 0.0
        for told, connection in enumerate(others):
            loop.call_later(first + told * apart, connection.shutdown)

    async def _idle(self, until: float) -> None:
        """Wait until nothing is in flight."""
        loop = asyncio.get_running_loop()
        state = self.server_state
        counter = 0
        while (state.connections or state.tasks) and not self.force_exit:
            if loop.time() >= until:
                return
            await asyncio.sleep(_LOOK_S)
            counter += 1
            await self.on_tick(counter // 2)

    async def _give_up(self) -> None:
        """Answer with 503 what has no answer yet, and cancel it."""
        state = self.server_state
        if not state.tasks:
            return
        _log.error("%d requests are not over after server.grace_s: cancelled", len(state.tasks))
        for connection in tuple(state.connections):
            if isinstance(connection, Shell):
                connection.give_up()
        left = await cancel_all(tuple(state.tasks), _CLEAN_UP_S)
        if left:
            _log.error("%d requests did not end after they were cancelled", left)

    async def _end_lifespan(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.lifespan.shutdown()
        except TimeoutError:
            _log.error("The application did not stop within %g s.", seconds)

    # Signals

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at once when it is the second time."""
        if self._worker and sig == signal.SIGINT:
            return  # the terminal tells the whole group; our parent will tell us
        self.force_exit = self.should_exit
        self._captured_signals.append(sig)
        self.should_exit = True
        del frame

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while serving; a stop that was asked for is no failure."""
        with super().capture_signals():
            yield
            if not self.force_exit:
                self._captured_signals.clear()
