"""What each setting must be: the types of `Known` as pydantic checks and converts them.

A file of its own, loaded where a setting is given: an application that gives none starts without
what builds schemas.
"""

from dataclasses import field
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, InstanceOf, TypeAdapter

from nexios.application.keyring import Secret
from nexios.application.known import PRIVATE_NETWORKS, Known
from nexios.application.limits import Limits
from nexios.application.sections.section import Texts
from nexios.application.setting_checks import holding_checked, proxies_checked, secrets_checked
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class _Checked(Known):
    debug: Annotated[bool, BeforeValidator(lambda value: False if value is None else value)] = (
        False
    )
    secret_key: Annotated[tuple[InstanceOf[Secret], ...], BeforeValidator(secrets_checked)] = ()
    trusted_proxies: Annotated[Texts, AfterValidator(proxies_checked)] = PRIVATE_NETWORKS
    limits: Annotated[Limits, AfterValidator(holding_checked)] = field(default_factory=Limits)


_CHECK: Final = TypeAdapter(_Checked)


def checked(given: dict[str, object]) -> Known:
    """Return the settings these values stand for; what is not given has its default.

    Raises:
        ValidationError: With everything that is wrong.
    """
    return _CHECK.validate_python(given)
