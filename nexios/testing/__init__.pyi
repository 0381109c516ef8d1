from nexios.testing.client import AsyncTestClient as AsyncTestClient
from nexios.testing.client import TestClient as TestClient
from nexios.testing.contract import RepositoryContract as RepositoryContract
from nexios.testing.purity import assert_layers as assert_layers
from nexios.testing.purity import assert_pure as assert_pure
from nexios.testing.sockets import SocketDenied as SocketDenied
from nexios.testing.sockets import SocketSession as SocketSession
from nexios.testing.sockets import websocket_connect as websocket_connect
