"""Where the domain takes the time from."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; a rule that needs it is handed one, so that tests can move it."""

    def now(self) -> datetime:
        """Return the current instant, always with a timezone."""
        ...
