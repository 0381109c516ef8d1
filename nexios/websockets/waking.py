"""Lets one task sleep until somebody has work for it."""

import asyncio

import anyio


class Wake:
    """Wakes the one task that sleeps here, and is forgotten when nobody does."""

    __slots__ = ("_signal",)

    def __init__(self) -> None:
        self._signal: asyncio.Future[None] | anyio.Event | None = None

    async def sleep(self) -> None:
        """Return when ``rouse`` is called."""
        try:
            # A future of the loop: anyio's event costs more than the write it waits for.
            future = self._signal = asyncio.get_running_loop().create_future()
        except RuntimeError:
            event = self._signal = anyio.Event()
            await event.wait()
        else:
            await future

    def rouse(self) -> None:
        """Wake who sleeps."""
        signal, self._signal = self._signal, None
        if signal is None:
            return
        if isinstance(signal, anyio.Event):
            signal.set()
        elif not signal.done():
            signal.set_result(None)
