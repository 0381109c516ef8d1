"""Who is told what happens: called at once, in order, in the task where it happens.

For what must not be lost, the outbox is the way; for parts of one application that talk to each
other, the emitter.
"""

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol, TypeVar, cast, overload

E = TypeVar("E")
L = TypeVar("L", bound=Callable[..., Any])

_log: Final = logging.getLogger("nexios.signals")


class Listener(Protocol):
    """An object that watches. Every singleton of the container like this is attached at start.

    Attributes:
        listens_to: The types it is called with; or a mapping, which gives each type a method of
            its own, and then it need not be callable.
    """

    @property
    def listens_to(self) -> "Collection[type] | Mapping[type, Callable[[Any], object]]":
        """What it is told."""
        ...


class Telling(Protocol):
    """A singleton that has something to tell, a database for one: it is given ``signals``."""

    def tell_to(self, signals: "Signals") -> None:
        """Tell these from now on; called once, at start."""
        ...


class NotListening(TypeError):
    """Something was to listen that cannot."""

    def __init__(self, given: object, why: str, fix: str) -> None:
        self.given = given
        self.why = why
        self.fix = fix
        super().__init__(given, why, fix)

    def __str__(self) -> str:
        name = getattr(self.given, "__qualname__", None) or repr(self.given)
        return f"{name} cannot listen to signals: {self.why}\n  fix: {self.fix}"


class Signals:
    """Who is told what.

    Listeners are called in the order they came, where it happened: they must be quick, and are
    no coroutines. What one raises is counted and stops nobody.

    Attributes:
        failures: How often a listener raised.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        """Tell nobody yet.

        Args:
            changed: Called when an event is heard that was not before, or the other way round.
        """
        self._heard: dict[type, list[Callable[[Any], object]]] = {}
        self._changed = changed
        self._said: set[Callable[[Any], object]] = set()
        self.failures = 0

    @overload
    def on(self, event: type[E]) -> Callable[[L], L]: ...
    @overload
    def on(self, event: type[E], listener: Callable[[E], object]) -> Callable[[E], object]: ...
    @overload
    def on(self, event: Listener) -> Listener: ...
    def on(self, event: Any, listener: Any = None) -> Any:
        """Call a function with each event of a type, or attach a `Listener` with all of its own.

        ``signals.on(RequestFinished, note)``, ``@signals.on(RequestFinished)``,
        ``signals.on(watcher)``.

        Raises:
            NotListening: It is ``async``, a class instead of an instance, or listens to nothing.
        """
        if listener is None and isinstance(event, type) and not _is_listener(event):
            return lambda function: self.on(event, function)
        pairs = _pairs(event, listener)
        for kind, call in pairs:
            _check(kind, call)
        heard = [bool(self.listeners(kind)) for kind, _ in pairs]
        for kind, call in pairs:
            self.listeners(kind).append(call)
        if not all(heard):
            self._changed()
        return event if listener is None else listener

    def off(self, event: Any, listener: Any = None) -> None:
        """Undo an `on` with the same arguments; nothing happens where there was none."""
        for kind, call in _pairs(event, listener):
            heard = self.listeners(kind)
            if call in heard:
                heard.remove(call)
                self._said.discard(call)
                if not heard:
                    self._changed()

    def listeners(self, event: type) -> list[Callable[[Any], object]]:
        """Return who hears a type: always the same list, for who asks often whether it is empty.

        It is read only; `on` and `off` change it.
        """
        return self._heard.setdefault(event, [])

    def hears(self, *events: type) -> bool:
        """Return whether somebody listens to one of these; otherwise none needs be made."""
        return any(self._heard.get(event) for event in events)

    def tell(self, event: object) -> None:
        """Call who listens to this type of event. Raises nothing that a listener raises."""
        for listener in tuple(self._heard.get(type(event), ())):
            try:
                listener(event)
            except Exception as error:
                self.note(listener, event, error)

    def note(self, listener: Callable[[Any], object], event: object, error: Exception) -> None:
        """Count what a listener raised, and log the first of its errors."""
        self.failures += 1
        if listener not in self._said:
            # Once: it may fail at every request.
            self._said.add(listener)
            name = getattr(listener, "__qualname__", type(listener).__qualname__)
            kind = type(event).__name__
            _log.error("%s failed at %s; from now on it is counted", name, kind, exc_info=error)


def attach(signals: Signals, singletons: Collection[object], known: set[int]) -> list[Listener]:
    """Attach the listeners among these objects, and hand ``signals`` to those that tell.

    Args:
        signals: Of the application.
        singletons: Of its container.
        known: The ids of those that were seen before, which are left out; the others are added.

    Returns:
        The listeners that were attached.
    """
    fresh = [one for one in singletons if id(one) not in known and not isinstance(one, type)]
    known.update(id(one) for one in fresh)
    attached: list[Listener] = []
    for one in fresh:
        if callable(getattr(type(one), "tell_to", None)):
            one.tell_to(signals)  # type: ignore[attr-defined]  # asked in the line before
        if _is_listener(type(one)):
            attached.append(signals.on(cast("Listener", one)))
    return attached


def _is_listener(kind: type) -> bool:
    return hasattr(kind, "listens_to")


def _pairs(event: Any, listener: Any) -> list[tuple[Any, Any]]:
    if listener is not None:
        return [(event, listener)]
    if isinstance(event, type):
        raise NotListening(event, "it is a class", f"give an instance: {event.__name__}()")
    wanted = getattr(event, "listens_to", None)
    if not wanted:
        raise NotListening(
            event, "it does not say what it listens to", "signals.on(RequestFinished, listener)"
        )
    if isinstance(wanted, Mapping):
        return list(wanted.items())
    return [(kind, event) for kind in wanted]


def _check(kind: object, call: object) -> None:
    if not isinstance(kind, type):
        raise NotListening(
            call, f"{kind!r} is no class of events", "on(RequestFinished, listener)"
        )
    function = call if inspect.isroutine(call) else getattr(type(call), "__call__", None)  # noqa: B004  # async or not is the question
    if not callable(call) or inspect.iscoroutinefunction(function):
        raise NotListening(
            call, "nobody would await it", "a plain function that notes and returns at once"
        )
