"""Waiting for a link between processes to go up and down."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from nexios.application.backplane import Link, LinkState
from nexios.application.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")


class Links(list[Link]):
    """What was told of the link, and somebody to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._came = anyio.Event()

    def __call__(self, link: Link) -> None:
        self.append(link)
        self._came.set()
        self._came = anyio.Event()

    async def until(self, state: LinkState) -> None:
        with anyio.fail_after(30):
            while not self or self[-1].state is not state:
                await self._came.wait()


async def healed(call: Callable[[], Awaitable[T]]) -> T:
    """Return what a call gives once the server answers again; a busy machine takes a while."""
    with anyio.fail_after(30):
        while True:
            try:
                return await call()
            except (Unavailable, OutcomeUnknown):
                await anyio.sleep(0.05)
