"""How an application stands: its health checks, its event loop, and the probes that ask."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from anyio.abc import TaskGroup

from nexios.adapters.asgi.lag import LoopWatch
from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.health import HealthDoor
from nexios.application.health import CheckState, Health, HealthBoard
from nexios.application.scrub import scrubbed
from nexios.watching import Watching


class Probing:
    """Answers probes from the checks of what the container holds.

    Attributes:
        board: Asks the checks.
        door: Where probes are served on the application's own port; None where they are not.
        with_details: The same for operators, who are told of the single checks.
    """

    def __init__(
        self,
        singletons: Callable[[], Iterable[object]],
        watching: Watching,
        logger: logging.Logger,
        *,
        probed: bool,
    ) -> None:
        """Ask nobody yet.

        Args:
            singletons: Returns, afresh each time, the objects among which the checks are.
            watching: Told what changes.
            logger: Where a check that goes down or comes up is written.
            probed: Probes are answered on the application's own port.
        """
        self._watching: Final = watching
        self._logger: Final = logger
        board = HealthBoard(singletons, changed=self._changed, turned=watching.turned)
        watch = LoopWatch(blocked=watching.blocked)
        self.board: Final = board
        self._watch: Final = watch
        self.door: Final = HealthDoor(board, watch) if probed else None
        self.with_details: Final = HealthDoor(board, watch, details=True)

    def open_beside(self, routes: CompiledRoutes) -> None:
        """Leave the paths of probes to the application's own routes, where it has such."""
        if self.door is not None:
            units = (unit.flat for unit in routes.units)
            own = (path for flat in units if "GET" in flat.route.methods for path in flat.paths)
            self.door.open_beside(own)

    async def until_critical_up(self) -> None:
        """Wait for what is critical; the log says which it is."""
        await self.board.until_critical_up()

    def start(self, tasks: TaskGroup, interval_s: float) -> None:
        """Note that the application has started; from now on checks are asked without probes."""
        self.board.starting = self.board.draining = False
        tasks.start_soon(self.board.watch, interval_s, name="nexios health")
        tasks.start_soon(self._watch.run, name="nexios loop watch")

    @property
    def retired(self) -> bool:
        """Whether the application takes its leave."""
        return self.board.draining

    def retire(self) -> None:
        """Be ready no more, whatever the checks say."""
        self.board.draining = True

    def stop(self) -> None:
        """Be as before the start."""
        self.board.starting = True

    def _changed(self, check: str, state: CheckState) -> None:
        self._watching.changed(check, state)
        if state.health is Health.DOWN:
            self._logger.warning("health check %s is down: %s", check, scrubbed(state.says))
        else:
            self._logger.info("health check %s is up again", check)
