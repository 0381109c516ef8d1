"""Facts that happened: what an aggregate records."""

from dataclasses import dataclass, field
from typing import ClassVar, dataclass_transform

from nexios.domain.errors import DomainError, kebab


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class DomainEvent:
    """A fact, frozen and keyword-only: ``class OrderPlaced(DomainEvent, name="shop.placed")``.

    It holds the bare fact. When, by whom and as which number in its stream is added by the unit
    of work, in the envelope.

    Class arguments:
        name: The stable name it is stored under; kebab-case of the class name by default.
            Renaming the class then needs ``name=`` with the old name.
        version: The version of its fields; raise it when they change and write ``upgrade``.
    """

    __event_name__: ClassVar[str] = ""
    __event_version__: ClassVar[int] = 1

    def __init_subclass__(
        cls, *, name: str | None = None, version: int = 1, **kwargs: object
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.__event_name__ = name or kebab(cls.__name__)
        cls.__event_version__ = version
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def upgrade(
        cls,
        version: int,
        data: dict[str, object],  # noqa: ARG003  # for who overrides
    ) -> dict[str, object]:
        """Return stored ``data`` of an older ``version`` as this version's fields.

        Overridden by events whose version is above 1; called for older payloads only.
        """
        raise DomainError(
            f"{cls.__event_name__} is stored in version {version}, the code has "
            f"{cls.__event_version__} and no upgrade()"
        )
