"""Security events in a list, for tests that ask what was noted."""

from nexios.application.security_events import SecurityEvent


class KeptSecurityEvents:
    """The port `SecurityEvents` in memory.

    Attributes:
        events: In the order they came.
    """

    def __init__(self) -> None:
        self.events: list[SecurityEvent] = []

    async def record(self, event: SecurityEvent) -> None:
        """Keep an event."""
        self.events.append(event)
