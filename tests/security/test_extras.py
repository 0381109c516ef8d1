"""What the doors say, and what goes on working, where an extra is not installed."""

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"


def run(code: str, *missing: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing) + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "from nexios.adapters.security.signing_keys import SigningKey as K; K('a', 'x')",
        "from nexios.adapters.security.signing_keys import VerifyKey as K; K.from_pem('x')",
        "from nexios.adapters.security.signing_keys import VerifyKey as K; K.from_jwk({})",
    ],
)
def test_key_pairs_name_the_extra_they_need(code: str) -> None:
    said = run(code, "cryptography")
    assert said == ("ImportError: key pairs need cryptography; fix: pip install 'nexios[crypto]'")


@pytest.mark.parametrize(
    "code",
    [
        "from nexios.adapters.security.outbound import Outbound; Outbound()",
        (
            "from nexios.auth.backends.jwt import JWTAuthBackend as B\n"
            "B(issuer='https://i.example', audience='a', jwks_url='https://i.example/keys')"
        ),
    ],
)
def test_asking_others_names_the_extra_it_needs(code: str) -> None:
    said = run(code, "httpx2")
    assert said == (
        "ImportError: asking other servers needs httpx2; fix: pip install 'nexios[oauth]'"
    )


def test_shared_keys_need_no_extra() -> None:
    code = (
        "from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt, decode_jwt\n"
        "JWTAuthBackend(secret_key='k' * 32, algorithms=['HS256'])\n"
        "print(decode_jwt(create_jwt({'sub': '7'}, 'k' * 32), 'k' * 32)['sub'])"
    )
    assert run(code, "cryptography", "httpx2", "authlib") == "7"


@pytest.mark.parametrize(
    "module", ["nexios.auth", "nexios.auth.decorator", "nexios.auth.backends.jwt"]
)
def test_importing_auth_is_light(module: str) -> None:
    heavy = (
        *("jwt", "httpx2", "httpx", "h11", "cryptography", "authlib", "itsdangerous"),
        *("pwdlib", "argon2", "redis", "uvicorn", "sqlalchemy"),
    )
    code = f"import {module}\nprint([name for name in {heavy!r} if sys.modules.get(name)])"
    assert run(code) == "[]"


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
