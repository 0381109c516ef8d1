"""A TCP proxy that cuts the wire at a chosen message of the PostgreSQL protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum


class Cut(Enum):
    """When to cut, seen from the client's COMMIT."""

    NEVER = "never"
    BEFORE = "before it reaches the server"
    AFTER = "after the server has answered it"


class CuttingProxy:
    """Stands between a client and a server.

    Attributes:
        cut: Set it, and the next COMMIT of any connection is treated so; then it is NEVER again.
        refuse: Close every new connection at once.
        refuse_after_cut: Begin to refuse when the wire is cut.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self.cut = Cut.NEVER
        self.refuse = False
        self.refuse_after_cut = False
        self.cuts = 0

    @property
    def port(self) -> int:
        """Where it listens, while ``running``."""
        if self._server is None:
            raise RuntimeError("the proxy listens inside of running() only")
        return int(self._server.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CuttingProxy"]:
        """Listen on a free loopback port for the body of an ``async with``."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        mute = asyncio.Event()
        back = asyncio.create_task(self._back(up_reader, writer, mute))
        try:
            await self._forward(reader, up_writer, mute)
        finally:
            up_writer.transport.abort()
            writer.transport.abort()
            back.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await back

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        mute: asyncio.Event,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.cut is not Cut.NEVER and b"COMMIT\x00" in data:
                    cut, self.cut = self.cut, Cut.NEVER
                    self.cuts += 1
                    self.refuse = self.refuse_after_cut
                    if cut is Cut.BEFORE:
                        return
                    mute.set()
                up_writer.write(data)
                await up_writer.drain()

    async def _back(
        self, up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await up_reader.read(65536):
                if mute.is_set():
                    # The answer to COMMIT is here: it is done, and nobody will hear of it.
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
            writer.close()
