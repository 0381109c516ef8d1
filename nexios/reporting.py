"""Takes note of what failed in an application and was answered by nobody."""

import logging
import secrets
from typing import Any, Final

from anyio.abc import TaskGroup

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.occasion import occasion_of
from nexios.adapters.observability.errors import ErrorDesk
from nexios.application.sections.answers import ErrorSettings
from nexios.application.tracking import ErrorTracker, Kind, Occasion, tell
from nexios.container.container import Container
from nexios.watching import Watching


class Reporting:
    """Says of each failure where it came about, to the log and to the tracker.

    Attributes:
        desk: Where errors are numbered, counted and handed on.
    """

    def __init__(self, app: Any, settings: ErrorSettings, watching: Watching) -> None:
        """Hand nothing on before `start`.

        Args:
            app: The NexiosApp; this file stands below it.
            settings: Section ``errors``.
            watching: Told of errors of requests and sockets.
        """
        self._logger: Final[logging.Logger] = app.logger
        self._watching: Final = watching
        self.desk: Final = ErrorDesk(
            app.logger,
            version=app.version,
            with_locals=settings.report_locals,
            signals=app.signals,
        )

    async def start(self, container: Container, tasks: TaskGroup) -> None:
        """Report to the tracker that is bound, if one is."""
        self.desk.start(await container.get(ErrorTracker | None), tasks)

    async def stop(self) -> None:
        """Hand on what is left."""
        await self.desk.stop()

    def failed(
        self, error: BaseException, connection: Connection, error_id: str, where: str = ""
    ) -> None:
        """Note that a request or a socket failed."""
        self._watching.failed(error, connection.scope, error_id, where)
        self.desk.note(error, error_id, occasion_of(connection, where))

    def work_failed(self, error: BaseException, work: str, kind: Kind = "work") -> None:
        """Note that work behind the answers failed."""
        self.desk.note(error, secrets.token_hex(8), Occasion(kind, work))

    def delivery_died(self, error: BaseException, consumer: str) -> None:
        """Note that an event is not delivered to a consumer any more."""
        self.work_failed(error, consumer, "delivery")

    def listener_failed(self, error: Exception, event: str) -> None:
        """Note that a listener of ``app.events`` failed."""
        tell(self._logger, logging.ERROR, error, "a listener of %s failed", event)

    def channel_failed(self, error: BaseException, text: str) -> None:
        """Note that what carries channels failed, in the words of the hub."""
        tell(self._logger, logging.ERROR, error, "%s", text)
