"""A socket controller that asks past the use cases."""

from tests.container.mistakes.adapters.persistence.sessions import Session


class ChatController:
    def __init__(self, session: Session) -> None: ...

    async def post(self) -> None: ...
