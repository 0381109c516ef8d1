"""Makes events of what takes its time: the deliveries of a worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from nexios.application.listening import Signals
from nexios.application.outbox import Delivery
from nexios.application.signals import DeliveryDead, DeliveryDone, DeliveryFailed, DeliveryStarted


class ToldDeliveries:
    """Tells of the deliveries of one worker."""

    __slots__ = ("_signals",)

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    @contextmanager
    def attempt(self, delivery: Delivery) -> Iterator[None]:
        """Tell of one attempt, made within."""
        signals = self._signals
        if not signals.hears(DeliveryStarted, DeliveryDone, DeliveryFailed):
            yield
            return
        consumer, event = delivery.consumer, delivery.envelope.name
        signals.tell(DeliveryStarted(consumer, event, delivery.attempts + 1))
        begun = perf_counter()
        try:
            yield
        except BaseException as error:
            spent = perf_counter() - begun
            signals.tell(DeliveryFailed(consumer, event, spent, type(error).__name__))
            raise
        signals.tell(DeliveryDone(consumer, event, perf_counter() - begun))

    def dead(self, delivery: Delivery) -> None:
        """Tell that the last attempt has failed."""
        if self._signals.hears(DeliveryDead):
            self._signals.tell(DeliveryDead(delivery.consumer, delivery.envelope.name))
