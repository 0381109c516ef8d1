"""Awaits what must not be left half done."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def to_the_end(
    work: Coroutine[Any, Any, T],
    context: Context | None = None,
) -> tuple["asyncio.Task[T]", asyncio.CancelledError | None]:
    """Run ``work`` in a task of its own and wait for it, whoever cancels meanwhile.

    Neither anyio's cancellation nor ``Task.cancel()`` reaches it. 9 us.

    Args:
        work: What must not be left half done.
        context: Where it runs; the caller's, copied, unless told.

    Returns:
        The finished task, and the native cancellation that came meanwhile, for the caller to
        raise when it has cleaned up.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, context=context)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            # asyncio.wait would do, and costs as much as the task itself.
            ended = loop.create_future()
            task.add_done_callback(partial(_tell, ended))
            try:
                await ended
            except asyncio.CancelledError as error:
                cancelled = error
    return task, cancelled


def _tell(ended: "asyncio.Future[None]", _: object) -> None:
    if not ended.done():
        ended.set_result(None)
