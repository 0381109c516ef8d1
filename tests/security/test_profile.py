"""What a token must claim: the kinds of token are not taken for one another."""

import time
from typing import Any

import pytest

from nexios.adapters.security.algorithms import HmacKey, UnusableKey
from nexios.adapters.security.jwt import JwtCodec, JwtVerifier
from nexios.adapters.security.profile import Profile
from nexios.application.tokens import TokenError, TokenExpired
from tests.support.keys import forged, hmac_by

KEY = b"k" * 32
NOW = 1_800_000_000.0
ACCESS = Profile("https://id.example", "shop")
ID = Profile("https://id.example", "shop", kind="id", max_age_s=600)


def verify(profile: Profile, header: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    token = forged({"alg": "HS256", **header}, claims, hmac_by(KEY))
    return JwtVerifier([HmacKey(KEY)], profile, clock=lambda: NOW).verify(token)


def claims(**other: Any) -> dict[str, Any]:
    told = {
        "sub": "7",
        "iss": "https://id.example",
        "aud": "shop",
        "iat": NOW - 5,
        "exp": NOW + 60,
        **other,
    }
    return {name: value for name, value in told.items() if value is not ...}


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ({}, {"id"}),
        ({"typ": "JWT"}, {"id"}),
        ({"typ": "jwt"}, {"id"}),
        ({"typ": "application/jwt"}, {"id"}),
        ({"typ": "at+jwt"}, {"access"}),
        ({"typ": "AT+JWT"}, {"access"}),
        ({"typ": "application/at+jwt"}, {"access"}),
        ({"typ": "logout+jwt"}, set()),
        ({"typ": "JWE"}, set()),
        ({"typ": ""}, set()),
        ({"typ": None}, set()),
        ({"typ": ["JWT"]}, set()),
    ],
)
def test_an_id_token_is_no_access_token_and_the_other_way_round(
    header: dict[str, Any], kinds: set[str]
) -> None:
    for profile in (ACCESS, ID):
        if profile.kind in kinds:
            assert verify(profile, header, claims())["sub"] == "7"
        else:
            with pytest.raises(TokenError):
                verify(profile, header, claims())


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: ...} for name in ("sub", "iss", "aud", "iat", "exp")),
        {"iss": "https://id.example/"},
        {"aud": "other"},
        {"aud": ["other", "sho"]},
        {"aud": []},
        {"sub": 7},
        {"sub": ""},
        {"sub": "x" * 256},
        {"iat": NOW - 631},
        {"iat": NOW + 31},
        {"iat": str(NOW)},
        {"exp": NOW - 31},
        {"exp": True},
        {"nbf": NOW + 31},
    ],
    ids=str,
)
def test_the_claims_of_an_id_token_are_refused_one_by_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        verify(ID, {}, claims(**wrong))


@pytest.mark.parametrize(
    "right",
    [{"iat": NOW - 629}, {"iat": NOW + 29}, {"exp": NOW - 29}, {"aud": ["x", "shop"]}],
    ids=str,
)
def test_clocks_may_differ_by_thirty_seconds(right: dict[str, Any]) -> None:
    assert verify(ID, {}, claims(**right))


def test_an_ended_id_token_says_so() -> None:
    with pytest.raises(TokenExpired):
        verify(ID, {}, claims(exp=NOW - 31))


def test_an_access_token_may_be_a_day_old_unless_said_otherwise() -> None:
    access = {"typ": "at+jwt"}
    assert verify(ACCESS, access, claims(iat=NOW - 24 * 3600))
    shorter = Profile("https://id.example", "shop", max_age_s=60)
    assert verify(shorter, access, claims(iat=NOW - 89))
    with pytest.raises(TokenError):
        verify(shorter, access, claims(iat=NOW - 91))


def test_further_claims_may_be_required() -> None:
    for profile in (Profile(required=("jti",)), Profile("i", "a", required=("jti",))):
        header = {"typ": profile.typ}
        told = claims(iss="i", aud="a") if profile.strict else claims(aud=..., iss=...)
        assert verify(profile, header, {**told, "jti": "x"})
        with pytest.raises(TokenError):
            verify(profile, header, told)


def test_a_codec_makes_tokens_of_its_own_profile() -> None:
    for profile in (ACCESS, ID, Profile()):
        codec = JwtCodec([HmacKey(KEY)], profile, clock=time.time)
        assert codec.verify(codec.issue("7"))["sub"] == "7"


@pytest.mark.parametrize(
    "given", [{"kind": "id"}, {"kind": "refresh"}, {"issuer": "i"}, {"audience": "a"}]
)
def test_a_profile_that_makes_no_sense_is_refused_when_built(given: dict[str, Any]) -> None:
    with pytest.raises(UnusableKey):
        Profile(**given)
