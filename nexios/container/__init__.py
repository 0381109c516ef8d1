"""The container: modules in, scopes out."""

from nexios.container.binding import profile
from nexios.container.container import Container
from nexios.container.depend import Depend, Lazy, Provider, Scopes
from nexios.container.errors import ContainerError, WiringErrors
from nexios.container.keys import Key
from nexios.container.module import Module
from nexios.container.scope import Scope, ScopeContext

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
