"""Test tools for applications built with Nexios.

Names are handed on lazily: the pytest plugin is loaded in every run of pytest, and the clients
need httpx2, which no production has; ``__init__.pyi`` tells type checkers the same.
"""

from nexios.faces import handing_on

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

__all__ = sorted(" ".join(_HOMES.values()).split())  # noqa: PLE0605  # checkers read the stub

__getattr__ = handing_on(globals(), _HOMES)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
