"""The port of what an application needs to be ready: a database, a broker, its migrations."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class HealthCheck(Protocol):
    """One thing that is asked whether it works.

    Attributes:
        name: For operators; each check of an application has its own.
        critical: Without it the application is not ready; otherwise it is only degraded.
        timeout_s: An answer that takes longer counts as a failure.
    """

    @property
    def name(self) -> str:
        """For operators."""
        ...

    @property
    def critical(self) -> bool:
        """Whether the application is not ready without it."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long the answer may take."""
        ...

    async def check(self) -> None:
        """Return when all is well.

        Raises:
            Exception: It does not work; the text is for operators.
        """
        ...
