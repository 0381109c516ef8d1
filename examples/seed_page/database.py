"""What the page leaves out: a database with one table ``users(id, name)``."""

import os

from nexios.adapters.persistence import Database

db = Database(os.environ.get("SEED_PAGE_DATABASE", "sqlite:///seed_page.db"))


async def create_users() -> None:
    """Create the table and put three people into it, once."""
    async with db.transaction():
        await db.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT)")
        if await db.fetch_value("SELECT count(*) FROM users") == 0:
            for number, name in enumerate(("Ada", "Grace", "Edsger"), 1):
                await db.execute("INSERT INTO users (id, name) VALUES (?, ?)", [number, name])
