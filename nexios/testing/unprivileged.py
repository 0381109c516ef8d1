"""Runs programs that refuse root, as somebody without rights."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_UNPRIVILEGED: Final = "nobody"
_MAPPED_ID: Final = "65534"


class StaysRoot(Exception):
    """This process is root, and cannot start anything as somebody else."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """How to run a program that refuses root.

    Attributes:
        prefix: What to put before the command.
        user: Whom it runs as; None for whoever we are.
    """

    prefix: tuple[str, ...] = ()
    user: str | None = None

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end, and return what it wrote."""
        return subprocess.run(  # noqa: S603 - who calls says what
            [*self.prefix, *command], capture_output=True, check=False, **self._options()
        )

    def popen(self, command: Sequence[str], log: Any) -> "subprocess.Popen[bytes]":
        """Start it; it writes to ``log``, an open file."""
        return subprocess.Popen(  # noqa: S603 - who calls says what
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user, "group": "nogroup", "extra_groups": []}


def unprivileged(folder: Path) -> Launcher:
    """Return how to run a program that refuses root and keeps its data in ``folder``.

    A user namespace maps us to another id: files stay ours and private. Where namespaces are
    denied, it runs as ``nobody``, who is given the folder.

    Raises:
        StaysRoot: There is no ``nobody``, or the folder cannot be given away.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return Launcher()
    mapped = ("unshare", "--user", f"--map-user={_MAPPED_ID}", f"--map-group={_MAPPED_ID}")
    if shutil.which("unshare") is not None:
        tried = subprocess.run([*mapped, "true"], capture_output=True, check=False)  # noqa: S603
        if tried.returncode == 0:
            return Launcher(mapped)
    try:
        shutil.chown(folder, _UNPRIVILEGED)
    except (LookupError, OSError) as error:
        raise StaysRoot(f"root cannot become nobody: {error}") from None
    return Launcher((), _UNPRIVILEGED)
