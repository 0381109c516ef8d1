"""``Context``: request, builder, user and applications of a request, under one name."""

from typing import Any

from nexios.adapters.http.builder import Response
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.request import Request


class Context:
    """What a handler or dependency is given for ``ctx=Context()``, however deep it stands.

    Made by hand, in a test, it holds what it was given.

    Attributes:
        request: The request; None in one made without it.
    """

    __slots__ = ("_exchange", "_values", "request")

    def __init__(self, request: Request | None = None, **values: Any) -> None:
        """Mark a parameter, or make one for a test.

        Args:
            values: ``response user app base_app``, or names of the test's own.
        """
        self.request = request
        self._values = values
        self._exchange: Exchange | None = None

    @classmethod
    def of(cls, exchange: Exchange) -> "Context":
        """Return the context of a request on its way."""
        made = cls(exchange.request)
        made._exchange = exchange
        return made

    @property
    def response(self) -> Response:
        """The builder of this request.

        Raises:
            AttributeError: This one was made by hand and without it.
        """
        if self._exchange is not None:
            return self._exchange.response
        return self.__getattr__("response")  # type: ignore[no-any-return]  # given by hand

    @property
    def user(self) -> Any:
        """Whoever calls, as ``request.user``; ``Any``, since the class is the application's."""
        return self._given("user")

    @property
    def app(self) -> Any:
        """The application that serves, as ``request.app``."""
        return self._given("app")

    @property
    def base_app(self) -> Any:
        """The outermost application, as ``request.base_app``."""
        return self._given("base_app")

    def _given(self, name: str) -> Any:
        if name in self._values or self.request is None:
            return self._values.get(name)
        return getattr(self.request, name)

    def __getattr__(self, name: str) -> Any:
        values = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        raise AttributeError(f"the context has no {name!r}")


def context_of(exchange: Exchange) -> Context:
    """Return the context of a request: the getter of parameters that ask for one."""
    return Context.of(exchange)
