"""Tells which of uvicorn's engines for requests the shell stands around."""

from importlib.util import find_spec
from typing import Literal

from nexios.adapters.servers.shell import Shell


class EngineMissing(ImportError):
    """A setting names an engine that is not installed."""

    def __init__(self, setting: str, library: str) -> None:
        self.setting = setting
        self.library = library
        super().__init__(setting, library)

    def __str__(self) -> str:
        return (
            f"{self.setting} is {self.library!r}, which is not installed"
            f"\n  fix: pip install 'nexios[serve]', or {self.setting}=\"auto\""
        )


def http_protocol(name: Literal["auto", "httptools", "h11"] = "auto") -> type[Shell]:
    """Return the shell over an engine; ``auto`` is httptools where it is installed, else h11.

    Raises:
        EngineMissing: httptools is asked for and not there.
    """
    present = find_spec("httptools") is not None
    if name == "httptools" and not present:
        raise EngineMissing("server.http", name)
    if present and name != "h11":
        from nexios.adapters.servers.shell_httptools import HttpToolsShell

        return HttpToolsShell
    from nexios.adapters.servers.shell_h11 import H11Shell

    return H11Shell


def insist_on_loop(name: str) -> None:
    """Refuse an event loop that is not installed.

    Raises:
        EngineMissing: uvloop is asked for and not there.
    """
    if name == "uvloop" and find_spec("uvloop") is None:
        raise EngineMissing("server.loop", name)
