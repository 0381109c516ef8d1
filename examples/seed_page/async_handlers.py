"""1. Async handlers: a transaction around a query."""

from examples.seed_page.database import create_users, db
from nexios import NexiosApp

app = NexiosApp()
app.on_startup(create_users)
app.on_shutdown(db.stop)


@app.get("/users")
async def list_users(request, response):
    async with db.transaction():
        users = await db.fetch_all("SELECT * FROM users")
        return response.json(users)


if __name__ == "__main__":
    app.run()
