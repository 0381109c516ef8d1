"""``create_jwt`` and ``decode_jwt``."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import nexios.config
from nexios.adapters.security.algorithms import UnusableKey
from nexios.application.tokens import TokenError
from nexios.auth.backends.jwt import create_jwt, decode_jwt
from nexios.config import set_config

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


@pytest.fixture(autouse=True)
def _no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nexios.config, "_default", None)


def test_what_was_made_is_read_and_the_payload_is_unchanged() -> None:
    payload = {"sub": 7, "role": "clerk"}
    claims = decode_jwt(create_jwt(payload, SECRET), SECRET)

    assert payload == {"sub": 7, "role": "clerk"}
    assert claims["sub"] == 7
    assert claims["role"] == "clerk"


@pytest.mark.parametrize("expires_in", [None, 3600, timedelta(hours=1)])
def test_a_token_always_ends(expires_in: Any) -> None:
    claims = decode_jwt(create_jwt({"sub": "7"}, SECRET, expires_in=expires_in), SECRET)
    ends = datetime.fromtimestamp(int(str(claims["exp"])), UTC)
    assert timedelta(minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=1)


def test_an_end_of_ones_own_is_kept_and_dates_are_written_as_numbers() -> None:
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    claims = decode_jwt(create_jwt({"exp": moment, "sub": "7"}, SECRET), SECRET)
    assert claims["exp"] == int(moment.timestamp())


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_algorithm_must_be_expected(algorithm: str) -> None:
    secret = SECRET * 2
    token = create_jwt({"sub": "7"}, secret, algorithm)
    assert decode_jwt(token, secret, [algorithm])["sub"] == "7"
    if algorithm != "HS256":
        with pytest.raises(TokenError):
            decode_jwt(token, secret)


def test_the_two_texts_of_refusal() -> None:
    with pytest.raises(TokenError, match=r"^Token has expired$"):
        decode_jwt(create_jwt({"sub": "7"}, SECRET, expires_in=-5), SECRET)
    for token in ("", "x", create_jwt({"sub": "7"}, SECRET[::-1])):
        with pytest.raises(TokenError, match=r"^Invalid token$"):
            decode_jwt(token, SECRET)
    assert issubclass(TokenError, ValueError)


def test_without_a_secret_nothing_is_made() -> None:
    with pytest.raises(UnusableKey, match="pass secret"):
        create_jwt({"sub": "7"})
    with pytest.raises(UnusableKey, match="none"):
        create_jwt({"sub": "7"}, SECRET, "none")


def test_the_secret_of_set_config_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="set_config"):
        set_config(secret_key=SECRET)
    with pytest.warns(DeprecationWarning, match="pass secret"):
        token = create_jwt({"sub": "7"})
    assert decode_jwt(token, SECRET)["sub"] == "7"
