"""The container: modules in, scopes out."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

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

__getattr__ = handing_on(globals(), _HOMES)
