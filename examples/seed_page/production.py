"""6. Production: security headers on every answer, and https only."""

from nexios import MakeConfig, NexiosApp
from nexios.middleware import SecurityMiddleware

app = NexiosApp(
    config=MakeConfig(debug=False, security={"ssl_redirect": True, "hsts_enabled": True})
)
app.add_middleware(SecurityMiddleware())


@app.get("/")
async def index(request, response):
    return response.html("<h1>Hello</h1>")


@app.post("/orders")
async def order(request, response):
    return response.json({"ordered": True})


@app.get("/broken")
async def broken(request, response):
    raise RuntimeError("never shown to a client")


if __name__ == "__main__":
    app.run()
