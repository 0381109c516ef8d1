"""Tells which of uvicorn's engines for requests the shell stands around."""

from importlib.util import find_spec

from nexios.adapters.servers.shell import Shell


def http_protocol() -> type[Shell]:
    """Return the shell over httptools where that is installed, else the one over h11."""
    if find_spec("httptools") is not None:
        from nexios.adapters.servers.shell_httptools import HttpToolsShell

        return HttpToolsShell
    from nexios.adapters.servers.shell_h11 import H11Shell

    return H11Shell
