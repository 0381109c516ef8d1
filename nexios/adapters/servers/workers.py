"""Several workers behind one listening socket, and the parent that keeps them."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from nexios.adapters.servers.server import START_FAILED, Server

_LOOK_S: Final = 0.1
_AGAIN_S: Final = 1.0
_log: Final = logging.getLogger("uvicorn.error")


class Worker(Process):
    """One worker, with our server in it."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        management: Sequence[socket.socket] = (),
    ) -> None:
        """Serve these sockets, and those of the management port."""
        self._management = management
        super().__init__(config, sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; runs in the worker."""
        threading.Thread(target=self._answer_pings, daemon=True).start()
        self.server.run(sockets)

    def _answer_pings(self) -> None:
        try:
            self.always_pong()
        except (EOFError, OSError):
            return  # the parent is gone; the server sees it too

    @property
    def server(self) -> Server:
        """The server, made in the worker."""
        if not isinstance(self._server, Server):
            self._server = Server(self.config, worker=True, management=self._management)
        return self._server

    def tell_again(self) -> None:
        """Tell the worker a second time to stop: it waits for nothing then."""
        if self.process.is_alive():
            self.process.terminate()


class Workers(Multiprocess):
    """Starts workers, replaces those that die, and stops them all.

    The first starts alone: what keeps it from starting would keep the others too, and is said
    once. When it cannot, the parent ends. Later a worker that cannot start is tried again, for
    the others still serve.

    Attributes:
        failed: The first worker could not start.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        management: Sequence[socket.socket] = (),
        ended: Callable[[int], None] | None = None,
    ) -> None:
        """Keep ``config.workers`` workers on these sockets.

        Args:
            management: Of the second listener.
            ended: Told the process id of a worker that is gone while others serve.
        """
        super().__init__(config, sockets)
        self._management = management
        self._ended = ended
        self.failed = False

    def init_processes(self) -> None:
        """Start the first worker, and the others when it serves."""
        first = self._started()
        self.processes.append(first)
        while not first.is_ready(timeout=1):
            self.handle_signals()
            if self.should_exit.is_set():
                return
            if not first.process.is_alive():
                self.failed = True
                _log.error("the first worker could not start, so none will")
                self.should_exit.set()
                return
            time.sleep(_LOOK_S)
        self.processes += [self._started() for _ in range(self.processes_num - 1)]

    def keep_subprocess_alive(self) -> None:
        """Replace workers that are gone or do not answer."""
        for index, old in enumerate(self.processes):
            if self.should_exit.is_set() or old.is_alive(self.config.timeout_worker_healthcheck):
                continue
            old.kill()
            old.join()
            _log.error("worker [%s] ended with code %s: replaced", old.pid, old.exitcode)
            self._tell_ended(old)
            if old.exitcode == START_FAILED:
                self.should_exit.wait(_AGAIN_S)
            if not self.should_exit.is_set():
                self.processes[index] = self._started()

    def restart_all(self) -> None:
        """Replace every worker, the new one serving before the old one is told to stop."""
        for index, old in enumerate(tuple(self.processes)):
            fresh = self._started()
            if not fresh.wait_until_ready(
                self.config.timeout_worker_healthcheck * 6, self.should_exit
            ):
                fresh.kill()
                fresh.join()
                _log.error("a new worker was not ready in time: [%s] stays", old.pid)
                return
            self.processes[index] = fresh
            old.terminate()
            self._wait_for(old)
            self._tell_ended(old)

    def _tell_ended(self, gone: Process) -> None:
        if self._ended is not None and gone.pid is not None:
            self._ended(gone.pid)

    def handle_ttin(self) -> None:
        """Add a worker."""
        self.processes_num += 1
        self.processes.append(self._started())

    def join_all(self) -> None:
        """Wait for the workers, and hurry them at a second signal."""
        for process in self.processes:
            self._wait_for(process)

    def _wait_for(self, process: Process) -> None:
        while process.process.is_alive():
            process.process.join(_LOOK_S)
            if any(sig in (signal.SIGINT, signal.SIGTERM) for sig in self.signal_queue):
                self.signal_queue.clear()
                self.should_exit.set()
                for one in (process, *self.processes):
                    if isinstance(one, Worker):
                        one.tell_again()

    def _started(self) -> Worker:
        worker = Worker(self.config, self.sockets, self._management)
        worker.start()
        return worker
