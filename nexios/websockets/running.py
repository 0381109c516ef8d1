"""The only table of the process: what runs on this event loop, by the app it belongs to."""

from typing import Generic, Protocol, TypeVar

from anyio.lowlevel import RunVar

from nexios.websockets.errors import AmbiguousApp, NoRunningApp


class OfApp(Protocol):
    """Something that belongs to an app."""

    app: object


T = TypeVar("T", bound=OfApp)


class Running(Generic[T]):
    """Who runs on this loop. anyio keeps it weakly by loop."""

    def __init__(self, name: str) -> None:
        self._all: RunVar[tuple[T, ...]] = RunVar(name)

    def enter(self, one: T) -> None:
        """Note one that has started."""
        self._all.set((*self._all.get(()), one))

    def leave(self, one: T) -> None:
        """Forget one that has stopped."""
        self._all.set(tuple(other for other in self._all.get(()) if other is not one))

    @property
    def all(self) -> tuple[T, ...]:
        """All that run here."""
        return self._all.get(())

    def of(self, app: object | None, channel: str) -> T:
        """Return the one of ``app``; for None the only one that runs here.

        Raises:
            NoRunningApp: None runs here.
            AmbiguousApp: Several do, and ``app`` does not say which.
        """
        running = self._all.get(())
        if app is not None:
            running = tuple(one for one in running if one.app is app)
        if not running:
            raise NoRunningApp(channel)
        if len(running) > 1:
            raise AmbiguousApp(channel, len(running))
        return running[0]
