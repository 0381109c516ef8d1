"""Hands what guards, logins and sessions notice to the application's `SecurityEvents`."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from nexios.application.errors import Unavailable
from nexios.application.security_events import SecurityEvent, SecurityEvents, note
from nexios.application.tracking import tell
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint

_LOGGER: Final = logging.getLogger("nexios.security")
_APART_S: Final = 1.0
_REMEMBERED: Final = 1_000


class EventDesk:
    """Records events: where nobody is bound, in the log ``nexios.security``.

    The same refusal of the same caller is told once a second: whoever knocks on a closed door
    fills no log. What cannot be recorded is logged; it stops nobody unless it is required.

    Args:
        clock: Seconds that only grow.
    """

    __slots__ = ("_clock", "_entry", "_told")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Log, until somebody is bound."""
        self._clock = clock
        self._entry: Entry | None = None
        self._told: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def wire(self, container: Container) -> None:
        """Find the `SecurityEvents` that are bound, if any."""
        if SecurityEvents in container:
            self._entry = container.entry(EntryPoint("the security events", _bound_events))

    async def record(self, event: SecurityEvent, *, seldom: bool = False) -> None:
        """Tell of an event.

        Args:
            seldom: Once a second, as refusals are whether that is said or not.

        Raises:
            Unavailable: It is required and cannot be recorded: what it tells of must not happen.
        """
        if (seldom or event.outcome == "denied") and self._told_lately(event):
            return
        if self._entry is None:
            note(event)
            return
        try:
            plan = self._entry.plan
            found: Any = plan.call()
            port: SecurityEvents = await found if plan.awaits else found
            await port.record(event)
        except Exception as error:
            tell(_LOGGER, logging.ERROR, error, "a security event could not be recorded")
            note(event)
            if event.required:
                raise Unavailable("this cannot be recorded now") from error

    def _told_lately(self, event: SecurityEvent) -> bool:
        now, told = self._clock(), self._told
        key = (event.action, event.actor, event.reason)
        last = told.get(key)
        if last is not None and now - last < _APART_S:
            return True
        told[key] = now
        told.move_to_end(key)
        if len(told) > _REMEMBERED:
            told.popitem(last=False)
        return False


def _bound_events(events: SecurityEvents = Depend()) -> SecurityEvents:
    return events
