"""3. Authentication: a bearer token, checked before the handler.

Try it with a token of `create_jwt({"sub": 1}, SECRET)`.
"""

import os

from examples.seed_page.database import create_users, db
from nexios import MakeConfig, NexiosApp
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware

SECRET = os.environ.get("SEED_PAGE_SECRET", "only-for-this-example-and-never-in-production")

app = NexiosApp(config=MakeConfig(secret_key=SECRET))
app.on_startup(create_users)
app.on_shutdown(db.stop)


async def get_user_from_payload(**payload):
    return await db.fetch_one("SELECT * FROM users WHERE id = ?", [payload["sub"]])


app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend(get_user_from_payload)))


@app.get("/protected")
@auth(["jwt"])
async def protected(request, response):
    return response.json({"user": request.user})


if __name__ == "__main__":
    app.run()
