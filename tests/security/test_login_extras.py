"""What the doors of passwords and Redis say when their library is not installed."""

import subprocess
import sys

import pytest

PASSWORDS = """
import asyncio, logging, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from nexios.adapters.security.passwords import Argon2Passwords
hasher = Argon2Passwords(memory_kib=64, passes=1)
print(asyncio.run(hasher.verify("correct horse", "$2b$04$" + "x" * 53)))
"""
COUNTERS = """
from nexios.adapters.security.redis_counters import RedisCounters
RedisCounters("redis://127.0.0.1:6379/0")
"""
SESSIONS = """
from nexios.adapters.security.redis_sessions import RedisSessions
RedisSessions("redis://127.0.0.1:6379/0")
"""


def without(library: str, program: str) -> "subprocess.CompletedProcess[str]":
    hidden = f"import sys\nsys.modules[{library!r}] = None\n"
    return subprocess.run(
        [sys.executable, "-c", hidden + program], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("library", ["pwdlib", "argon2"])
def test_passwords_name_their_extra(library: str) -> None:
    ended = without(library, PASSWORDS)
    assert ended.returncode == 1
    assert "fix: pip install 'nexios[passwords]'" in ended.stderr


def test_without_bcrypt_its_hashes_are_failed_logins_that_name_the_extra() -> None:
    ended = without("bcrypt", PASSWORDS)
    assert ended.returncode == 0, ended.stderr
    assert "it is of bcrypt; fix: pip install 'nexios[bcrypt]'" in ended.stdout
    assert "Verified(ok=False, replacement=None)" in ended.stdout


@pytest.mark.parametrize(
    ("program", "name"), [(COUNTERS, "RedisCounters"), (SESSIONS, "RedisSessions")]
)
def test_redis_names_its_extra_and_who_needs_it(program: str, name: str) -> None:
    ended = without("redis", program)
    assert ended.returncode == 1
    assert f"{name} needs redis; fix: pip install 'nexios[redis]'" in ended.stderr
