"""Closes open bindings: each for each key that is asked, once."""

from collections.abc import Iterable, Iterator

from nexios.container.binding import Binding
from nexios.container.generics import close, fit, is_same
from nexios.container.keys import AnyKey
from nexios.container.module import Module
from nexios.container.typevars import is_open


class Forms:
    """The closed forms that were made so far, and how open keys are said.

    Attributes:
        late: Whether the container runs: what is closed from now on is no part of its start.
    """

    def __init__(self, home: dict[Binding, Module]) -> None:
        """Start without any.

        Args:
            home: The module of each binding; told that of each closed form.
        """
        self.late = False
        self._home = home
        self._patterns: list[AnyKey] = []
        self._closed: dict[tuple[Binding, AnyKey], Binding] = {}

    def as_bound(self, key: AnyKey) -> AnyKey:
        """Return the first open key that says the same as ``key``, whatever it calls its T."""
        if not is_open(key):
            return key
        for other in self._patterns:
            if is_same(other, key):
                return other
        self._patterns.append(key)
        return key

    def answering(self, bindings: Iterable[Binding], key: AnyKey) -> Iterator[Binding]:
        """Return those bindings that answer for ``key``, open ones closed for it."""
        for binding in bindings:
            if self.as_bound(binding.key) == key:
                yield binding
            elif is_open(binding.key) and not is_open(key) and fit(binding.key, key) is not None:
                yield self._form(binding, key)

    def _form(self, binding: Binding, key: AnyKey) -> Binding:
        name = (binding, key)
        if name not in self._closed:
            made = self._closed[name] = close(binding, key, late=self.late)
            self._home[made] = self._home[binding]
        return self._closed[name]
