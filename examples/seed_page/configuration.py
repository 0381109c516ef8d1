"""4. Configuration and CORS: which pages of other origins may read the answers."""

from nexios import MakeConfig, NexiosApp
from nexios.middleware import CORSMiddleware

app = NexiosApp(
    config=MakeConfig(
        debug=True,
        cors={"allowed_origins": ["https://localhost:5000", "https://api.nexios.hub"]},
    )
)
app.add_middleware(CORSMiddleware())


@app.get("/")
async def index(request, response):
    return response.json({"debug": request.app.config.debug})


@app.get("/broken")
async def broken(request, response):
    raise RuntimeError("shown to the developer, for debug is on")


if __name__ == "__main__":
    app.run()
