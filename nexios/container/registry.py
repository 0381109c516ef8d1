"""Answers for a settled module tree: which binding does this module see for this key?"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final, cast

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.decorators import Decorators, outermost
from nexios.container.depend import Scopes
from nexios.container.forms import Forms
from nexios.container.generics import fits, is_more_specific, most_specific, preferred
from nexios.container.keys import AnyKey, Key, collected
from nexios.container.module import Module
from nexios.container.places import Where
from nexios.container.scope import ScopeContext
from nexios.container.timed import Made
from nexios.container.tree import ModuleTree
from nexios.container.typevars import is_open
from nexios.records import dataclass

BUILT_IN: Final = Module("nexios.container")
REMEMBERED_KEYS: Final = 50_000
"""Looks of a module for a key that are kept; past it they are looked up anew."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a module sees for a key.

    Attributes:
        bindings: None when missing, one when settled, more when ambiguous.
        many: Whether the ambiguity is one asked where several were added.
        private: Bindings that exist and are not exported to the asker.
    """

    bindings: tuple[Binding, ...]
    many: bool = False
    private: tuple[Binding, ...] = ()

    @property
    def one(self) -> Binding | None:
        """The one binding that answers."""
        return self.bindings[0] if len(self.bindings) == 1 else None


@dataclass(frozen=True, slots=True)
class Clash:
    """An own binding of a key that the module also sees through an include."""

    module: Module
    own: Binding
    other: Binding


class Registry:
    """The settled module tree; read-only after its making, closed forms apart."""

    def __init__(
        self, root: Module, everywhere: Module | None = None, profile: str | None = None
    ) -> None:
        """Flatten the tree below ``root``.

        Args:
            root: The module whose view the container has.
            everywhere: A module whose exports every module sees.
            profile: What conditions are decided against.
        """
        self.root = root
        self.profile = profile
        self.everywhere = everywhere
        self.watch: Made | None = None
        self._tree = ModuleTree(root, everywhere)
        self.cycles = self._tree.cycles
        self.modules = self._tree.modules
        self.home: dict[Binding, Module] = {}
        self.left_out: list[Binding] = []
        self._own: dict[Module, dict[AnyKey, list[Binding]]] = {}
        self._added: dict[Module, dict[AnyKey, list[Binding]]] = {}
        self.forms = Forms(self.home)
        self._open: dict[Module, list[Binding]] = {}
        self._exports = {
            module: {self.forms.as_bound(key) for key, _ in module.exported}
            for module in self.modules
        }
        self._open_exports = {
            module: tuple(filter(is_open, exports)) for module, exports in self._exports.items()
        }
        self._seen: dict[tuple[Module, AnyKey], Found] = {}
        for module in self.modules:
            own: dict[AnyKey, list[Binding]] = {}
            added: dict[AnyKey, list[Binding]] = {}
            for declaration in module.declarations:
                binding = declaration.settle()
                self.home[binding] = module
                if not declaration.holds(profile):
                    self.left_out.append(binding)
                    continue
                key = self.forms.as_bound(binding.key)
                (added if binding.many else own).setdefault(key, []).append(binding)
            self._own[module], self._added[module] = own, added
            self._open[module] = [items[0] for key, items in own.items() if is_open(key)]
        out = frozenset(self.left_out)
        self._declared = tuple(binding for binding in self.home if binding not in out)
        self.decorators = Decorators(self.modules, profile, self.home, self._target)
        self.built_in = _built_in()
        self.home.update(dict.fromkeys(self.built_in.values(), BUILT_IN))

    @property
    def bindings(self) -> Iterator[Binding]:
        """All declared bindings that are in, module by module in include order, as written."""
        return iter(self._declared)

    @property
    def keys(self) -> frozenset[AnyKey]:
        """All keys that are bound anywhere."""
        return frozenset(binding.key for binding in self._declared) | self.built_in.keys()

    def decorated(self) -> Iterator[Binding]:
        """Return every decorator around everything it wraps, asked for or not.

        What is open makes nothing until somebody asks for a closed form, and is left out.
        """
        for module in self.modules:
            for key in self.spread(self.decorators.written(module)):
                if is_open(key):
                    continue
                for binding in (*self.find(module, key).bindings, *self.added(module, key)):
                    if binding.inner is not None and binding.base.open is None:
                        yield binding

    def spread(self, bindings: Iterable[Binding]) -> Iterable[AnyKey]:
        """Return the keys of some bindings; of an open one all that fit it, bound or asked for."""
        found: dict[AnyKey, None] = {}
        for key in dict.fromkeys(binding.key for binding in bindings):
            found[self.forms.as_bound(key)] = None
            if is_open(key):
                bound = (self.forms.as_bound(binding.key) for binding in self.home)
                found.update(dict.fromkeys(other for other in bound if fits(key, other)))
        return found

    def own(self, module: Module, key: AnyKey) -> list[Binding]:
        """Return the bindings (not ``add``) of a key in one module."""
        return self._own[module].get(self.forms.as_bound(key), [])

    def has(self, module: Module, key: AnyKey) -> bool:
        """Return whether ``module`` sees anything for ``key``, added ones included."""
        return bool(self.find(module, key).bindings) or (
            not is_open(key) and bool(self.added(module, key))
        )

    def find(self, module: Module, key: AnyKey) -> Found:
        """Return what ``module`` sees for ``key``; nothing for an open one, which fits many."""
        found = self._seen.get((module, key))
        if found is None:
            if len(self._seen) >= REMEMBERED_KEYS:
                # Names that come with requests, ``Key(Cache, name) in container``, have no end.
                self._seen.clear()
            found = self._seen[module, key] = self._look(module, key)
        return found

    def added(self, module: Module, key: AnyKey) -> tuple[Binding, ...]:
        """Return the ``add``s of ``key`` that ``module`` sees: includes first, then its own."""
        return outermost(self._walk_added(module, self.forms.as_bound(key), {}))

    def named(self, module: Module, key: AnyKey) -> dict[Hashable, Binding]:
        """Return the named bindings of a type that ``module`` sees, in registration order."""
        found: dict[Hashable, Binding] = {}
        for other in self._named_keys(key):
            binding = self.find(module, other).one
            if binding is not None:
                found[other.name] = binding
        return found

    def clashes(self) -> Iterator[Clash]:
        """Return own bindings of keys that an include brings too, with neither yielding."""
        for module in self.modules:
            for key, own in self._own[module].items():
                if own[0].replace:
                    continue
                for other in self._through(module, key, frozenset({module})):
                    # A default that yielded to this very binding is no clash, and a closed
                    # binding beats an open one.
                    bare = other.base
                    hidden = bare is own[0] or bare.open is not None
                    if not hidden and not bare.default and not own[0].default:
                        yield Clash(module, own[0], bare)

    def replaces_nothing(self, binding: Binding) -> bool:
        """Return whether a ``replace=True`` has nothing to stand in for."""
        return not self.replaced_by(binding)

    def replaced_by(self, binding: Binding) -> tuple[Binding, ...]:
        """Return what a ``replace=True`` stands in for."""
        module = self.home[binding]
        return self._through(module, self.forms.as_bound(binding.key), frozenset({module}))

    def yielding_to(self, binding: Binding) -> tuple[Binding, ...]:
        """Return the defaults of other modules that yield to a binding."""
        return tuple(
            other
            for other in self.home
            if other.default
            and other is not binding
            and other.key == binding.key
            and self._yielded(other) is binding
        )

    def has_yielded(self, binding: Binding) -> bool:
        """Return whether a default has given way, so that nobody is given what it makes."""
        return self._yielded(binding) is not binding

    def is_exported(self, module: Module, key: AnyKey) -> bool:
        """Return whether ``module`` exports ``key``, itself or by an open key that it fits."""
        return key in self._exports[module] or any(
            fits(other, key) for other in self._open_exports[module]
        )

    def exports_nothing(self, module: Module, key: AnyKey) -> bool:
        """Return whether an exported key is one the module does not have."""
        how = collected(key)
        if not is_open(key):
            if how is None:
                return not self.has(module, key)
            return not self.added(module, how[1]) and not self.find(module, key).bindings
        for other in dict.fromkeys(self.forms.as_bound(binding.key) for binding in self._declared):
            if how is None and (fits(key, other) or fits(other, key)):
                if self.added(module, other) or self._visible(module, other, frozenset({module})):
                    return False
            elif how is not None and fits(how[1], other) and self.added(module, other):
                return False
        return True

    def left_out_of(self, module: Module, key: AnyKey) -> tuple[Binding, ...]:
        """Return the bindings that ``module`` would see for ``key`` under other profiles."""
        seeing, stack = {module}, [module]
        while stack:
            item = stack.pop()
            inner = item.included if self.everywhere is None else [*item.included, self.everywhere]
            more = [
                other for other in inner if other not in seeing and self.is_exported(other, key)
            ]
            seeing.update(more)
            stack += more
        return tuple(
            binding for binding in self.left_out
            if self.home[binding] in seeing
            and (fits(binding.key, key) or fits(key, binding.key))
        )  # fmt: skip

    def is_seen_above(self, module: Module, key: AnyKey) -> bool:
        """Return whether ``module``, or one that includes it however far up, sees ``key``."""
        return self._sees(module, key) or any(
            self._sees(outer, key) for level in self._tree.above(module) for outer in level
        )

    def _sees(self, module: Module, key: AnyKey) -> bool:
        """Return whether ``module`` sees anything for a key, open ones as they are written."""
        if not is_open(key):
            return self.has(module, key)
        return bool(self._bare(module, self.forms.as_bound(key), frozenset({module})))

    def _look(self, module: Module, key: AnyKey) -> Found:
        if key in self.built_in:
            return Found((self.built_in[key],))
        if is_open(key):
            return Found(())
        bindings = self._visible(module, key, frozenset({module}))
        if bindings:
            return Found(bindings)
        added = self.added(module, key)
        if added:
            return Found(added, many=len(added) > 1)
        return Found((), private=self._hidden(key))

    def _hidden(self, key: AnyKey) -> tuple[Binding, ...]:
        """Return what other modules see for ``key``, each as its own module sees it."""
        declared = (binding for binding in self._declared if not binding.many)
        own = [
            self.decorators.around(self.home[binding], binding)
            for binding in self.forms.answering(declared, key)
        ]
        decorating = [module for module in self.modules if self.decorators.of(module, key)]
        seen = (self._visible(module, key, frozenset({module})) for module in decorating)
        return tuple(dict.fromkeys([*own, *(binding for found in seen for binding in found)]))

    def _at_home(self, module: Module, key: AnyKey) -> tuple[Binding, ...]:
        """Return a module's own binding of ``key``, or its open ones that fit best."""
        own = self._own[module].get(key)
        if own:
            return (own[0],)
        return most_specific(self.forms.answering(self._open[module], key))

    def _visible(
        self, module: Module, key: AnyKey, trail: frozenset[Module]
    ) -> tuple[Binding, ...]:
        """Return what answers in ``module`` for ``key``, inside the module's own decorators."""
        found = self._bare(module, key, trail)
        if len(found) != 1:
            # Two that could answer are refused where one is asked, and are not wrapped.
            return found
        return (self.decorators.around(module, found[0]),)

    def _target(self, alias: Binding) -> Binding | None:
        home = self.home[alias]
        found = self._bare(home, alias.other, frozenset({home}))
        return found[0] if len(found) == 1 else None

    def _bare(self, module: Module, key: AnyKey, trail: frozenset[Module]) -> tuple[Binding, ...]:
        candidates = own = self._at_home(module, key)
        if not own or own[0].open is not None:
            candidates = preferred(own, self._through(module, key, trail))
        beyond = not candidates or candidates[0].base.open is not None
        if beyond and self.everywhere is not None and module is not self.everywhere:
            candidates = preferred(candidates, self._exported(self.everywhere, key, trail))
        settled = tuple(dict.fromkeys(self._yielded(binding) for binding in candidates))
        firm = tuple(binding for binding in settled if not binding.default)
        return firm or settled

    def _through(
        self, module: Module, key: AnyKey, trail: frozenset[Module]
    ) -> tuple[Binding, ...]:
        """Return what the included modules export for ``key``."""
        found: dict[Binding, None] = {}
        for inner in module.included:
            if inner not in trail:
                found.update(dict.fromkeys(self._exported(inner, key, trail)))
        replacing = [self.home[item.base] for item in found if item.base.replace]
        replaced = {
            other for home in replacing for other in self._through(home, key, frozenset({home}))
        }
        return outermost(binding for binding in found if binding not in replaced)

    def _exported(
        self, module: Module, key: AnyKey, trail: frozenset[Module]
    ) -> tuple[Binding, ...]:
        if not self.is_exported(module, key):
            return ()
        return self._visible(module, key, trail | {module})

    def _yielded(self, binding: Binding) -> Binding:
        """Return what a default binding yields to: the nearest including module's own."""
        # A decorator stays around its default: what is inside has yielded already.
        if not binding.default or binding.inner is not None:
            return binding
        for level in self._tree.above(self.home[binding]):
            for module in level:
                own = self._at_home(module, self.forms.as_bound(binding.key))
                if own and not is_more_specific(binding, own[0]):
                    return self._yielded(own[0])
        return binding

    def _walk_added(
        self, module: Module, key: AnyKey, done: dict[Module, tuple[Binding, ...]]
    ) -> tuple[Binding, ...]:
        if module in done:
            return done[module]
        done[module] = ()  # modules that include each other are refused, and end here
        found: dict[Binding, None] = {}
        inner = list(module.included)
        if self.everywhere is not None:
            inner.append(self.everywhere)
        for other in inner:
            wanted = self.is_exported(other, key) or any(
                (how := collected(item)) is not None and fits(how[1], key)
                for item in self._exports[other]
            )
            if wanted:
                found.update(dict.fromkeys(self._walk_added(other, key, done)))
        found.update(dict.fromkeys(self._added_here(module, key)))
        done[module] = tuple(self.decorators.around(module, item) for item in outermost(found))
        return done[module]

    def _added_here(self, module: Module, key: AnyKey) -> Iterable[Binding]:
        """Return the ``add``s of ``key`` in one module, open and closed ones as written."""
        own = self._added[module]
        if not any(map(is_open, own)):
            return own.get(key, ())
        written = (item for item in self._declared if item.many and self.home[item] is module)
        return self.forms.answering(written, key)

    def _named_keys(self, key: AnyKey) -> list[AnyKey]:
        ordered: dict[AnyKey, None] = {}
        for module in self._tree.inner_first:
            for other in self._own[module]:
                named: AnyKey = Key(cast("Any", key.form), other.name)
                if other.is_named and fits(other, named):
                    ordered.setdefault(named)
        return list(ordered)


def _built_in() -> dict[AnyKey, Binding]:
    where = Where("", 0)
    opener: AnyKey = Key(Scopes)
    current: AnyKey = Key(ScopeContext)
    return {
        opener: Binding(opener, Answer.VALUE, where=where, origin=Origin.BUILT_IN),
        current: Binding(current, Answer.CURRENT, where=where, origin=Origin.BUILT_IN),
    }
