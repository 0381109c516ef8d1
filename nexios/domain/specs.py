"""Specifications: a rule that picks aggregates, meaning the same in Python and in a store."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from nexios.domain.values import ValueObject

A = TypeVar("A")


class Specification(ValueObject, ABC, Generic[A]):
    """A question about one aggregate; combine with ``&``, ``|`` and ``~``.

    The Python meaning is here. The mapper of a store may give the same question in SQL; the
    contract suite proves that both pick the same rows.
    """

    @abstractmethod
    def __call__(self, aggregate: A) -> bool:
        """Return whether ``aggregate`` is one of those meant."""

    def __and__(self, other: "Specification[A]") -> "Specification[A]":
        return AllOf((*_parts(AllOf, self), *_parts(AllOf, other)))

    def __or__(self, other: "Specification[A]") -> "Specification[A]":
        return AnyOf((*_parts(AnyOf, self), *_parts(AnyOf, other)))

    def __invert__(self) -> "Specification[A]":
        return self.spec if isinstance(self, Not) else Not(self)


class AllOf(Specification[A]):
    """Every one of ``specs``; of none: everything."""

    specs: tuple[Specification[A], ...]

    def __call__(self, aggregate: A) -> bool:
        return all(spec(aggregate) for spec in self.specs)


class AnyOf(Specification[A]):
    """At least one of ``specs``; of none: nothing."""

    specs: tuple[Specification[A], ...]

    def __call__(self, aggregate: A) -> bool:
        return any(spec(aggregate) for spec in self.specs)


class Not(Specification[A]):
    """Those that ``spec`` does not pick."""

    spec: Specification[A]

    def __call__(self, aggregate: A) -> bool:
        return not self.spec(aggregate)


def _parts(
    kind: type[AllOf[A]] | type[AnyOf[A]], spec: Specification[A]
) -> tuple[Specification[A], ...]:
    # Flat, so that long chains neither nest deeply nor compare differently by their brackets.
    if isinstance(spec, kind):
        return spec.specs
    return (spec,)


class Page(ValueObject, Generic[A]):
    """One page of a selection.

    Attributes:
        items: In id order.
        next: Opaque; give it as ``after`` to go on. None: this was the last page.
    """

    items: tuple[A, ...]
    next: str | None = None
