"""Worker processes of benchmarks: a port, a core of their own, and the wait until they listen."""

import os
import socket
import subprocess
import time
from typing import Final

HOST: Final = "127.0.0.1"
_WAIT_S: Final = 30.0


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    return port


def stay_on_core(index: int) -> None:
    """Stay on one core from now on; past the last one counting begins anew."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


def until_it_listens(port: int, child: "subprocess.Popen[bytes]") -> None:
    """Wait until a worker takes connections.

    Raises:
        SystemExit: It ended, or does not listen within half a minute.
    """
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise SystemExit("the worker did not start")
        try:
            with socket.create_connection((HOST, port), 0.1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the worker does not listen")
