"""An OpenID provider that others wrote, in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx2

_STARTS_S = 30.0


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def provider() -> Iterator[str]:
    """Serve oidc-provider-mock and yield its issuer; its tokens end within a minute."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
    options = ["--port", str(port), "--require-nonce", "--token-max-age", "50"]
    running = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _STARTS_S
        while not answers(port):
            assert running.poll() is None, "the provider did not start"
            assert time.monotonic() < until, "the provider did not start in time"
            time.sleep(0.05)
        at = f"http://127.0.0.1:{port}"
        httpx2.put(f"{at}/users/ada", json={"email": "ada@example.com", "name": "Ada"})
        yield at
    finally:
        running.kill()
        running.wait(timeout=10)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
