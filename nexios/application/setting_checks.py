"""What some settings must be, beyond their types; what is wrong is said by ``ValueError``."""

from dataclasses import fields
from ipaddress import ip_network
from typing import Final

from nexios.application.keyring import Secret
from nexios.application.known import TEST_HOST
from nexios.application.limits import Limits
from nexios.application.sections.section import Texts

PEER_NAMES: Final = frozenset({TEST_HOST, "unix"})


def proxies_checked(entries: Texts) -> Texts:
    """Return what is listed, if each is an address, a network, or a name servers give a peer."""
    for entry in entries:
        if entry not in PEER_NAMES:
            try:
                ip_network(entry, strict=False)
            except ValueError:
                raise ValueError(f"{entry!r} is no address or network like 10.0.0.0/8") from None
    return entries


def secrets_checked(value: object) -> tuple[Secret, ...]:
    """Return one or several texts as secrets, the first of which signs."""
    given: list[object] = list(value) if isinstance(value, (list, tuple)) else [value]
    secrets = [Secret(one) if isinstance(one, str) and one else one for one in given]
    found = tuple(one for one in secrets if isinstance(one, Secret))
    if not found or len(found) < len(given):
        raise ValueError("must be a text, or a list of texts whose first one signs; none empty")
    return found


def holding_checked(limits: Limits) -> Limits:
    """Return limits that can hold for a whole application."""
    if limits.body is None:
        raise ValueError(
            "body must be a number of bytes; None is for routes that stream: "
            'limits={"body": None} on the route'
        )
    for one in fields(limits):
        if (getattr(limits, one.name) or 0) < 0:
            raise ValueError(f"{one.name} must not be negative")
    return limits
