"""Skips that are counted and say why, and the switch that turns them into failures."""

import os
from typing import Final, NoReturn

import pytest

PREFIX: Final = "nexios: "
_REQUIRE: Final = "NEXIOS_REQUIRE"


def lacks(store: str, capability: str) -> NoReturn:
    """Skip: this store has not what the test is about. Printed at the end of the run."""
    pytest.skip(f"{PREFIX}{store} lacks {capability}")


def missing(server: str, reason: str) -> NoReturn:
    """Skip for want of a server, or fail when ``NEXIOS_REQUIRE`` names it (``postgres``, ...)."""
    required = {name.strip() for name in os.environ.get(_REQUIRE, "").split(",")}
    if server in required:
        pytest.fail(f"{_REQUIRE} asks for {server}, and there is none: {reason}", pytrace=False)
    pytest.skip(f"{PREFIX}no {server}: {reason}")
