"""Providers of an existing dependency-injector container, as sources of bindings.

Read by their attributes alone: only ``providers.py`` imports the library.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

from nexios.container.keys import MISSING
from nexios.records import dataclass


class Mountable(Protocol):
    """A dependency-injector container, as far as mounting goes."""

    @property
    def providers(self) -> Mapping[str, Any]:
        """Its providers by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Mounted:
    """One provider of somebody's container.

    Attributes:
        name: Its name there; a dot leads into a container inside: ``"sql.users"``.
    """

    container: Mountable
    name: str

    def source(self) -> Callable[[], object]:
        """Return a function that asks the provider, or awaits it where its graph does.

        The provider is asked each time, so it sees the overrides of the moment.
        """
        provider = self._find()

        def ask() -> object:
            return provider()

        async def ask_later() -> object:
            made = provider()
            return await made if inspect.isawaitable(made) else made

        source = ask_later if provider is not None and _awaits(provider) else ask
        source.__name__ = source.__qualname__ = self.name
        return source

    def fault(self, key: str) -> tuple[str, str] | None:
        """Return what is wrong with the name, and what mends it; None where it can be asked."""
        provider = self._find()
        if provider is None:
            names = sorted(_names(self.container))
            near = get_close_matches(self.name, names, n=1)
            fix = f"it has {', '.join(names) or 'none'}"
            if near:
                fix = f'mount(container, {{{key}: "{near[0]}"}}); {fix}'
            return f'the container mounted for {key} has no provider "{self.name}"', fix
        if getattr(_topmost(provider), "is_defined", True) is False:
            says = f'the provider "{self.name}" mounted for {key} is a Dependency nobody provided'
            return says, f"provide it where the container is made: {self.name}=..."
        return None

    def made(self) -> tuple[object, object]:
        """Return the class or function the provider makes its objects with, or its one value.

        Returns:
            A source and a value, one of them MISSING; both where nobody can tell.
        """
        provider = self._find()
        if provider is None:
            return MISSING, MISSING
        topmost = _topmost(provider)
        provides = getattr(topmost, "provides", MISSING)
        if _is_a("Object", topmost):
            return MISSING, provides
        if hasattr(provides, "overridden") or not callable(provides):
            return MISSING, MISSING
        if not _is_a("Resource", topmost):
            return provides, MISSING
        # A class that is a resource says elsewhere what it opens; a generator is wrapped.
        return MISSING if isinstance(provides, type) else inspect.unwrap(provides), MISSING

    def _find(self) -> Any:
        holder: Any = self.container
        provider: Any = None
        for part in self.name.split("."):
            provider = getattr(holder, "providers", {}).get(part)
            if provider is None:
                return None
            holder = provider.container if _is_a("Container", provider) else None
        return provider


def _names(container: Any, before: str = "") -> Sequence[str]:
    names: list[str] = []
    for name, provider in container.providers.items():
        if _is_a("Container", provider):
            names += _names(provider.container, f"{before}{name}.")
        else:
            names.append(f"{before}{name}")
    return names


def _topmost(provider: Any) -> Any:
    """Return what answers for a provider now: itself, or what its container put over it."""
    while provider.overridden:
        provider = provider.overridden[-1]
    return provider


def _awaits(provider: Any) -> bool:
    """Return whether asking a provider gives something to await."""
    return any(map(_makes_awaitable, (provider, *provider.traverse())))


def _makes_awaitable(provider: Any) -> bool:
    provides = getattr(provider, "provides", None)
    if not _is_a("Resource", provider):
        return inspect.iscoroutinefunction(provides)
    if isinstance(provides, type):
        init = getattr(provides, "init", None)
        return hasattr(provides, "__aenter__") or inspect.iscoroutinefunction(init)
    function = inspect.unwrap(provides) if callable(provides) else None
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _is_a(name: str, provider: object) -> bool:
    return any(cls.__name__ == name for cls in type(provider).__mro__)
