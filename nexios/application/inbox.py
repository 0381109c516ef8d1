"""The port that lets a message from outside, which may come twice, have its effect once."""

from typing import Protocol


class Inbox(Protocol):
    """Remembers which messages were dealt with, in the transaction of their effect.

    Of the REQUEST scope, on the same unit of work as the service that asks.
    """

    async def accept(self, consumer: str, message_id: str) -> bool:
        """Take a message; False when its effect is there already, so there is nothing to do.

        Called first in the use case that has the effect. The same message at the same moment
        waits for that one: when it fails, this one is told True.

        Args:
            consumer: Who deals with it; each consumer has its own effect.
            message_id: The broker's or sender's name of the message, the same each time.

        Raises:
            OutsideTransaction: No use case runs.
        """
        ...
