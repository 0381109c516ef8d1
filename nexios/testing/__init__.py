"""Test tools for applications built with Nexios.

Names are handed on lazily: the pytest plugin is loaded in every run of pytest, and the clients
need httpx2, which no production has; ``__init__.pyi`` tells type checkers the same.
"""

from importlib import import_module

_HOMES = {
    "nexios.testing.access": "assert_access",
    "nexios.testing.client": "AsyncTestClient Client TestClient",
    "nexios.testing.contract": "RepositoryContract",
    "nexios.testing.graphs": "assert_graph",
    "nexios.testing.purity": "assert_layers assert_pure",
    "nexios.testing.scenario": "Scenario memory_module",
    "nexios.testing.security": "KeptSecurityEvents",
    "nexios.testing.sockets": "SocketDenied SocketSession websocket_connect",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # read by people; checkers read the stub


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'nexios.testing' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
