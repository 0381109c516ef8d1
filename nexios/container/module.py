"""Modules: inert lists of what is bound, included, exported and allowed."""

import collections.abc
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, get_args, get_origin, overload

from typing_extensions import TypeForm

from nexios.container.binder import Binder, Decorator
from nexios.container.binding import Answer, Condition, Declaration
from nexios.container.keys import MISSING, AnyKey, Key, key_of
from nexios.container.mounting import Mountable, Mounted
from nexios.container.places import Where
from nexios.container.scope import Scope
from nexios.container.signature import (
    SourceKind,
    Unresolved,
    hint_of,
    kind_of,
    makes_context_manager,
)
from nexios.container.typevars import class_behind
from nexios.layers.rules import Layer
from nexios.records import dataclass

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Waiver:
    """A layer rule set aside for one pair, with the reason."""

    asker: object
    asked: object
    because: str
    where: Where

    def covers(self, asker: object, asked: object) -> bool:
        """Return whether it names both, each itself or the class of its closed form."""
        return self.asker in (asker, class_behind(asker)) and self.asked in (
            asked,
            class_behind(asked),
        )


@dataclass(frozen=True, slots=True)
class Misuse:
    """Something a module file says that cannot be meant; shown at start as NX212 or NX210."""

    says: str
    fix: str
    where: Where
    source: bool = False


