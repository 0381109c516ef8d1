"""The application that tests of the shell speak bytes to, and the two ways it is served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexios.adapters.servers.shell_h11 import H11Shell
from tests.support.running import running
from tests.support.server import serving

ENGINES = ("nexios run", "h11")

APP = """
import anyio
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(limits={limits}))

@app.get("/")
async def root() -> str:
    return "ok"

@app.get("/{{rest:path}}")
async def anything(rest: str) -> str:
    return "ok"

@app.get("/big")
async def big():
    return b"x" * 32 * 2**20

@app.get("/slow")
async def slow() -> str:
    await anyio.sleep(0.5)
    return "slow"

@app.get("/long")
async def long() -> str:
    await anyio.sleep(5)
    return "long"

@app.post("/")
async def post(request, response):
    body = await request.body
    return response.json({{"size": len(body), "fields": sorted(request.headers.keys())}})

@app.post("/unread")
async def unread(request, response):
    return response.text("unread", headers={{"connection": "close"}})

@app.websocket("/ws")
async def ws(websocket):
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()
"""


@contextmanager
def shelled(engine: str, folder: Path, **limits: Any) -> Iterator[str]:
    """Serve the application by ``nexios run``, or by the engine without httptools."""
    text = APP.format(limits=limits)
    if engine == "nexios run":
        with running(folder, text) as server:
            yield f"127.0.0.1:{server.port}"
    else:
        made: dict[str, Any] = {"__name__": "shelled_app"}
        exec(compile(text, "shelled_app", "exec"), made)
        with serving(made["app"], http=H11Shell) as address:
            yield address
