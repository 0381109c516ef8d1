"""A domain whose services ask for their ports, and one that does not."""

from typing import Protocol

from tests.container.mistakes.adapters.persistence.sessions import Session


class Users(Protocol):
    def get(self, number: int, name: str) -> str: ...


class Greeter:
    def __init__(self, users: Users) -> None: ...


class Leaky:
    def __init__(self, session: Session) -> None: ...
