"""The headers every answer of a careful application has, whatever its configuration says."""

from nexios.middleware.security import SecurityMiddleware


class CommonMiddleware(SecurityMiddleware):
    """A `SecurityMiddleware` with all its defaults; the section ``security`` is not read."""

    def __init__(self) -> None:
        super().__init__(csp_enabled=True)
