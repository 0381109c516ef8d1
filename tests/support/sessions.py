"""A request-scoped session that logs its opening, its end and what ended it."""

from collections.abc import AsyncIterator

from nexios import Module


class Session:
    def __init__(self) -> None:
        self.open = True


def sessions(log: list[str]) -> Module:
    """Return a module that exports `Session`."""
    module = Module("sessions")

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        made = Session()
        log.append("open")
        try:
            yield made
        except BaseException as error:
            log.append(type(error).__name__)
            raise
        finally:
            made.open = False
            log.append("close")

    return module.export(Session)
