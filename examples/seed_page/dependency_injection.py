"""2. Dependency injection: a service, wired by its annotations, one for each request."""

from examples.seed_page.database import create_users, db
from nexios import Depend, Module, NexiosApp
from nexios.adapters.persistence import Database

data = Module("data")
data.bind(Database).value(db)
data.export(Database)
app = NexiosApp(data)
app.on_startup(create_users)
app.on_shutdown(db.stop)


class UserService:
    """Reads users. The annotation is the one line the page leaves out."""

    db: Database

    async def get_user(self, user_id: int):
        """Return the user, or None."""
        return await self.db.fetch_one("SELECT * FROM users WHERE id = ?", [user_id])


@app.get("/users/{user_id:int}")
async def get_user(request, response, user_id, user_service=Depend(UserService)):
    user = await user_service.get_user(user_id)
    return response.json(user)


if __name__ == "__main__":
    app.run()
