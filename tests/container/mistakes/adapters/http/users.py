"""Controllers."""

from tests.container.mistakes.adapters.persistence.sessions import Session
from tests.container.mistakes.domain.users import Greeter


class UserController:
    def __init__(self, greeter: Greeter) -> None: ...

    async def show(self) -> None: ...


class SessionController:
    def __init__(self, session: Session) -> None: ...

    async def show(self) -> None: ...
