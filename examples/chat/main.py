"""A chat: `nexios run examples.chat.main:app`, then http://127.0.0.1:8000 in two windows.

Two processes share their rooms by one setting:

    export NEXIOS_REALTIME__BACKPLANE=redis://127.0.0.1:6379      # or nats://127.0.0.1:4222
    nexios run examples.chat.main:app --port 8000
    nexios run examples.chat.main:app --port 8001
"""

from pathlib import Path
from typing import Any, Final

from examples.chat.adapters.live import ChannelFeed, RoomSocket, door, who
from examples.chat.application.rooms import RoomFeed, Rooms
from nexios import MakeConfig, Module, NexiosApp, Request, Response, Scope, StaticFiles
from nexios.middleware import SecurityMiddleware

STATIC: Final = Path(__file__).parent / "static"


def rooms() -> Module:
    """Return what rooms are made of."""
    module = Module("rooms")
    module.bind(ChannelFeed, scope=Scope.SINGLETON)
    module.bind(RoomFeed).alias(ChannelFeed)
    module.bind(Rooms, scope=Scope.SINGLETON)
    return module.controllers(RoomSocket)


def make_app(**config: Any) -> NexiosApp:
    """Return the application; the environment says what carries it between processes."""
    app = NexiosApp(rooms(), config=MakeConfig(**config), title="Chat")
    app.add_middleware(SecurityMiddleware())
    app.register(StaticFiles(STATIC), "/static")
    app.get("/rooms/{room}/present")(who)
    app.get("/rooms/{room}/door")(door)

    @app.get("/")
    async def page(request: Request, response: Response) -> Response:
        return response.file(STATIC / "index.html")

    return app


app = make_app()
