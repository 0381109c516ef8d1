"""The mark of a rule that belongs to no single aggregate."""

from typing import ClassVar


class DomainService:
    """A pure rule that spans aggregates: it is handed them and never fetches or stores."""

    __nexios_layer__: ClassVar[str] = "domain"
