"""Sees from another thread that the event loop stands still, and where it stands."""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from types import FrameType
from typing import Final

_LOOK_S: Final = 0.1
_BLOCKED_S: Final = 0.3
"""The server's main loop beats every 0.1 s: this is a block of 0.2 s."""

_log: Final = logging.getLogger("nexios")


class Watchdog:
    """Reports a blocked loop with its stack, once a block; ends a process that stays blocked."""

    def __init__(self, exit_s: float | None) -> None:
        """Watch nothing yet.

        Args:
            exit_s: A block of so long ends the process with SIGABRT and every stack on stderr;
                None never does.
        """
        self._exit_s = exit_s
        self._beat = time.monotonic()
        self._told = False
        self._thread_id = threading.get_ident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="nexios watchdog", daemon=True)

    def start(self) -> None:
        """Watch the loop of the thread that made this."""
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        """Note that the loop turns."""
        self._beat = time.monotonic()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            stands_s = time.monotonic() - self._beat
            if stands_s < _BLOCKED_S:
                self._told = False
                continue
            if not self._told:
                self._report(stands_s)
            if self._exit_s is not None and stands_s >= self._exit_s:
                text = f"the event loop stands for {stands_s:.0f} s: the process ends"
                _log.critical("%s", text)
                # The log may be written by a thread that does not come to it any more.
                print(text, file=sys.stderr, flush=True)
                faulthandler.dump_traceback(all_threads=True)
                os.kill(os.getpid(), signal.SIGABRT)

    def _report(self, stands_s: float) -> None:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001  # documented so
        if frame is None or _waits(frame):
            return  # nobody blocks it: the machine gave us no time
        self._told = True
        stack = "".join(traceback.format_stack(frame)).rstrip()
        _log.warning("the event loop stands for %.1f s in\n%s", stands_s, stack)


def _waits(frame: FrameType) -> bool:
    """Return whether a loop's thread stands in its own waiting, not in somebody's code."""
    module = frame.f_globals.get("__name__", "")
    return module in ("selectors", "asyncio.runners", "asyncio.base_events", "uvloop")
