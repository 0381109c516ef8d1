"""Values: what is equal by content, and the identities of what is not."""

import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import Final, Self, dataclass_transform
from uuid import UUID

from nexios.domain.errors import InvalidValue

_CANONICAL: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class ValueObject:
    """A frozen dataclass by subclassing: equal when all fields are equal, hashable.

    Invariants go into ``__post_init__``. Slots are not used: ``dataclass(slots=True)`` breaks
    zero-argument ``super()``.
    """

    def __init_subclass__(
        cls, *, order: bool = False, kw_only: bool = False, **kwargs: object
    ) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, order=order, kw_only=kw_only)(cls)

    def with_(self, **changes: object) -> Self:
        """Return a copy with some fields changed; its invariants are checked again."""
        return replace(self, **changes)  # type: ignore[type-var]  # each subclass is a dataclass


class Identity(UUID):
    """The identity of one kind of entity: ``class OrderId(Identity): ...``.

    A UUID that equals only another of its own class: an order is never a customer, even under
    the same number. Drivers and JSON take it as the UUID it is.
    """

    __slots__ = ()

    @classmethod
    def new(cls) -> Self:
        """Return a fresh identity: UUIDv7 (RFC 9562, 5.7), so later ones mostly sort later.

        The order is good for index locality, never for the order of events.
        """
        milliseconds = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
        random = int.from_bytes(os.urandom(10))
        head = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64
        return cls(int=head | 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read the canonical 36-character text, or take a plain UUID or this very identity.

        Raises:
            InvalidValue: Anything else, an identity of another kind too.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, UUID):
            if isinstance(value, Identity):
                raise InvalidValue("this is the id of something else")
            return cls(int=value.int)
        if isinstance(value, str) and _CANONICAL.fullmatch(value):
            return cls(value)
        raise InvalidValue("not an id: expected a UUID in its 36-character form")

    # UUID would answer True for any UUID with the same number, and its answer is asked for when
    # this one is NotImplemented.
    def __eq__(self, other: object) -> bool:
        if isinstance(other, UUID):
            return type(self) is type(other) and self.int == other.int
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.int)
