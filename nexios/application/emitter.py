"""Events inside one process: who listens is called when somebody emits.

For what must not be lost, domain events and the outbox are the way; these are for signals
between parts of one application.
"""

import inspect
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import field
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar, overload

from anyio.abc import TaskGroup

from nexios.application.emission import Emission
from nexios.application.tracking import tell
from nexios.records import dataclass

L = TypeVar("L", bound=Callable[..., Any])
Report = Callable[[Exception, str], None]
"""Told of each listener that failed: the error and the name of the event."""

DEFAULT_MAX_LISTENERS: Final = 100

_log: Final = logging.getLogger("nexios.events")


class EventPriority(Enum):
    """In which order listeners are called."""

    HIGHEST = 1
    HIGH = 2
    NORMAL = 3
    MEDIUM = NORMAL
    LOW = 4
    LOWEST = 5


class EventPhase(Enum):
    """When a listener of a parent is called: before the event's own ones, or after them."""

    CAPTURING = 1
    AT_TARGET = 2
    BUBBLING = 3


class EventError(Exception):
    """Root of the errors of events."""


class ListenerAlreadyRegisteredError(EventError):
    """The same function listens to this event already."""


class MaxListenersExceededError(EventError):
    """An event has as many listeners as it may have, which mostly means that they leak."""


class EventCancelledError(EventError):
    """A listener raises it to keep those behind it from being called."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A function and how it listens."""

    target: Callable[[], Callable[..., Any] | None]
    priority: EventPriority
    phase: EventPhase
    once: bool


@dataclass(slots=True)
class Home:
    """What the events of one emitter share: who runs tasks, who is told of failures."""

    tasks: TaskGroup | None = None
    report: Report = field(
        default=lambda error, name: tell(
            _log, logging.ERROR, error, "a listener of %s failed", name
        )
    )


