"""Proves an application: all that is wrong with its wiring and its routes is told at once."""

from collections.abc import Sequence

from nexios.container.container import Container
from nexios.container.errors import ContainerError, WiringErrors, WiringProblem


class SetupErrors(ExceptionGroup[Exception]):
    """Several things are wrong with what the application is made of."""

    def __str__(self) -> str:
        """Return the numbered listing."""
        lines = [f"{n}. {error}" for n, error in enumerate(self.exceptions, 1)]
        return "\n".join([self.message, *lines])

    def derive(self, excs: Sequence[Exception], /) -> "SetupErrors":  # type: ignore[override]  # the group holds nothing else
        """Return a group of the same type, so that splitting keeps it."""
        return SetupErrors(self.message, excs)


def prove(container: Container, problems: Sequence[Exception]) -> None:
    """Prove the wiring, and raise what is wrong with it after these problems.

    Raises:
        Exception: The one thing that is wrong.
        WiringErrors: Several things, all of the wiring.
        SetupErrors: Several things.
    """
    found = list(problems)
    try:
        container.validate()
    except WiringErrors as errors:
        found += errors.exceptions
    except ContainerError as error:
        found.append(error)
    raise_all(found)


def raise_all(problems: Sequence[Exception]) -> None:
    """Raise what is wrong, as `prove` does; return where nothing is."""
    if len(problems) == 1:
        raise problems[0]
    wiring = [one for one in problems if isinstance(one, WiringProblem)]
    if problems and len(wiring) == len(problems):
        raise WiringErrors(f"{len(wiring)} wiring problems", wiring)
    if problems:
        raise SetupErrors(f"{len(problems)} problems in routes and wiring", problems)
