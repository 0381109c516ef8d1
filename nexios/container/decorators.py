"""Wraps bindings: which decorators a module puts around what it sees."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from nexios.container.binding import Answer, Binding
from nexios.container.generics import close, fits
from nexios.container.keys import AnyKey
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.container.typevars import is_open


class Decorators:
    """The decorators of all modules, and what each makes of what it wraps.

    A decorator around one binding is one binding of its own, whoever asks for it; one of an open
    key is closed for what it wraps.
    """

    def __init__(
        self,
        modules: Iterable[Module],
        profile: str | None,
        home: dict[Binding, Module],
        target: Callable[[Binding], Binding | None],
    ) -> None:
        """Read the modules.

        Args:
            profile: What the conditions of decorators are decided against.
            home: Told the module of each binding that is made here.
            target: Returns what an alias stands for; None where that is no single binding.
        """
        self._home = home
        self._target = target
        self._written: dict[Module, list[Binding]] = {}
        self._of: dict[tuple[Module, AnyKey], Sequence[Binding]] = {}
        self._made: dict[tuple[Binding, Binding], Binding] = {}
        self._aliases: list[Binding] = []
        for module in modules:
            for declaration in module.decorators:
                if declaration.holds(profile):
                    self._written.setdefault(module, []).append(declaration.settle())

    def written(self, module: Module) -> Sequence[Binding]:
        """Return the decorators of a module as they stand there, around nothing yet."""
        return self._written.get(module, ())

    def of(self, module: Module, key: AnyKey) -> Sequence[Binding]:
        """Return the decorators that ``module`` puts around ``key``, the outermost last."""
        written = self.written(module)
        if not written:
            return ()
        if (module, key) not in self._of:
            self._of[module, key] = [one for one in written if fits(one.key, key)]
        return self._of[module, key]

    def around(self, module: Module, binding: Binding) -> Binding:
        """Return ``binding`` inside the decorators of ``module``; itself where it has none."""
        for written in self.of(module, binding.key):
            binding = self._wrapped(module, written, binding)
        return binding

    def _wrapped(self, module: Module, written: Binding, inner: Binding) -> Binding:
        known = self._made.get((written, inner))
        if known is None:
            scope, lazy = self._lifetime(inner)
            closed = close(written, inner.key) if is_open(written.key) else written
            known = self._made[written, inner] = replace(
                closed, key=inner.key, inner=inner, scope=scope, lazy=lazy,
                default=inner.default,
            )  # fmt: skip
            self._home[known] = module
        return known

    def _lifetime(self, inner: Binding) -> tuple[Scope, bool]:
        """Return how long what is wrapped lives, and whether it waits for its first use."""
        if inner.scope is not None:
            return inner.scope, inner.lazy
        if inner.answer is Answer.VALUE:
            return Scope.SINGLETON, False
        # Aliases in a circle: the checks name it, whatever the scope.
        if inner.answer is not Answer.ALIAS or inner in self._aliases:
            return Scope.TRANSIENT, False
        self._aliases.append(inner)
        try:
            other = self._target(inner)
            return (Scope.TRANSIENT, False) if other is None else self._lifetime(other)
        finally:
            self._aliases.pop()


def outermost(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return the bindings that are not inside another one of them, in order."""
    found = dict.fromkeys(bindings)
    inside: set[Binding] = set()
    for binding in found:
        inner = binding.inner
        while inner is not None:
            inside.add(inner)
            inner = inner.inner
    return tuple(binding for binding in found if binding not in inside)
