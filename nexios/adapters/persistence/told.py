"""Tells those who watch an application of its stores: statements, waits, use cases."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

from nexios.application.listening import Signals
from nexios.application.signals import (
    PoolWaited,
    StatementRan,
    UseCaseFinished,
    UseCaseStarted,
)

# Names in quotes, which stay; texts, where a backslash means something only behind an E; and
# numbers that are no part of a name or a placeholder.
_VALUE: Final = re.compile(
    r"""(?P<name>"[^"]*")
    | (?<!\w)[eE]'(?:[^'\\]|''|\\.)*'?
    | '(?:[^']|'')*'?
    | (?<!\w)\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
    | (?<![\w$:?.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b""",
    re.DOTALL | re.VERBOSE,
)
_TEXT_CHARACTERS: Final = 2000


class StoreTold:
    """Whom one store tells; nobody, until the application hands it its signals.

    Attributes:
        signals: Of the application.
        ran: Who hears of statements.
        waited: Who hears of waits for a connection.
    """

    __slots__ = ("_store", "ran", "signals", "waited")

    def __init__(self, store: str) -> None:
        """Speak of the store by its kind."""
        self._store = store
        self.signals = Signals()
        self.ran: Sequence[Callable[[Any], object]] = ()
        self.waited: Sequence[Callable[[Any], object]] = ()

    def tell_to(self, signals: Signals) -> None:
        """Tell these from now on."""
        self.signals = signals
        self.ran = signals.listeners(StatementRan)
        self.waited = signals.listeners(PoolWaited)

    @contextmanager
    def statement(self, text: str) -> Iterator[None]:
        """Tell of a statement that runs within."""
        begun, failure = perf_counter(), None
        try:
            yield
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            spent = perf_counter() - begun
            self.signals.tell(StatementRan(self._store, without_values(text), spent, failure))

    def wait(self, begun: float, *, given: bool) -> None:
        """Tell of a wait that began then, on ``perf_counter``."""
        self.signals.tell(PoolWaited(self._store, perf_counter() - begun, given))

    @contextmanager
    def use_case(self, name: str) -> Iterator[None]:
        """Tell of a use case that runs within."""
        signals = self.signals
        signals.tell(UseCaseStarted(name))
        begun, failure = perf_counter(), None
        try:
            yield
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            signals.tell(UseCaseFinished(name, perf_counter() - begun, failure))


@lru_cache(maxsize=512)
def without_values(text: str) -> str:
    """Return a statement with ``?`` for every text and number that was written into it."""
    return _VALUE.sub(lambda found: found["name"] or "?", text)[:_TEXT_CHARACTERS]
