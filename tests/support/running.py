"""A server in a process of its own: `nexios run` of an application written to a folder."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


class Running:
    """A server process, and what it has said."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        self.port = 0

    def said(self, pattern: str) -> "re.Match[str]":
        """Wait until the log has a line."""
        while True:
            found = re.search(pattern, self.log.read_text())
            if found is not None:
                return found
            assert self.process.poll() is None, self.log.read_text()
            with pytest.raises(subprocess.TimeoutExpired):
                self.process.wait(0.02)


def ended(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``nexios run`` with these arguments until it ends by itself, within a minute.

    Args:
        environment: Beside ours.
    """
    return subprocess.run(
        [sys.executable, "-m", "nexios", "run", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def running(
    folder: Path, text: str, *arguments: str, until: str | None = None
) -> Iterator[Running]:
    """Run the ``app`` that ``text`` makes, and kill it in the end.

    Args:
        until: What its log says when the caller may go on; that it listens, unless told.
    """
    (folder / "main.py").write_text(text)
    log = folder / "log.txt"
    with launched("main:app", folder, log, arguments=arguments, until=until) as served:
        yield served


@contextmanager
def launched(
    target: str,
    folder: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    arguments: Sequence[str] = (),
    until: str | None = None,
) -> Iterator[Running]:
    """Run an app on a free port until it listens, and kill it in the end.

    Args:
        target: ``package.module:attribute``, found from ``folder``.
        log: Where its output goes.
        environment: Beside ours.
        arguments: Of ``nexios run``.
        until: See `running`.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "nexios", "run", target, "--port", "0", *arguments],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=out,
        )
    served = Running(process, log)
    try:
        if until is not None:
            served.said(until)
            yield served
            return
        served.port = int(served.said(r"running on http://[\d.]+:(\d+)")[1])
        yield served
    finally:
        process.kill()
        process.wait()
