"""Classes whose annotations are all text, by the future import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nexios.container.keys import Key

if TYPE_CHECKING:
    from collections.abc import Sequence  # text that nobody can evaluate at run time


class Inner:
    pass


class Late:
    def __init__(
        self,
        inner: Inner,
        many: list[Inner],
        maybe: Other | None,
        hot: Annotated[Inner, Key("hot")],
    ) -> None:
        self.inner, self.many, self.maybe, self.hot = inner, many, maybe, hot


class Other:
    pass


class Attributes:
    inner: Inner
    size: int = 3


def made(inner: Inner) -> Other:
    return Other()


class Unread:
    def __init__(self, many: Sequence[Inner]) -> None: ...
