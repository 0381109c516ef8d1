"""Which hosts this application answers to."""

from collections.abc import Iterable
from typing import Any, ClassVar

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.asgi.url import parse_authority
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.request import Request
from nexios.application.errors import Forbidden
from nexios.middleware.base import BaseMiddleware, CallNext


class TrustedHostMiddleware(BaseMiddleware):
    """Refuses requests that name another host: 400, and 403 for sockets.

    An app whose configuration has ``allowed_hosts`` has this middleware already.

    Args:
        hosts: Exact names, ``*.example.org`` for one or more labels, or ``*``; a port counts
            where it is written. Without them ``allowed_hosts`` of the app.
    """

    stage: ClassVar[Stage] = Stage.HOSTS

    def __init__(self, hosts: Iterable[str] | None = None) -> None:
        if isinstance(hosts, str):
            raise TypeError(f"hosts is a list of names; write [{hosts!r}]")
        self._hosts = None if hosts is None else tuple(hosts)

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """What is served; None for everything, or what the app says."""
        return self._hosts

    def bind(self, app: Any) -> None:
        """Take the app's hosts, unless there are own ones."""
        if self._hosts is None:
            self._hosts = app.config.allowed_hosts

    async def __call__(
        self,
        request: Request,
        response: Response,  # noqa: ARG002  # the form of middleware
        call_next: CallNext,
    ) -> object:
        """Pass on what is meant for this application.

        Raises:
            HTTPException: 400 for everything else.
        """
        if self._hosts is not None and not serves(self._hosts, request):
            raise HTTPException(400, "the host is not served here")
        return await call_next()

    async def handshake(self, websocket: Connection) -> None:
        """Refuse a socket that was opened under another name.

        Raises:
            Forbidden: It was.
        """
        if self._hosts is not None and not serves(self._hosts, websocket):
            raise Forbidden("the host is not served here")


def serves(hosts: Iterable[str], connection: Connection) -> bool:
    """Return whether the host a client named is one of these."""
    named = parse_authority(connection.host)
    if named is None:
        return False
    return any(_is_host(named.host, named.port, entry.lower()) for entry in hosts)


def _is_host(host: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    name, _, wanted = (entry, "", "") if entry.endswith("]") else entry.rpartition(":")
    if not name or not wanted.isdecimal():
        name, wanted = entry, ""
    if wanted and str(port or "") != wanted:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) and len(host) >= len(name)
    return host == name