class Module:
    """What belongs together and what of it others may see; importing it registers nothing."""

    def __init__(
        self,
        name: str,
        *,
        layer: Layer | None = None,
        bind: Sequence[object] = (),
        include: "Sequence[Module]" = (),
        export: Sequence[object] = (),
        controllers: Sequence[type] = (),
    ) -> None:
        """Take a name and, optionally, the whole content in bulk form.

        Args:
            name: Shown in errors.
            layer: The layer of what is bound here and has none by its place or mark.
            bind: Keys, or pairs of key and source.
            include: Modules whose exports this one sees.
            export: Keys that modules including this one see.
            controllers: HTTP and WebSocket controllers.
        """
        self.name = name
        self.layer = layer
        self.where = _caller()
        self.declarations: list[Declaration] = []
        self.decorators: list[Declaration] = []
        self.included: list[Module] = []
        self.exported: list[tuple[AnyKey, Where]] = []
        self.controller_classes: list[tuple[type, Where]] = []
        self.waivers: list[Waiver] = []
        self.misuses: list[Misuse] = []
        for item in bind:
            if isinstance(item, tuple):
                key, source = item
                self._declare(key, self.where).answered(Answer.SOURCE, source)
            else:
                self._declare(item, self.where)
        self._include(include)
        self._export(export, self.where)
        self._controllers(controllers, self.where)

    def __repr__(self) -> str:
        """Return the name."""
        return f"Module({self.name!r})"

    @overload
    def bind(
        self,
        key: Key[T],
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        default: bool = False,
        replace: bool = False,
        lazy: bool = False,
    ) -> Binder[T]: ...
    @overload
    def bind(
        self,
        key: TypeForm[T],
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        default: bool = False,
        replace: bool = False,
        lazy: bool = False,
    ) -> Binder[T]: ...
    def bind(
        self,
        key: object,
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        default: bool = False,
        replace: bool = False,
        lazy: bool = False,
    ) -> Binder[Any]:
        """Bind a key; alone it binds a class to itself.

        Args:
            key: A type, a generic alias, or a ``Key``.
            scope: How long the object lives; REQUEST unless said.
            when: The profiles it is for, ``profile("prod")``; for a port, one binding must remain
                for the profile that runs.
            default: Yields to another binding of the key in a module that includes this one.
            replace: Stands in for a binding this module already sees; there must be one.
            lazy: A SINGLETON made at first use instead of at start.
        """
        declaration = self._declare(key, _caller(), when)
        declaration.scope, declaration.default = scope, default
        declaration.replace, declaration.lazy = replace, lazy
        return Binder(declaration)

    @overload
    def add(
        self,
        key: Key[T],
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        lazy: bool = False,
    ) -> Binder[T]: ...
    @overload
    def add(
        self,
        key: TypeForm[T],
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        lazy: bool = False,
    ) -> Binder[T]: ...
    def add(
        self,
        key: object,
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        lazy: bool = False,
    ) -> Binder[Any]:
        """Bind one of many: asked as ``list[T]``, ``tuple[T, ...]`` or ``Sequence[T]``."""
        declaration = self._declare(key, _caller(), when)
        declaration.scope, declaration.lazy, declaration.many = scope, lazy, True
        return Binder(declaration)

    def provides(
        self,
        key: object = None,
        *,
        scope: Scope | None = None,
        when: Condition | None = None,
        default: bool = False,
        replace: bool = False,
        lazy: bool = False,
    ) -> Callable[[F], F]:
        """Decorate a source; the key is its return (or yielded) type unless given."""
        where = _caller()

        def register(source: F) -> F:
            found = self._key_of_source(source, where) if key is None else key
            if found is not None:
                declaration = self._declare(found, where, when)
                declaration.scope, declaration.default = scope, default
                declaration.replace, declaration.lazy = replace, lazy
                declaration.answered(Answer.SOURCE, source)
            return source

        return register

    @overload
    def decorate(self, key: Key[T], *, when: Condition | None = None) -> Decorator[T]: ...
    @overload
    def decorate(self, key: TypeForm[T], *, when: Condition | None = None) -> Decorator[T]: ...
    def decorate(self, key: object, *, when: Condition | None = None) -> Decorator[Any]:
        """Wrap the objects of a key that this module sees, each of its ``add``s too.

        This module and those above that see the key through it get the wrapped object; what it
        includes keeps its own. Several wrap in the order written, the last one outermost.
        """
        declaration = Declaration(key_of(key), _caller(), decorates=True, when=_condition(when))
        self.decorators.append(declaration)
        return Decorator(declaration)

    def include(self, *modules: "Module") -> Self:
        """See what these modules export."""
        self._include(modules)
        return self

    def export(self, *keys: object) -> Self:
        """Let modules that include this one see these keys."""
        self._export(keys, _caller())
        return self

    def controllers(self, *classes: type) -> Self:
        """Register HTTP and WebSocket controllers."""
        self._controllers(classes, _caller())
        return self

    def allow(self, asker: object, asked: object, *, because: str = "") -> Self:
        """Set the layer rule aside for one asker and one key, for a stated reason."""
        self.waivers.append(Waiver(asker, asked, because, _caller()))
        return self

    def mount(
        self,
        container: Mountable,
        names: Mapping[object, str],
        *,
        scope: Scope | None = None,
        replace: bool = False,
    ) -> Self:
        """Bind keys to providers of an existing dependency-injector container.

        The container stays its owner's: it is asked, with its own overrides, and never closed.
        Where a provider is async it is awaited, which its library does on asyncio only.

        Args:
            container: The container.
            names: Key to the name of the provider; ``"sql.users"`` is in a container inside it.
            scope: How often a provider is asked: REQUEST unless said, so a factory makes one
                object a request and a singleton hands over its one; SINGLETON asks once, at the
                start, and sees no override after it; TRANSIENT asks for each asker.
            replace: As for ``bind``.
        """
        if not isinstance(getattr(container, "providers", None), Mapping):
            raise TypeError(f"mount() takes a dependency-injector container, not {container!r}")
        where = _caller()
        for key, name in names.items():
            declaration = self._declare(key, where)
            declaration.scope, declaration.replace = scope, replace
            declaration.mounted = Mounted(container, name)
            declaration.answered(Answer.SOURCE, None)
        return self

    def _declare(self, key: object, where: Where, when: Condition | None = None) -> Declaration:
        declaration = Declaration(key_of(key), where, when=_condition(when))
        self.declarations.append(declaration)
        return declaration

    def _include(self, modules: "Sequence[Module]") -> None:
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(f"include() takes modules, not {module!r}")
            if module not in self.included:
                self.included.append(module)

    def _export(self, keys: Sequence[object], where: Where) -> None:
        self.exported += [(key_of(key), where) for key in keys]

    def _controllers(self, classes: Sequence[type], where: Where) -> None:
        self.controller_classes += [(cls, where) for cls in classes]

    def _key_of_source(self, source: Callable[..., object], where: Where) -> object | None:
        kind = kind_of(source)
        if kind is SourceKind.CLASS:
            return source
        name = getattr(source, "__name__", repr(source))
        hint = hint_of(source)
        # What @contextmanager wraps yields too; the checks refuse it under the right key.
        if (kind.exits or makes_context_manager(source)) and hint is not MISSING:
            arguments = get_args(hint)
            if get_origin(hint) not in _YIELDING or not arguments:
                hint = MISSING
            else:
                hint = arguments[0]
        if isinstance(hint, Unresolved):
            self._unusable(name, f"the return type {hint.text} of", "X", where)
            return None
        if hint is MISSING or hint is None or hint is type(None):
            what = "no yield type on" if kind.exits else "no return type on"
            hints = {
                SourceKind.GENERATOR: "Iterator[X]",
                SourceKind.ASYNC_GENERATOR: "AsyncIterator[X]",
            }
            self._unusable(name, what, hints.get(kind, "X"), where)
            return None
        return hint

    def _unusable(self, name: str, what: str, hint: str, where: Where) -> None:
        self.misuses.append(
            Misuse(
                says=f"{what} {name}() says no key",
                fix=f"write the type: def {name}(...) -> {hint}, or @provides(X)",
                where=where,
                source=True,
            )
        )


_YIELDING = {
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
    collections.abc.AsyncIterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.Iterable,
}


def variable(name: str) -> str:
    """Return a module's name as the variable it is probably kept in."""
    return re.sub(r"\W+", "_", name).strip("_") or "module"


def _condition(when: object) -> Condition | None:
    if when is None or isinstance(when, Condition):
        return when
    raise TypeError(f'when= takes a condition such as profile("prod"), not {when!r}')


def _caller() -> Where:
    """Return the nearest line outside this file."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return Where(frame.f_code.co_filename, frame.f_lineno) if frame is not None else Where("", 0)
