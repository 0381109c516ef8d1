"""The container: modules in, scopes out."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nexios.container.binding import profile
    from nexios.container.container import Container
    from nexios.container.depend import Depend, Lazy, Provider, Scopes
    from nexios.container.errors import ContainerError, WiringErrors
    from nexios.container.keys import Key
    from nexios.container.module import Module
    from nexios.container.scope import Scope, ScopeContext

# Loaded where they are used: who notes a module does not pay for what wires it.
_HOMES: Final = {
    "nexios.container.binding": "profile",
    "nexios.container.container": "Container",
    "nexios.container.depend": "Depend Lazy Provider Scopes",
    "nexios.container.errors": "ContainerError WiringErrors",
    "nexios.container.keys": "Key",
    "nexios.container.module": "Module",
    "nexios.container.scope": "Scope ScopeContext",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Container",
    "ContainerError",
    "Depend",
    "Key",
    "Lazy",
    "Module",
    "Provider",
    "Scope",
    "ScopeContext",
    "Scopes",
    "WiringErrors",
    "profile",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found
