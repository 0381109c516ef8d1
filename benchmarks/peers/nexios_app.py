"""Nexios among the peers, as its pages teach it: typed handlers, a module, ``Depend``."""

from common import CONFIG, HELLO, LAYERS, VARIANT, Config, Repository, Service, Session
from common import route_table, session_scope
from common import user as load

from nexios import Depend, Module, NexiosApp, WebSocketDisconnect

people = Module("people")
people.bind(Config).value(CONFIG)
people.bind(Session).to(session_scope)
people.bind(Repository)
people.bind(Service)
people.export(Service)

app = NexiosApp(people)
SOCKETS = set()

if VARIANT != "cold":
    from orders_pydantic import Order, OrderOut, priced

    @app.get("/")
    async def hello() -> str:
        return HELLO

    @app.get("/users/{id:int}")
    async def user(id: int) -> dict[str, object]:
        return load(id)

    @app.get("/di")
    async def di(service: Service = Depend()) -> dict[str, object]:
        return await service.get(1)

    @app.post("/orders")
    async def orders(order: Order) -> OrderOut:
        return priced(order)

    @app.websocket("/ws")
    async def echo(websocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    @app.websocket("/chat")
    async def chat(websocket):
        await websocket.accept()
        SOCKETS.add(websocket)
        try:
            while True:
                text = await websocket.receive_text()
                for peer in list(SOCKETS):
                    await peer.send_text(text)
        except WebSocketDisconnect:
            pass
        finally:
            SOCKETS.discard(websocket)


async def static() -> str:
    return "ok"


async def item(id: int) -> dict[str, object]:
    return {"id": id}


for path, parametrised in route_table("{id:int}"):
    app.get(path)(item if parametrised else static)

if VARIANT == "middleware":
    for _ in range(LAYERS):

        @app.middleware
        async def layer(request, response, call_next):
            return await call_next()
