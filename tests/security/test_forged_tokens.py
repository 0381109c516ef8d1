"""Forgeries by kind of key, each at the verifier and over HTTP: none is believed."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given, settings
from hypothesis import strategies as st

from nexios.adapters.security.algorithms import HmacKey
from nexios.adapters.security.jwt import JwtVerifier
from nexios.adapters.security.profile import Profile
from nexios.adapters.security.signing_keys import VerifyKey
from nexios.app import NexiosApp
from nexios.application.tokens import TokenError
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.testing.client import AsyncTestClient
from tests.support.keys import GOOD, b64, forged, hmac_by, pair, public_bytes, signer

NOW = 1_800_000_000.0
KID = "2027-a"
ISSUER = "https://id.example"
SHARED = b"k" * 64
KINDS = ("HS256", *GOOD)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def claims(**other: Any) -> dict[str, Any]:
    told = {"sub": "7", "iss": ISSUER, "aud": "shop", "iat": NOW - 5, "exp": NOW + 60}
    return {name: value for name, value in {**told, **other}.items() if value is not ...}


@dataclasses.dataclass(frozen=True)
class Target:
    """A verifier of one key, and its legitimate signer."""

    algorithm: str
    strict: bool

    @property
    def typ(self) -> str:
        return "at+jwt" if self.strict else "JWT"

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": self.algorithm, "typ": self.typ, "kid": KID}

    @property
    def claims(self) -> dict[str, Any]:
        return claims() if self.strict else claims(aud=..., iss=..., iat=...)

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "HS256":
            return bytes(hmac_by(SHARED)(message))
        return bytes(signer(self.algorithm, pair(self.algorithm).private)(message))

    def token(self, header: Any = None, told: Any = None, mark: Any = None) -> str:
        return forged(
            self.header if header is None else header,
            self.claims if told is None else told,
            mark or self.sign,
        )

    @property
    def verifier(self) -> JwtVerifier:
        key = (
            HmacKey(SHARED, kid=KID)
            if self.algorithm == "HS256"
            else VerifyKey.from_pem(
                pair(self.algorithm).public_pem, kid=KID, algorithm=self.algorithm
            )
        )
        profile = Profile(ISSUER, "shop") if self.strict else Profile()
        return JwtVerifier([key], profile, clock=lambda: NOW)


TARGETS = [Target(algorithm, strict) for algorithm in KINDS for strict in (False, True)]
Forgery = tuple[str, str]


def none_in_any_case(target: Target) -> Iterator[Forgery]:
    for name in ("none", "None", "NONE", "nOnE", "", " none", "none\x00"):
        head = {**target.header, "alg": name}
        for what, mark in (
            ("no signature", lambda _: b""),
            ("its own", target.sign),
            ("shared", hmac_by(b"")),
            ("a zero", lambda _: b"\0"),
        ):
            yield f"alg {name!r}, {what}", target.token(head, mark=mark)
    yield "no alg", target.token({"typ": target.typ, "kid": KID})
    for alg in (None, 0, True, ["none"], {"none": 1}, [target.algorithm]):
        yield f"alg {alg!r}", target.token({**target.header, "alg": alg})
    empty = target.token(mark=lambda _: b"")
    yield "an empty signature", empty
    yield "no third part", empty.rstrip(".")


def shared_by_what_is_public(target: Target) -> Iterator[Forgery]:
    if target.algorithm == "HS256":
        return
    made = pair(target.algorithm)
    jwk = VerifyKey.from_pem(made.public_pem, kid=KID, algorithm=target.algorithm).to_jwk()
    numbers = {name: told for name, told in jwk.items() if name in {"kty", "crv", "x", "y", "n"}}
    materials = {
        "PEM": made.public_pem.encode(),
        "PEM without its last line break": made.public_pem.strip().encode(),
        "PEM with CRLF": made.public_pem.replace("\n", "\r\n").encode(),
        "PEM of PKCS 1 or a point": raw_public(made.private),
        "DER": public_bytes(made.private, serialization.Encoding.DER),
        "JWK": json.dumps(jwk).encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "its members": json.dumps(numbers, separators=(",", ":"), sort_keys=True).encode(),
        "one member": str(jwk.get("n") or jwk["x"]).encode(),
        "nothing": b"",
    }
    for name, material in materials.items():
        for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
            for alg in (algorithm, target.algorithm):
                head = {**target.header, "alg": alg}
                mark = hmac_by(material, digest)
                yield f"{digest} over {name}, alg {alg}", target.token(head, mark=mark)
                del head["kid"]
                yield f"{digest} over {name}, alg {alg}, no kid", target.token(head, mark=mark)


def raw_public(private: Any) -> bytes:
    public = private.public_key()
    name = type(public).__name__
    if "RSA" in name:
        told = (serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    elif "Ed25519" in name:
        told = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        told = (
            serialization.Encoding.X962,
            serialization.PublicFormat.UncompressedPoint,
        )
    return bytes(public.public_bytes(*told))


def other_families_and_curves(target: Target) -> Iterator[Forgery]:
    for other in GOOD:
        theirs = pair(other, 1).private
        for alg in dict.fromkeys((other, target.algorithm)):
            mark = signer(other, theirs)
            yield (
                f"a strange {other} key, alg {alg}",
                target.token({**target.header, "alg": alg}, mark=mark),
            )
    for curve in ("P-384", "P-521", "secp256k1"):
        mark = signer("ES256", pair(curve).private)
        for alg in dict.fromkeys(("ES256", "ES384", "ES512", "ES256K", target.algorithm)):
            yield f"{curve}, alg {alg}", target.token({**target.header, "alg": alg}, mark=mark)
    ed448 = pair("Ed448").private.sign
    for alg in dict.fromkeys(("EdDSA", "Ed448", target.algorithm)):
        yield f"Ed448, alg {alg}", target.token({**target.header, "alg": alg}, mark=ed448)
    for alg in ("HS256", "HS384", "HS512", *GOOD, "ES384", "RS512", "Ed25519", "A128GCM"):
        if alg != target.algorithm:
            yield f"the right key, alg {alg}", target.token({**target.header, "alg": alg})
    for alg in (target.algorithm.lower(), f" {target.algorithm}", f"{target.algorithm}\n"):
        if alg != target.algorithm:
            yield f"the right key, alg {alg!r}", target.token({**target.header, "alg": alg})


def broken_signatures(target: Target) -> Iterator[Forgery]:
    def of(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        return lambda message: change(target.sign(message))

    changes: dict[str, Callable[[bytes], bytes]] = {
        "all zero": lambda mark: bytes(len(mark)),
        "all one": lambda mark: b"\xff" * len(mark),
        "first bit": lambda mark: bytes([mark[0] ^ 0x80]) + mark[1:],
        "last bit": lambda mark: mark[:-1] + bytes([mark[-1] ^ 1]),
        "one byte less": lambda mark: mark[:-1],
        "first byte gone": lambda mark: mark[1:],
        "one byte more": lambda mark: mark + b"\0",
        "one byte before": lambda mark: b"\0" + mark,
        "half": lambda mark: mark[: len(mark) // 2],
        "twice": lambda mark: mark + mark,
        "reversed": lambda mark: mark[::-1],
    }
    for name, change in changes.items():
        yield f"signature {name}", target.token(mark=of(change))
    yield "of another message", target.token(mark=lambda _: target.sign(b"other"))
    if target.algorithm == "ES256":
        private = pair("ES256").private
        order = P256_ORDER.to_bytes(32, "big")
        yield "DER", target.token(mark=lambda m: private.sign(m, ec.ECDSA(hashes.SHA256())))
        for name, r, s in (
            ("r = s = 0", bytes(32), bytes(32)),
            ("r = 0", bytes(32), b"\1" * 32),
            ("s = 0", b"\1" * 32, bytes(32)),
            ("r = s = n", order, order),
            ("r = 1, s = n", bytes(31) + b"\1", order),
        ):
            yield name, target.token(mark=lambda _, r=r, s=s: r + s)
    if target.algorithm == "EdDSA":

        def beyond(message: bytes) -> bytes:
            mark = target.sign(message)
            s = int.from_bytes(mark[32:], "little") + ED25519_ORDER
            return mark[:32] + s.to_bytes(32, "little")

        yield "s + order", target.token(mark=beyond)
    if target.algorithm in {"RS256", "PS256"}:
        private = pair(target.algorithm).private
        sha1 = hashes.SHA1()  # the point of the forgery
        for name, scheme, digest in (
            ("SHA-512", padding.PKCS1v15(), hashes.SHA512()),
            ("SHA-1", padding.PKCS1v15(), sha1),
            ("PSS of SHA-512", padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512()),
            ("no salt", padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256()),
            ("MGF of SHA-1", padding.PSS(padding.MGF1(sha1), 32), hashes.SHA256()),
        ):
            yield (
                f"{name}",
                target.token(mark=lambda m, s=scheme, d=digest: private.sign(m, s, d)),
            )


def keys_and_readings_in_the_header(target: Target) -> Iterator[Forgery]:
    evil = pair("ES256", 1)
    jwk = VerifyKey.from_pem(evil.public_pem).to_jwk()
    theirs = signer("ES256", evil.private)
    told: dict[str, Any] = {
        "jku": "https://evil.example/keys",
        "jwk": jwk,
        "x5u": "https://evil.example/chain",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "zip": "DEF",
        "b64": False,
    }
    for name, value in told.items():
        for given_ in (value, None, "", []):
            yield f"{name}: {given_!r:.30}", target.token({**target.header, name: given_})
        head = {**target.header, "alg": "ES256", name: value}
        yield f"{name}, and signed by it", target.token(head, mark=theirs)
        yield (
            f"{name}, no kid",
            target.token(
                {part: text for part, text in head.items() if part != "kid"}, mark=theirs
            ),
        )
    yield "crit of b64", target.token({**target.header, "crit": ["b64"], "b64": True})
    many = {f"m{number}": 1 for number in range(14)}
    yield "17 members", target.token({**target.header, **many})
    head = json.dumps(target.header)
    yield "two alg", target.token(head.replace("{", '{"alg": "none", ', 1).encode())
    yield "two kid", target.token(head.replace("{", '{"kid": "x", ', 1).encode())
    for text in (
        "",
        "[]",
        "null",
        "7",
        f"{head} {{}}",
        f"[{head}]",
        f"{head[:-1]}",
        "\ufeff" + head,
    ):
        yield f"header {text!r:.20}", target.token(text.encode())
    yield "UTF-16", target.token(head.encode("utf-16"))
    yield "a header in a header", target.token(b"[" * 2000)


def names_of_keys(target: Target) -> Iterator[Forgery]:
    for kid in (
        "",
        "../../../../dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "file:///dev/null",
        "https://evil.example/key.pem",
        "x' UNION SELECT 'a' --",
        "'; DROP TABLE keys; --",
        "| cat /etc/passwd",
        "*",
        KID.upper(),
        f"{KID} ",
        f"{KID}\x00",
        "k" * 256,
        "k" * 5000,
        None,
        0,
        True,
        [KID],
        {"kid": KID},
    ):
        yield f"kid {kid!r:.30}", target.token({**target.header, "kid": kid})
        for key in (b"", b"\0"):  # what an emptied or missing file would be read as
            head = {**target.header, "kid": kid, "alg": "HS256"}
            yield f"kid {kid!r:.30}, {key!r}", target.token(head, mark=hmac_by(key))
    yield "kid of 10 KB", target.token({**target.header, "kid": "k" * 10_240})


def claims_of_the_wrong_type(target: Target) -> Iterator[Forgery]:
    wrong: list[dict[str, Any]] = [
        *({"exp": value} for value in (..., None, "", "1800000060", True, [], {}, [NOW + 60])),
        *({"exp": value} for value in (1e300, 10**400, -1, 253_402_300_800, NOW - 31, 0)),
        *({"nbf": value} for value in (NOW + 31, "0", None, True, -1, 1e300)),
        *({"iat": value} for value in ("now", None, False, [], -1, 1e300)),
        *({"sub": value} for value in ("", None, True, False, 7.5, [], {}, ["7"], "x" * 256)),
        {"sub": "a\x00b"},
        *({"aud": value} for value in ("", None, 7, True, {}, [], [[]], "sho", "shopp", "Shop")),
        *({"aud": value} for value in (["shop", 7], ["shop", None], ["sho"], "other", "*")),
        *({"aud": value} for value in ("shop other", "other,shop", " shop")),
    ]
    if target.strict:
        wrong += [
            *({name: ...} for name in ("sub", "iss", "aud", "iat")),
            *({"iss": value} for value in ("", None, [ISSUER], f"{ISSUER}/", ISSUER.upper())),
            *({"iss": value} for value in (f"{ISSUER}.evil.example", "id.example", 7, True)),
            *({"iat": value} for value in (NOW + 31, NOW - 86_431)),
            *({"sub": value} for value in (7, 0)),
        ]
    else:
        wrong += [{"aud": "shop"}, {"aud": ["shop"]}]
    for other in wrong:
        told = {**target.claims, **other}
        told = {name: value for name, value in told.items() if value is not ...}
        yield f"claims {other!r:.50}", target.token(told=told)
    body = json.dumps(target.claims)
    for text in (
        body.replace("1800000060.0", "1e999"),
        body.replace("1800000060.0", "Infinity"),
        body.replace("1800000060.0", "NaN"),
        body.replace("1800000060.0", "9" * 5000),
        body.replace("{", '{"sub": "8", ', 1),
        body.replace('"7"', '"\\ud800"'),
        f"{body}x",
        f"[{body}]",
        body[:-1],
        "",
        "null",
        '"7"',
    ):
        yield f"claims {text!r:.60}", target.token(told=text.encode())


def other_kinds_of_token(target: Target) -> Iterator[Forgery]:
    for typ in ("at+jwt", "JWT", "logout+jwt", "JWE", "", None, 7, ["JWT"], "jwt ", "application"):
        if typ != target.typ:
            yield f"typ {typ!r}", target.token({**target.header, "typ": typ})
    if target.strict:
        head = {name: told for name, told in target.header.items() if name != "typ"}
        yield "no typ", target.token(head)
    flattened = {"protected": "e30", "payload": "e30", "signature": target.token()}
    yield "JSON serialisation", json.dumps(flattened)
    yield "five parts", f"{target.token()}.{b64(b'x')}.{b64(b'y')}"


def other_segments(target: Target) -> Iterator[Forgery]:
    token = target.token()
    head, body, mark = token.split(".")
    changed = {
        "padded head": f"{head}=.{body}.{mark}",
        "padded body": f"{head}.{body}=.{mark}",
        "padded mark": f"{token}=",
        "twice padded": f"{token}==",
        "space before": f" {token}",
        "space after": f"{token} ",
        "space within": f"{head}. {body}.{mark}",
        "tab within": f"{head[:4]}\t{head[4:]}.{body}.{mark}",
        "question mark": f"{head[:4]}?{head[4:]}.{body}.{mark}",
        "plus": f"{head}.{body}.{mark[:-1]}+",
        "slash": f"{head}.{body}.{mark[:-1]}/",
        "fourth part": f"{token}.x",
        "empty fourth part": f"{token}.",
        "empty first part": f".{token}",
        "no head": f".{body}.{mark}",
        "no body": f"{head}..{mark}",
        "no mark": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "one part": head + body + mark,
        "swapped": f"{body}.{head}.{mark}",
        "detached": f"{head}..{mark}",
        "percent": f"{head}%2E{body}%2E{mark}",
        "dots only": "..",
        "twice": f"{token},{token}",
        "named": f"Bearer {token}",
        "too long by one": sized(target, 8193),
        "too long": token + "A" * 8192,
    }
    yield from changed.items()


@lru_cache(maxsize=64)
def sized(target: Target, size: int) -> str:
    """Return a token of the right key that has exactly this many characters."""
    bare = len(target.token(told={**target.claims, "fill": ""}))
    about = (size - bare) * 3 // 4
    # Not every length is one of base64 with this header, so the header grows too.
    for more in range(4):
        head = {**target.header, "x": "h" * more}
        for near in range(about - 24, about + 24):
            token = target.token(head, {**target.claims, "fill": "f" * near})
            if len(token) == size:
                return token
    raise AssertionError(size)


TABLE: list[Callable[[Target], Iterator[Forgery]]] = [
    none_in_any_case,
    shared_by_what_is_public,
    other_families_and_curves,
    broken_signatures,
    keys_and_readings_in_the_header,
    names_of_keys,
    claims_of_the_wrong_type,
    other_kinds_of_token,
    other_segments,
]

every_target = pytest.mark.parametrize("target", TARGETS, ids=str)
every_kind = pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)


@every_target
def test_the_legitimate_token_of_each_target_is_believed(target: Target) -> None:
    assert target.verifier.verify(target.token())["sub"] == "7"
    assert target.verifier.verify(sized(target, 8192))["sub"] == "7"


@every_kind
@every_target
def test_no_forgery_is_believed(target: Target, kind: Callable[..., Iterator[Forgery]]) -> None:
    verifier = target.verifier
    believed = []
    for what, token in kind(target):
        try:
            verifier.verify(token)
        except TokenError:
            continue
        believed.append(what)
    assert believed == []


def app_of(target: Target) -> NexiosApp:
    app = NexiosApp()
    app.add_middleware(AuthenticationMiddleware(JWTAuthBackend(codec=target.verifier)))

    @app.get("/me")
    @auth(["jwt"])
    async def me(request: Any, response: Any) -> Any:
        return response.json(request.user["sub"])

    return app


@pytest.mark.asyncio
@every_target
async def test_over_http_every_forgery_is_401(target: Target) -> None:
    counted = 0
    async with AsyncTestClient(app_of(target)) as client:
        good = await client.get("/me", headers={"authorization": f"Bearer {target.token()}"})
        assert (good.status_code, good.json()) == (200, "7")
        for kind in TABLE:
            for what, token in kind(target):
                if what == "space before":
                    continue  # in a field it only parts scheme and token (RFC 9110, 11.4)
                field = b"Bearer " + token.encode()
                answer = await client.get("/me", headers={b"authorization": field})
                counted += 1
                if len(token) > 8192 and answer.status_code == 431:
                    continue  # the limit of a head came first
                assert answer.status_code == 401, (kind.__name__, what)
                assert answer.headers["www-authenticate"].startswith("Bearer"), what
    assert counted > 250


class TestMutations:
    """Whatever becomes of a token, the only thing that is raised says that it is none."""

    @every_target
    @settings(deadline=None)
    @given(data=st.data())
    def test_changed_characters(self, target: Target, data: st.DataObject) -> None:
        token = target.token()
        at = data.draw(st.integers(0, len(token)))
        gone = data.draw(st.integers(0, 3))
        put = data.draw(st.text(max_size=4))
        changed = token[:at] + put + token[at + gone :]
        if changed != token:
            with pytest.raises(TokenError):
                target.verifier.verify(changed)

    @every_target
    @settings(deadline=None)
    @given(data=st.data())
    def test_changed_bytes_beneath_the_encoding(self, target: Target, data: st.DataObject) -> None:
        parts = [part_of(part) for part in target.token().split(".")]
        which = data.draw(st.integers(0, 2))
        part = parts[which]
        at = data.draw(st.integers(0, len(part) - 1))
        changed = part[:at] + data.draw(st.binary(max_size=3)) + part[at + 1 :]
        parts[which] = changed
        if changed != part:
            with pytest.raises(TokenError):
                target.verifier.verify(".".join(b64(one) for one in parts))

    @every_target
    @settings(deadline=None)
    @given(
        header=st.dictionaries(
            st.sampled_from(["alg", "kid", "typ", "jwk", "crit", "b64", "x"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=9)
            | st.sampled_from(["none", "HS256", *GOOD, KID, "JWT", "at+jwt"])
            | st.lists(st.text(max_size=3), max_size=2),
        ),
        told=st.dictionaries(
            st.sampled_from(["sub", "exp", "nbf", "iat", "iss", "aud", "x"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=9)
            | st.sampled_from([NOW, NOW + 60, ISSUER, "shop", "7"])
            | st.lists(st.text(max_size=3), max_size=2),
        ),
    )
    def test_any_header_and_claims_signed_by_the_right_key(
        self, target: Target, header: dict[str, Any], told: dict[str, Any]
    ) -> None:
        token = target.token(
            {**target.header, **header} if header else target.header, {**target.claims, **told}
        )
        try:
            found = target.verifier.verify(token)
        except TokenError:
            return
        # What is believed is what was signed, by this key's algorithm, and has an end to come.
        assert found == {**target.claims, **told}
        assert {**target.header, **header}["alg"] == target.algorithm
        assert found["exp"] > NOW - 30


def part_of(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
