"""The tree of modules, walked: who includes whom, from inside and from outside."""

from collections.abc import Iterator
from typing import Final

from nexios.container.module import Module


class ModuleTree:
    """All modules below a root, each once.

    Attributes:
        inner_first: What is included comes before what includes it.
        modules: From the root inwards, in the order of including.
        cycles: Modules that include each other, each ring from one module back to it.
    """

    def __init__(self, root: Module, everywhere: Module | None) -> None:
        """Walk it.

        Args:
            root: The outermost module.
            everywhere: A module that every other one includes without saying so.
        """
        self._root: Final = root
        self._everywhere: Final = everywhere
        self.cycles: list[tuple[Module, ...]] = []
        self.inner_first = tuple(self._flatten())
        self.modules = tuple(self._outer_first())
        self._includers: Final = self._find_includers()

    def above(self, module: Module) -> Iterator[list[Module]]:
        """Give the modules that include this one: the nearest first, then those above them."""
        level, seen = [module], {module}
        while level:
            above = [outer for inner in level for outer in self._includers[inner]]
            level = [outer for outer in dict.fromkeys(above) if outer not in seen]
            seen.update(level)
            yield level

    def _flatten(self) -> Iterator[Module]:
        done: dict[Module, None] = {}
        roots = [self._root] if self._everywhere is None else [self._root, self._everywhere]
        for start in roots:
            stack: list[tuple[Module, Iterator[Module]]] = [(start, iter(start.included))]
            trail = [start]
            while stack:
                module, rest = stack[-1]
                following = next(rest, None)
                if following is None:
                    stack.pop()
                    trail.pop()
                    done.setdefault(module)
                elif following in trail:
                    self.cycles.append((*trail[trail.index(following) :], following))
                elif following not in done:
                    stack.append((following, iter(following.included)))
                    trail.append(following)
        return iter(done)

    def _outer_first(self) -> Iterator[Module]:
        done: set[Module] = set()
        stack = [self._root] if self._everywhere is None else [self._everywhere, self._root]
        while stack:
            module = stack.pop()
            if module not in done:
                done.add(module)
                yield module
                stack.extend(reversed(module.included))

    def _find_includers(self) -> dict[Module, list[Module]]:
        direct: dict[Module, list[Module]] = {module: [] for module in self.modules}
        for module in self.modules:
            for inner in module.included:
                direct[inner].append(module)
        if self._everywhere is not None and self._everywhere is not self._root:
            direct[self._everywhere].append(self._root)
        return direct
