"""An echo behind a guard and middleware, for Autobahn's client; ``large`` takes what is big."""

from nexios import MakeConfig, NexiosApp, WebSocket
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware

MIB = 2**20

_UNHURRIED = {
    "messages_per_s": None,
    "control_frames_per_s": None,
    "fragments": None,
    "sockets_per_address": None,
    "sockets_per_caller": None,
}


class Tester(AuthenticationBackend):
    """Takes everybody for Autobahn."""

    scheme = "tester"

    async def authenticate(self, connection: object) -> tuple[dict[str, str], str]:
        return {"id": "autobahn"}, self.scheme


def echoing(**config: object) -> NexiosApp:
    """Return the application under test."""
    app = NexiosApp(config=MakeConfig(**config))
    app.add_middleware(AuthenticationMiddleware(Tester()))

    @app.websocket("/echo", guards=[auth(["tester"])])
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            message = await websocket.receive()
            await websocket.send({**message, "type": "websocket.send"})

    return app


app = echoing(limits=_UNHURRIED)
large = echoing(
    limits={**_UNHURRIED, "message_bytes": 64 * MIB, "queue_out_bytes": 64 * MIB},
    realtime={"deflate": True},
)
