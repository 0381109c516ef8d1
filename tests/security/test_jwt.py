"""The token door: whatever is not exactly right is refused, and never crashes."""

import base64
import hmac
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.security.algorithms import HmacKey, UnusableKey, WeakKeyWarning, hmac_keys
from nexios.adapters.security.jwt import JwtCodec, JwtVerifier, encode
from nexios.adapters.security.profile import Profile
from nexios.application.keyring import Secret
from nexios.application.tokens import TokenError, TokenExpired

KEY = b"k" * 32
NOW = 1_800_000_000.0
STRICT = Profile(issuer="https://id.example", audience="shop")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: Any, claims: Any, key: bytes = KEY, digest: str = "sha256") -> str:
    """Sign anything at all, without asking any library whether it is allowed."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{b64(head)}.{b64(body)}"
    return f"{message}.{b64(hmac.digest(key, message.encode(), digest))}"


def verifier(profile: Profile | None = None, **options: Any) -> JwtVerifier:
    return JwtVerifier([HmacKey(KEY)], profile or Profile(), clock=lambda: NOW, **options)


def good(**claims: Any) -> dict[str, Any]:
    return {"sub": "7", "exp": NOW + 60, **claims}


HEADER = {"alg": "HS256", "typ": "JWT"}


def test_a_good_token_gives_its_claims() -> None:
    assert verifier().verify(signed(HEADER, good(role="clerk"))) == good(role="clerk")


def test_pyjwt_and_we_understand_each_other() -> None:
    import jwt

    theirs = jwt.encode(good(), KEY, algorithm="HS256")
    assert verifier().verify(theirs)["sub"] == "7"
    ours = encode(good(exp=4_000_000_000), HmacKey(KEY))
    assert jwt.decode(ours, KEY, algorithms=["HS256"])["sub"] == "7"


PUBLIC_PEM = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE04N0xi21hshyvBp7I167sbE/bXqy\n"
    b"-----END PUBLIC KEY-----\n"
)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {"HS256": 1}},
        {"alg": 256},
        {},
        {"alg": "hs256"},
        {"alg": "HS256 "},
        {"alg": "HS384"},
        {"alg": "HS512"},
        {"alg": "HS1"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "PS256"},
        {"alg": "EdDSA"},
        *({"alg": "HS256", name: "x"} for name in ("jku", "jwk", "x5u", "x5c", "zip")),
        {"alg": "HS256", "jwk": {"kty": "oct", "k": b64(KEY)}},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "b64": True},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "kid": ""},
        {"alg": "HS256", "kid": "../../etc/passwd"},
        {"alg": "HS256", "kid": "x' OR 1=1 --"},
        {"alg": "HS256", "kid": "k" * 256},
        {"alg": "HS256", "kid": "k" * 4000},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "kid": 1},
        {"alg": "HS256", "kid": ["a"]},
        {"alg": "HS256", "typ": "at+jwt"},
        {"alg": "HS256", "typ": "JWE"},
        {"alg": "HS256", "typ": None},
        {"alg": "HS256", "typ": ["JWT"]},
        {"alg": "HS256", **{f"m{number}": 1 for number in range(16)}},
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","alg":"HS256"}',
        b'{"alg":"HS256"} {}',
        b'{"alg":"HS256"',
        b'["HS256"]',
        b'"HS256"',
        b"null",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + b'{"alg":"HS256"}',
        b'{"alg":"HS256","x":NaN}',
        b"[" * 3000,
        b'{"alg":"HS256","x":"\\ud800"}',
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_forged_header_is_refused_though_the_signature_fits(header: Any) -> None:
    with pytest.raises(TokenError, match="Invalid token"):
        verifier().verify(signed(header, good()))


def test_the_name_of_a_key_is_limited_at_and_above() -> None:
    for characters, believed in ((255, True), (256, False)):
        name = "k" * characters
        named = JwtVerifier([HmacKey(KEY, kid=name)], clock=lambda: NOW)
        token = signed({"alg": "HS256", "kid": name}, good())
        if believed:
            assert named.verify(token) == good()
        else:
            with pytest.raises(TokenError):
                named.verify(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    message = signed({"alg": algorithm}, good()).rpartition(".")[0]
    for token in (f"{message}.", message, f"{message}.AAAA", f"{message}.{b64(b'0' * 32)}"):
        with pytest.raises(TokenError):
            verifier().verify(token)


def test_the_algorithm_belongs_to_the_key() -> None:
    both = JwtVerifier(
        [HmacKey(KEY, "HS256", "a"), HmacKey(b"l" * 64, "HS512", "b")], clock=lambda: NOW
    )
    assert both.verify(signed({"alg": "HS256", "kid": "a"}, good()))
    assert both.verify(signed({"alg": "HS512", "kid": "b"}, good(), b"l" * 64, "sha512"))
    for header, key, digest in [
        ({"alg": "HS512", "kid": "a"}, KEY, "sha512"),
        ({"alg": "HS256", "kid": "b"}, b"l" * 64, "sha256"),
        ({"alg": "HS256", "kid": "b"}, KEY, "sha256"),
    ]:
        with pytest.raises(TokenError):
            both.verify(signed(header, good(), key, digest))


def test_a_token_without_kid_finds_the_only_key_of_its_algorithm_and_no_other() -> None:
    one = JwtVerifier([HmacKey(KEY, kid="a")], clock=lambda: NOW)
    assert one.verify(signed(HEADER, good()))
    two = JwtVerifier([HmacKey(KEY, kid="a"), HmacKey(b"l" * 32, kid="b")], clock=lambda: NOW)
    with pytest.raises(TokenError):
        two.verify(signed(HEADER, good()))


def test_every_secret_of_a_keyring_verifies_and_no_other() -> None:
    keys = hmac_keys([Secret("n" * 32), Secret("o" * 32)], ["HS256"])
    ring = JwtVerifier(keys, clock=lambda: NOW)
    assert ring.verify(signed(HEADER, good(), b"n" * 32))
    assert ring.verify(signed(HEADER, good(), b"o" * 32))
    with pytest.raises(TokenError):
        ring.verify(signed(HEADER, good(), b"p" * 32))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "7"},
        good(exp=None),
        good(exp=str(int(NOW + 60))),
        good(exp=True),
        good(exp=[NOW + 60]),
        good(exp=math.nan),
        good(exp=math.inf),
        b'{"sub":"7","exp":1e999}',
        good(exp=1e300),
        good(exp=10**400),
        good(exp=-1),
        good(nbf=NOW + 1),
        good(nbf="0"),
        good(nbf=None),
        good(iat="yesterday"),
        good(iat=False),
        good(aud="shop"),
        good(aud=["shop"]),
        good(aud=None),
        good(aud=[]),
        good(sub=""),
        good(sub=True),
        good(sub=False),
        good(sub=None),
        good(sub=["7"]),
        good(sub=7.5),
        good(sub="x" * 256),
        good(sub="a\x00b"),
        b'{"sub":"\\ud800","exp":1800000060}',
        b'{"sub":"1","sub":"2","exp":1800000060}',
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b"",
        b"{",
        b'{"sub":"7","exp":1800000060}x',
        b'{"sub":"7","exp":1800000060,"x":-Infinity}',
        b'{"sub":"7","exp":' + b"9" * 5000 + b"}",
        b'{"a":' * 1000,
    ],
    ids=lambda claims: str(claims)[:48],
)
def test_claims_that_are_not_what_they_should_be_are_refused(claims: Any) -> None:
    with pytest.raises(TokenError, match="Invalid token"):
        verifier().verify(signed(HEADER, claims))


@pytest.mark.parametrize("seconds", [0, -0.5, -1, -3600])
def test_an_ended_token_says_that_it_ended(seconds: float) -> None:
    with pytest.raises(TokenExpired, match="Token has expired") as refusal:
        verifier().verify(signed(HEADER, good(exp=NOW + seconds)))
    assert refusal.value.expired


def test_a_forged_and_ended_token_is_not_called_ended() -> None:
    with pytest.raises(TokenError) as refusal:
        verifier().verify(signed(HEADER, good(exp=NOW - 5), b"x" * 32))
    assert not refusal.value.expired


@pytest.mark.parametrize("subject", ["7", 7, 0, -1, "ü", "x" * 255])
def test_subjects_of_the_plain_profile(subject: object) -> None:
    assert verifier().verify(signed(HEADER, good(sub=subject)))["sub"] == subject


def test_leeway_is_what_was_given() -> None:
    late = signed(HEADER, good(exp=NOW - 4))
    assert verifier(Profile(leeway_s=5)).verify(late)
    with pytest.raises(TokenExpired):
        verifier(Profile(leeway_s=4)).verify(late)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: f" {token}",
        lambda token: f"{token} ",
        lambda token: f"{token}\n",
        lambda token: f"{token}=",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.replace(".", " .", 1),
        lambda token: token.replace(".", "..", 1),
        lambda token: f"{token}.",
        lambda token: f".{token}",
        lambda token: f"{token}.x",
        lambda token: token.replace(".", "", 1),
        lambda token: "",
        lambda token: "..",
        lambda token: "a.b.c",
        lambda token: token.translate({ord("-"): "+", ord("_"): "/"}) + "+",
        lambda token: token + "é",
        lambda token: token[:-1] + "\ud800",
        lambda token: token[:-1],
        lambda token: "x" * 8193,
        lambda token: token + "A" * 8192,
        lambda token: f"Bearer {token}",
        lambda token: json.dumps({"payload": token, "signatures": []}),
    ],
)
def test_only_three_strict_segments_are_a_token(spoil: Any) -> None:
    with pytest.raises(TokenError):
        verifier().verify(spoil(signed(HEADER, good())))


def test_a_second_spelling_of_the_same_bytes_is_refused() -> None:
    token = signed(HEADER, good())
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 32 bytes leave two unused bits in the last character.
    other = alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(TokenError):
        verifier().verify(token[:-1] + other)


def test_size_is_limited_one_below_at_and_above() -> None:
    token = signed(HEADER, good())
    assert verifier(max_bytes=len(token)).verify(token)
    assert verifier(max_bytes=len(token) + 1).verify(token)
    with pytest.raises(TokenError):
        verifier(max_bytes=len(token) - 1).verify(token)


@given(st.data())
def test_a_changed_token_is_refused_and_never_crashes(data: st.DataObject) -> None:
    token = signed(HEADER, good())
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.text(max_size=3))
    changed = token[:at] + put + token[at + 1 :]
    if changed != token:
        with pytest.raises(TokenError):
            verifier().verify(changed)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{1,9}"))
def test_arbitrary_text_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(TokenError):
        verifier().verify(text)


ACCESS = {"alg": "HS256", "typ": "at+jwt"}


class TestStrictProfile:
    def claims(self, **other: Any) -> dict[str, Any]:
        return good(iat=NOW - 10, iss="https://id.example", aud=["x", "shop"], **other)

    def test_a_good_token_passes(self) -> None:
        assert verifier(STRICT).verify(signed(ACCESS, self.claims()))
        full = {"alg": "HS256", "typ": "application/at+jwt"}
        assert verifier(STRICT).verify(signed(full, self.claims()))

    @pytest.mark.parametrize("header", [HEADER, {"alg": "HS256"}, {"alg": "HS256", "typ": "ID"}])
    def test_an_id_token_is_no_access_token(self, header: Any) -> None:
        with pytest.raises(TokenError):
            verifier(STRICT).verify(signed(header, self.claims()))

    @pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub"])
    def test_each_claim_must_be_there(self, name: str) -> None:
        claims = self.claims()
        del claims[name]
        with pytest.raises(TokenError):
            verifier(STRICT).verify(signed(ACCESS, claims))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"iss": "https://id.example/"},
            {"iss": "https://id.example.evil"},
            {"iss": ["https://id.example"]},
            {"aud": "sho"},
            {"aud": "shop2"},
            {"aud": ["shop", 7]},
            {"aud": {"shop": 1}},
            {"sub": 7},
            {"iat": NOW + 31},
            {"iat": NOW - 24 * 3600 - 31},
            {"exp": NOW - 31},
            {"nbf": NOW + 31},
        ],
    )
    def test_each_claim_must_be_ours(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(TokenError):
            verifier(STRICT).verify(signed(ACCESS, {**self.claims(), **wrong}))

    def test_issuer_and_audience_belong_together(self) -> None:
        for given_ in ({"issuer": "x"}, {"audience": "x"}):
            with pytest.raises(UnusableKey, match="belong together"):
                Profile(**given_)  # type: ignore[arg-type]  # two forms in one loop


class TestKeys:
    @pytest.mark.parametrize(
        "material",
        [
            PUBLIC_PEM,
            b"\n  " + PUBLIC_PEM,
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            b"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
            b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 someone@example",
            b'{"kty":"RSA","n":"AQAB","e":"AQAB"}',
            b'{"keys":[{"kty":"oct","k":"AAAA"}]}',
            b"",
        ],
    )
    def test_public_or_empty_material_is_no_hmac_key(self, material: bytes) -> None:
        with pytest.raises(UnusableKey, match="the key for HS256 was refused"):
            JwtVerifier([HmacKey(material)])

    @pytest.mark.parametrize(
        "algorithm", ["none", "HS128", "RS256", "ES256", "EdDSA", "hs256", ""]
    )
    def test_unknown_algorithms_are_refused_when_built(self, algorithm: str) -> None:
        with pytest.raises(UnusableKey, match="there are: HS256, HS384, HS512"):
            JwtVerifier([HmacKey(KEY, algorithm)])

    @pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_short_keys_warn_or_are_refused(self, algorithm: str, size: int) -> None:
        short, enough = HmacKey(b"k" * (size - 1), algorithm), HmacKey(b"k" * size, algorithm)
        with pytest.warns(WeakKeyWarning, match=f"has {size - 1} bytes and should have {size}"):
            JwtVerifier([short])
        with pytest.raises(UnusableKey, match=f"should have {size}"):
            JwtVerifier([short], refuse_short=True)
        JwtVerifier([enough], refuse_short=True)

    def test_no_key_and_two_of_one_name_are_refused(self) -> None:
        with pytest.raises(UnusableKey, match="at least one key"):
            JwtVerifier([])
        with pytest.raises(UnusableKey, match="two keys are named 'a'"):
            JwtVerifier([HmacKey(KEY, kid="a"), HmacKey(b"l" * 32, kid="a")])

    def test_a_key_never_shows_itself(self) -> None:
        assert "kkk" not in repr(HmacKey(KEY))


class TestCodec:
    def codec(self, profile: Profile | None = None) -> JwtCodec:
        return JwtCodec([HmacKey(KEY)], profile or Profile(), clock=lambda: NOW)

    def test_what_is_issued_ends_and_is_understood(self) -> None:
        codec = self.codec()
        claims = codec.verify(
            codec.issue("7", scopes=["a", "b"], claims={"role": "x", "sub": "8"})
        )
        assert claims["sub"] == "7"
        assert claims["exp"] == NOW + 600
        assert claims["iat"] == NOW
        assert claims["scope"] == "a b"
        assert claims["role"] == "x"
        assert claims["jti"] != codec.verify(codec.issue("7"))["jti"]

    def test_strict_codec_verifies_its_own_and_no_plain_token(self) -> None:
        codec = self.codec(STRICT)
        assert codec.verify(codec.issue("7"))["aud"] == "shop"
        with pytest.raises(TokenError):
            codec.verify(self.codec().issue("7"))

    @pytest.mark.parametrize("claims", [{"x": object()}, {"x": math.nan}, {"x": {1, 2}}])
    def test_a_claim_that_is_no_json_is_a_value_error(self, claims: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"JSON|Out of range"):
            self.codec().issue("7", claims=claims)
