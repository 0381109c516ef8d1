"""The application's loader of users, called with what a credential claims."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from nexios.application.caller import ANONYMOUS, Caller
from nexios.auth.backends.base import AuthenticationBackend
from nexios.container.container import Container
from nexios.container.entry import Entry, EntryPoint, Getter
from nexios.container.keys import Key
from nexios.container.signature import Parameter, read

_CLAIMS: Final = "nexios_claims"  # a name no claim and no service has


class Claims(dict[str, object]):
    """What a credential says; the key under which the loader's entry gets it."""


class _ClaimsFirst:
    """Reads the one parameter the container does not fill."""

    def getter(
        self,
        asker: Callable[..., object],  # noqa: ARG002  # the port's names
        parameter: Parameter,
        *,
        before: bool,  # noqa: ARG002
    ) -> Getter | None:
        """Return the claims for their own parameter, None for every other."""
        return Getter(lambda claims: claims) if parameter.name == _CLAIMS else None


class Loader:
    """Calls a function with those claims it has parameters for.

    A parameter with ``Depend`` is filled by the container, in a REQUEST scope of its own that
    is closed before the handler begins.
    """

    __slots__ = ("_entry", "_function", "_needed", "_open", "_picked", "label", "point")

    def __init__(self, function: Callable[..., Any], label: str) -> None:
        """Read the signature.

        Raises:
            TypeError: It has a positional-only parameter: claims are given by name.
        """
        signature = read(function)
        asked = [one for one in signature.parameters if one.marker is not None]
        told = [one for one in signature.parameters if one.marker is None]
        for one in told:
            if one.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise TypeError(f"{label}: claims are given by name, so {one.name!r} needs one")
        self.label = label
        self._function = function
        self._open = signature.open_keywords
        self._picked = frozenset(one.name for one in told)
        self._needed = frozenset(one.name for one in told if not one.has_default)
        self.point = self._as_point(asked) if asked else None
        self._entry: Entry | None = None

    def wire(self, container: Container) -> None:
        """Have the call planned, where the loader asks for anything.

        Raises:
            WiringErrors: What it asks for is not there.
        """
        if self.point is not None:
            self._entry = container.entry(self.point)

    async def __call__(self, claims: Mapping[str, object]) -> object:
        """Return the user, or None when a claim the loader insists on is missing."""
        if not self._needed <= claims.keys():
            return None
        given = claims if self._open else {name: claims[name] for name in self._chosen(claims)}
        if self.point is None:
            result = self._function(**given)
        elif self._entry is None:
            raise RuntimeError(f"{self.label} asks for services and was not wired by an app")
        else:
            result = self._entry.plan.call(Claims(given))
        return await result if isinstance(result, Awaitable) else result

    def _chosen(self, claims: Mapping[str, object]) -> list[str]:
        return [name for name in self._picked if name in claims]

    def _as_point(self, asked: list[Parameter]) -> EntryPoint:
        """Return an entry whose parameters are the claims, and what the loader asks for."""
        function = self._function
        names = frozenset(one.name for one in asked)

        @functools.wraps(function)
        async def load(*, nexios_claims: Claims, **asked_for: object) -> object:
            told = {name: told for name, told in nexios_claims.items() if name not in names}
            result = function(**told, **asked_for)
            return await result if isinstance(result, Awaitable) else result

        parameters = inspect.signature(function).parameters
        load.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # read by inspect
            [
                inspect.Parameter(_CLAIMS, inspect.Parameter.KEYWORD_ONLY, annotation=Claims),
                *(
                    parameters[one.name].replace(kind=inspect.Parameter.KEYWORD_ONLY)
                    for one in asked
                ),
            ]
        )
        return EntryPoint(
            self.label,
            load,
            values=(Key(Claims),),
            reads=_ClaimsFirst(),
            supplies={Key(Caller): _nobody_yet},
        )


def _nobody_yet(*_: object) -> Caller:
    """Return who calls while it is being found out, for what a use case notes."""
    return ANONYMOUS


class LoadingBackend(AuthenticationBackend):
    """Base of the backends that ask the application by a `Loader`; children make it."""

    _loader: Loader | None = None

    @property
    def loader(self) -> Loader | None:
        """The loader with its entry point, for whoever proves the wiring."""
        return self._loader

    def wire(self, container: Container) -> None:
        """Have the loader planned; called once, at start."""
        if self._loader is not None:
            self._loader.wire(container)
