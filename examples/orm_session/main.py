"""SQLAlchemy's ORM session instead of mappers: `nexios run examples.orm_session.main:app`.

An engine for the application and a session for each request, bound as anything else is. The
service ends the transaction itself, so a commit that fails is an error answer, never a 201.
"""

from collections.abc import AsyncIterator

from pydantic import BaseModel
from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from nexios import Controller, Module, NexiosApp, Scope, get, post
from nexios.domain import AlreadyExists


class Base(DeclarativeBase): ...


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100), unique=True)


class NewBook(BaseModel):
    title: str


class Shelf:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, title: str) -> Book:
        book = Book(title=title)
        try:
            async with self._session.begin():
                self._session.add(book)
        except IntegrityError:
            raise AlreadyExists("this title is on the shelf") from None
        return book

    async def titles(self) -> list[str]:
        return list(await self._session.scalars(select(Book.title).order_by(Book.id)))


class BookController(Controller, path="/books"):
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @get("/")
    async def titles(self) -> list[str]:
        return await self._shelf.titles()

    @post("/")
    async def put(self, new: NewBook) -> tuple[dict[str, int], int]:
        return {"id": (await self._shelf.put(new.title)).id}, 201


def library(url: str) -> NexiosApp:
    module = Module("library", bind=[Shelf], controllers=[BookController])

    @module.provides(scope=Scope.SINGLETON)
    async def engine() -> AsyncIterator[AsyncEngine]:
        opened = create_async_engine(url)
        async with opened.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield opened
        await opened.dispose()

    @module.provides()
    async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine, expire_on_commit=False) as opened:
            yield opened

    return NexiosApp(module.export(AsyncEngine, AsyncSession), title="Library")


app = library("sqlite+aiosqlite:///library.db")
