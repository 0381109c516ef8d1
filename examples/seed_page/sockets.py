"""5. Sockets: everybody in a channel hears everybody."""

from nexios import NexiosApp, WebSocketDisconnect
from nexios.websockets import Channel

app = NexiosApp()
chat = Channel("chat")


@app.websocket("/ws/chat/{room}")
async def chat_room(websocket, room: str):
    await chat.connect(websocket)
    try:
        while True:
            msg = await websocket.receive_json()
            await chat.broadcast({"room": room, "message": msg})
    except WebSocketDisconnect:
        await chat.disconnect(websocket)


if __name__ == "__main__":
    app.run()
