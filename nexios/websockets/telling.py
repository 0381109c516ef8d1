"""Tells of broadcasts whoever listens; metrics do."""

import time
from collections.abc import Awaitable

from nexios.application.backplane import Stored
from nexios.application.listening import Signals
from nexios.application.signals import ChannelPublished


class Telling:
    """The signals of one hub.

    Attributes:
        heard: Who listens: then broadcasts go through `told`.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self.heard = signals.listeners(ChannelPublished)

    async def told(
        self, publishing: Awaitable[Stored | None], channel: str, size: int
    ) -> Stored | None:
        """Publish, and tell of it.

        Args:
            size: Bytes of the payload.
        """
        failure: str | None = None
        began = time.perf_counter()
        try:
            return await publishing
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            spent_s = time.perf_counter() - began
            self._signals.tell(ChannelPublished(channel, size, spent_s, failure))
