"""Adapters: one that fits its port, and one that does not."""

from tests.container.mistakes.adapters.persistence.sessions import Session


class SqlUsers:
    def __init__(self, session: Session) -> None: ...

    def get(self, number: int, name: str) -> str:
        return ""


class ShortUsers:
    def get(self, number: int) -> str:
        return ""
