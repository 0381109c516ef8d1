"""A channel as an event stream of a running server."""

import re
import socket

from nexios import NexiosApp, Request, Response
from nexios.websockets.channel import Channel
from tests.support.server import serving


def test_a_browser_resumes_over_http() -> None:
    app, chat = NexiosApp(), Channel[dict[str, int]]("chat")

    @app.get("/rooms/{room}/events")
    async def events(request: Request, response: Response, room: str) -> Response:
        return response.sse(chat.group(room).events(after=request.last_event_id))

    @app.post("/rooms/{room}")
    async def say(request: Request, response: Response, room: str) -> Response:
        await chat.group(room).broadcast({"n": int((await request.text) or 0)})
        return response.empty()

    def listen(address: str, last: str = "") -> socket.socket:
        host, port = address.split(":")
        client = socket.create_connection((host, int(port)), timeout=10)
        head = f"Last-Event-ID: {last}\r\n" if last else ""
        client.sendall(f"GET /rooms/tea/events HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        return client

    def speak(address: str, number: int) -> None:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            body = str(number)
            client.sendall(
                f"POST /rooms/tea HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n\r\n{body}".encode()
            )
            assert b" 20" in client.recv(65536)[:13]

    def heard(client: socket.socket, text: str) -> str:
        got = ""
        while text not in got:
            got += client.recv(65536).decode()
        return got

    with serving(app) as address:
        with listen(address) as client:
            heard(client, "event: joined")
            speak(address, 1)
            got = heard(client, '{"n":1}')
        last = re.findall(r"id: (\S+)", got)[-1]
        speak(address, 2)
        with listen(address, last) as client:
            got = heard(client, '{"n":2}')
            assert '{"recovered":true}' in got
            assert '{"n":1}' not in got
        with listen(address, "elsewhere:7") as client:
            assert '{"reason":"epoch"}' in heard(client, "event: reset")
