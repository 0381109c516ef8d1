"""One registration: what the key is, what answers for it, and where that is written."""

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum
from typing import cast

from nexios.container.keys import AnyKey, printable
from nexios.container.mounting import Mounted
from nexios.container.places import NOWHERE, Where
from nexios.container.scope import Scope
from nexios.container.typevars import Types, class_behind
from nexios.records import dataclass


class Answer(Enum):
    """What kind of thing answers for a key."""

    SOURCE = "source"
    VALUE = "value"
    ALIAS = "alias"
    GIVEN = "given"
    LIST = "list"
    TUPLE = "tuple"
    DICT = "dict"
    PROVIDER = "provider"
    LAZY = "lazy"
    CURRENT = "current scope"


class Origin(Enum):
    """Why a binding is there."""

    DECLARED = "bound"
    AUTOMATIC = "bound automatically"
    CONTROLLER = "controller"
    FUNCTION = "function dependency"
    BUILT_IN = "built in"
    OVERRIDE = "override"
    DECORATOR = "decorator"


@dataclass(frozen=True, slots=True)
class Condition:
    """The profiles a registration is for; ``~`` turns it round. Made by ``profile``."""

    names: tuple[str, ...]
    negated: bool = False

    def __invert__(self) -> "Condition":
        """Return the condition that holds where this one does not."""
        return Condition(self.names, not self.negated)

    def holds(self, profile: str | None) -> bool:
        """Return whether the registration is in; without a profile only what is negated is."""
        return (profile in self.names) is not self.negated

    def __str__(self) -> str:
        """Return the way people write it."""
        names = ", ".join(f'"{printable(name)}"' for name in self.names)
        return f"{'~' if self.negated else ''}profile({names})"


def profile(*names: str) -> Condition:
    """Return a condition for ``when=``: in for these profiles; ``~profile("prod")``: for others.

    It is decided once, against ``Container(profile=)``; an application passes its ``env``.
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError('profile() takes the names of profiles: profile("prod", "staging")')
    return Condition(names)


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A settled registration; two are the same only when they are the same object.

    Attributes:
        source: The class or function, the value, or the other key of an alias.
        scope: None where the answer has none of its own (value, alias, collection, handle).
        many: Whether it is one of many (``add``).
        faults: What cannot be meant, each with the line that mends it.
        using: Parameter name to value or ``Key``.
        inner: What a decorator wraps: inside it, its own key means this binding.
        mounted: The provider of somebody's container that the source asks.
        open: The open binding (``Repository[T]``) that this one closes; None for all others.
        types: What the type variables of that binding's key stand for in this one.
    """

    key: AnyKey
    answer: Answer
    source: object = None
    scope: Scope | None = None
    many: bool = False
    default: bool = False
    replace: bool = False
    lazy: bool = False
    when: Condition | None = None
    using: Mapping[str, object] = field(default_factory=dict)
    where: Where = NOWHERE
    origin: Origin = Origin.DECLARED
    faults: tuple[tuple[str, str], ...] = ()
    members: tuple["Binding", ...] = ()
    inner: "Binding | None" = None
    mounted: Mounted | None = None
    open: "Binding | None" = None
    types: Types = field(default_factory=dict)

    @property
    def base(self) -> "Binding":
        """What is left when every decorator is taken off."""
        found = self
        while found.inner is not None:
            found = found.inner
        return found

    @property
    def written(self) -> "Binding":
        """The binding as it stands in a module: the open one that this one closes, or itself."""
        return self if self.open is None else self.open

    @property
    def function(self) -> Callable[..., object]:
        """The source, as what is called: of ``SqlRepository[User]`` the class.

        Calling the alias costs 170 ns more, 580 ns where the class has slots, only to set an
        ``__orig_class__`` that its ``__init__`` does not see yet.
        """
        return cast("Callable[..., object]", class_behind(self.source) or self.source)

    @property
    def itself(self) -> bool:
        """Whether the key's own class answers; two aliases of one form need not be one object."""
        same = class_behind(self.source) is not None and self.source == self.key.form
        return self.source is self.key.form or bool(same)

    @property
    def other(self) -> AnyKey:
        """The other key: of an alias, or of what a handle hands out."""
        return cast("AnyKey", self.source)


@dataclass(slots=True)
class Declaration:
    """What a module's binder fills in, call by call."""

    key: AnyKey
    where: Where
    scope: Scope | None = None
    many: bool = False
    default: bool = False
    replace: bool = False
    lazy: bool = False
    answer: Answer | None = None
    source: object = None
    decorates: bool = False
    when: Condition | None = None
    using: dict[str, object] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    mounted: Mounted | None = None

    def answered(self, answer: Answer, source: object) -> None:
        """Take the answer; a second one is a fault shown at start."""
        if self.answer is not None:
            says = f"{self.key} is answered twice in one line"
            self.faults.append((says, "drop one of the two"))
        self.answer = answer
        self.source = source

    def holds(self, profile: str | None) -> bool:
        """Return whether the registration is in for a profile."""
        return self.when is None or self.when.holds(profile)

    def settle(self) -> Binding:
        """Return the registration as it stands now."""
        if self.decorates:
            return self._decorator()
        answer = self.answer or Answer.SOURCE
        source = self.key.form if self.answer is None else self.source
        faults = list(self.faults)
        scope = self.scope
        if self.mounted is not None:
            source = self.mounted.source()
            if fault := self.mounted.fault(str(self.key)):
                faults.append(fault)
        if answer in (Answer.VALUE, Answer.ALIAS):
            if scope is not None:
                beside = f"scope={scope.value} beside .{answer.value}(...)"
                says = f"{self.key} has {beside}, which has no scope of its own"
                faults.append((says, f"drop scope=Scope.{scope.value}"))
            scope = None
        elif scope is None:
            scope = Scope.REQUEST
        if self.lazy and scope is not Scope.SINGLETON:
            says = f"{self.key} is lazy=True, which only a SINGLETON can be"
            faults.append((says, "scope=Scope.SINGLETON beside lazy=True, or drop lazy=True"))
        return Binding(
            key=self.key, answer=answer, source=source, scope=scope, many=self.many,
            default=self.default, replace=self.replace, lazy=self.lazy, when=self.when,
            using=dict(self.using), where=self.where, faults=tuple(faults),
            mounted=self.mounted,
        )  # fmt: skip

    def _decorator(self) -> Binding:
        """Return a decorator without what it wraps, whose scope it will take."""
        return Binding(
            key=self.key, answer=Answer.SOURCE, source=self.source, when=self.when,
            using=dict(self.using), where=self.where, origin=Origin.DECORATOR,
            faults=tuple(self.faults),
        )  # fmt: skip