class Event:
    """One event and its listeners.

    Attributes:
        name: Whole, with its namespaces.
        enabled: While False, emitting calls nobody.
        parent: Its listeners hear this event too: those of the phase CAPTURING before the
            event's own, the others after.
        max_listeners: One more is refused.
        listeners: In the order they are called.
        home: What the events of one emitter share.
    """

    def __init__(self, name: str, max_listeners: int | None = None) -> None:
        """Make an event nobody listens to."""
        self.name = name
        self.enabled = True
        self.parent: Event | None = None
        self.max_listeners = max_listeners or DEFAULT_MAX_LISTENERS
        self.listeners: list[Listener] = []
        self.home = Home()

    @property
    def listener_count(self) -> int:
        """How many listen."""
        return len(self.listeners)

    @overload
    def listen(
        self,
        func: None = None,
        *,
        priority: EventPriority = ...,
        weak_ref: bool = ...,
        phase: EventPhase = ...,
        once: bool = ...,
    ) -> Callable[[L], L]: ...
    @overload
    def listen(
        self,
        func: L,
        *,
        priority: EventPriority = ...,
        weak_ref: bool = ...,
        phase: EventPhase = ...,
        once: bool = ...,
    ) -> L: ...
    def listen(
        self,
        func: Callable[..., Any] | None = None,
        *,
        priority: EventPriority = EventPriority.NORMAL,
        weak_ref: bool = False,
        phase: EventPhase = EventPhase.BUBBLING,
        once: bool = False,
    ) -> Any:
        """Call ``func``, sync or async, whenever this is emitted; also a decorator.

        Args:
            func: Takes what is given to ``emit``.
            priority: Higher ones are called first, equal ones in order of registration.
            weak_ref: Forget the listener when nobody else holds it.
            phase: When it hears the events of children.
            once: Forget it after the first call.

        Raises:
            ListenerAlreadyRegisteredError: It listens already.
            MaxListenersExceededError: As many listen as may.
        """

        def register(function: L) -> L:
            if self.has_listener(function):
                raise ListenerAlreadyRegisteredError(f"{function!r} listens to {self.name!r}")
            if len(self.listeners) >= self.max_listeners:
                raise MaxListenersExceededError(
                    f"{self.name!r} has {self.max_listeners} listeners, as many as it may"
                    "\n  fix: remove some, or raise event.max_listeners"
                )
            target = _weak(function) if weak_ref else _strong(function)
            self.listeners.append(Listener(target, priority, phase, once))
            # Sorting is stable, so equal ones stay in order of registration.
            self.listeners.sort(key=lambda listener: listener.priority.value)
            return function

        return register if func is None else register(func)

    def once(self, func: Any = None, **how: Any) -> Any:
        """Call ``func`` at the next emit alone; otherwise as `listen`."""
        return self.listen(func, once=True, **how)

    def has_listener(self, listener: Callable[..., Any]) -> bool:
        """Tell whether a function listens."""
        return any(known.target() == listener for known in self.listeners)

    def remove_listener(self, listener: Callable[..., Any]) -> None:
        """Forget a function; nothing happens when it does not listen."""
        self.listeners = [one for one in self.listeners if one.target() != listener]

    def remove_all_listeners(self) -> None:
        """Forget all of them."""
        self.listeners = []

    def trigger(self, *args: Any, **kwargs: Any) -> Emission:
        """Call everybody who listens: sync listeners now, async ones beside the caller.

        A listener that raises is reported, and the next one is called all the same.
        """
        emission = Emission(self.name)
        if not self.enabled:
            emission.update(cancelled=True, reason="Event disabled")
            return emission
        begun = time.perf_counter()
        for event, listener in self._heard_by():
            function = listener.target()
            if (listener.once or function is None) and listener in event.listeners:
                event.listeners.remove(listener)
            if function is None:
                continue
            emission["listeners_executed"] += 1
            if not self._call(emission, partial(function, *args, **kwargs)):
                emission["cancelled"] = True
                break
        emission["execution_time"] = time.perf_counter() - begun
        return emission

    def _call(self, emission: Emission, call: Callable[[], Any]) -> bool:
        if _is_async(call):
            emission.start(partial(self._guarded, emission, call), self.home.tasks)
            return True
        try:
            result = call()
        except EventCancelledError:
            return False
        except Exception as error:
            self._failed(emission, error)
            return True
        if inspect.isawaitable(result):
            emission.start(partial(self._guarded, emission, lambda: result), self.home.tasks)
        return True

    async def _guarded(self, emission: Emission, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            await call()
        except EventCancelledError:
            emission["cancelled"] = True
        except Exception as error:
            self._failed(emission, error)

    def _failed(self, emission: Emission, error: Exception) -> None:
        emission["failed"] += 1
        self.home.report(error, self.name)

    def _heard_by(self) -> Iterator[tuple["Event", Listener]]:
        above: list[Event] = []
        event = self.parent
        while event is not None and event is not self and event not in above:
            above.append(event)
            event = event.parent
        early = EventPhase.CAPTURING
        for one in reversed(above):
            yield from ((one, item) for item in list(one.listeners) if item.phase is early)
        yield from ((self, item) for item in list(self.listeners))
        for one in above:
            yield from ((one, item) for item in list(one.listeners) if item.phase is not early)

    def __repr__(self) -> str:
        return f"<Event {self.name!r}, {self.listener_count} listeners>"


class _Names:
    """Events by name, as an emitter and its namespaces offer them alike."""

    def event(self, event_name: str) -> Event:
        """Return the event of this name, making it."""
        raise NotImplementedError

    def on(self, event_name: str, func: Any = None, **how: Any) -> Any:
        """Let ``func`` listen, see `Event.listen`; also a decorator."""
        return self.event(event_name).listen(func, **how)

    def once(self, event_name: str, func: Any = None, **how: Any) -> Any:
        """Let ``func`` listen for the next emit alone; also a decorator."""
        return self.event(event_name).once(func, **how)

    def emit(self, event_name: str, *args: Any, **kwargs: Any) -> Emission:
        """Call who listens with these arguments; see `Event.trigger` and `Emission`."""
        return self.event(event_name).trigger(*args, **kwargs)

    def remove_listener(self, event_name: str, listener: Callable[..., Any]) -> None:
        """Let a function listen no more."""
        self.event(event_name).remove_listener(listener)

    off = remove_listener

    def __getitem__(self, event_name: str) -> Event:
        return self.event(event_name)


class EventEmitter(_Names):
    """Events by name. ``app.events`` is one that the application drives.

    Under an application async listeners run in its task group and failures go to its log and
    error tracker. An emitter made by hand logs failures, and runs async listeners when the
    result of ``emit`` is awaited.
    """

    def __init__(self) -> None:
        """Make an emitter without events."""
        self._events: dict[str, Event] = {}
        self.home = Home()

    def drive(self, tasks: TaskGroup | None, report: Report | None = None) -> None:
        """Run async listeners in ``tasks`` from now on; None ends that.

        Args:
            report: Told of listeners that fail, in place of who was told before.
        """
        self.home.tasks = tasks
        if report is not None:
            self.home.report = report

    def event(self, event_name: str) -> Event:
        """Return the event of this name, making it."""
        found = self._events.get(event_name)
        if found is None:
            found = self._events[event_name] = Event(event_name)
            found.home = self.home
        return found

    def namespace(self, namespace: str) -> "EventNamespace":
        """Return a view of the events whose names begin with ``namespace:``."""
        return EventNamespace(self, namespace)

    def remove_event(self, event_name: str) -> None:
        """Forget an event and who listens to it."""
        self._events.pop(event_name, None)

    def remove_all_events(self) -> None:
        """Forget everything."""
        self._events.clear()

    def remove_all_listeners(self, event_name: str | None = None) -> None:
        """Forget who listens to one event, or to all of them."""
        for event in list(self._events.values()) if event_name is None else [self[event_name]]:
            event.remove_all_listeners()

    def event_names(self) -> list[str]:
        """Return the names in order of making."""
        return list(self._events)

    def has_event(self, event_name: str) -> bool:
        """Tell whether somebody has asked for an event of this name."""
        return event_name in self._events

    __contains__ = has_event


class AsyncEventEmitter(EventEmitter):
    """An emitter with the names 2.11 had for waiting; `EventEmitter` can do the same."""

    async def emit_async(self, event_name: str, *args: Any, **kwargs: Any) -> Emission:
        """Call who listens and wait for all of them."""
        return await self.emit(event_name, *args, **kwargs)

    def schedule_emit(self, event_name: str, *args: Any, **kwargs: Any) -> Emission:
        """Call who listens; the result may be awaited."""
        return self.emit(event_name, *args, **kwargs)


class EventNamespace(_Names):
    """The events of an emitter whose names begin with ``<namespace>:``."""

    def __init__(self, emitter: EventEmitter, namespace: str) -> None:
        """Look at ``emitter``."""
        self._emitter = emitter
        self._namespace = namespace

    def event(self, event_name: str) -> Event:
        """Return the event of this name in the namespace, making it."""
        return self._emitter.event(f"{self._namespace}:{event_name}")

    def namespace(self, sub_namespace: str) -> "EventNamespace":
        """Return a namespace within this one."""
        return EventNamespace(self._emitter, f"{self._namespace}:{sub_namespace}")


def _is_async(call: Any) -> bool:
    while isinstance(call, partial):
        call = call.func
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(type(call), "__call__", None)  # noqa: B004  # async or not is the question
    )


def _strong(function: Callable[..., Any]) -> Callable[[], Callable[..., Any] | None]:
    return lambda: function


def _weak(function: Callable[..., Any]) -> Callable[[], Callable[..., Any] | None]:
    return weakref.WeakMethod(function) if inspect.ismethod(function) else weakref.ref(function)
