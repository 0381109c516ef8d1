"""An application whose users are known by cookies and other credentials, and its cookies."""

from typing import Any, Final

from nexios import MakeConfig, NexiosApp, Request
from nexios.auth.backends.session import SessionAuthBackend, login, logout
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware
from tests.support.raw import Reply

SECRET: Final = "a-secret-of-the-tests-with-32-bytes-and-more"


def bank(*backends: Any, store: Any = None, **config: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET, **config))
    app.add_middleware(AuthenticationMiddleware(list(backends) or SessionAuthBackend()))
    app.add_middleware(SessionMiddleware(store=store))

    @app.post("/login/{name}")
    async def log_in(request: Request, name: str) -> str:
        login(request, {"id": name})
        return "in"

    @app.post("/logout")
    async def log_out(request: Request) -> str:
        logout(request)
        return "out"

    @app.post("/elevate")
    async def elevate(request: Request) -> str:
        request.session["admin"] = True
        request.session.regenerate_id()
        return "up"

    @app.post("/put")
    async def put(request: Request) -> str:
        request.session["seen"] = "yes"
        return "put"

    @app.get("/session")
    async def session(request: Request) -> dict[str, Any]:
        return dict(request.session)

    @app.route("/me", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    @auth()
    async def me(request: Request) -> str:
        return f"{request.auth} {request.user['id']}"

    return app


def cookie_in(answer: Reply, name: str) -> str:
    told = answer.headers["set-cookie"]
    assert told.startswith(f"{name}="), told
    return told.partition("=")[2].partition(";")[0]
