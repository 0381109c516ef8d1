"""Key pairs: what is refused when built, what each state may do, and that nothing is shown."""

import math
import pickle
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nexios.adapters.security.algorithms import HmacKey, UnusableKey, hmac_keys
from nexios.adapters.security.jwt import JwtCodec, JwtVerifier, encode
from nexios.adapters.security.profile import Profile
from nexios.adapters.security.signing_keys import SigningKey, VerifyKey
from nexios.application.keyring import Secret
from nexios.application.tokens import TokenError
from tests.support.keys import GOOD, b64, forged, pair, public_bytes, signer

NOW = 1_800_000_000.0
STRICT = Profile("https://id.example", "shop")


def claims(**other: Any) -> dict[str, Any]:
    return {"sub": "7", "exp": NOW + 60, **other}


def codec(*keys: Any, profile: Profile | None = None) -> JwtCodec:
    return JwtCodec(keys, profile or Profile(), clock=lambda: NOW)


def verifier(*keys: Any, profile: Profile | None = None) -> JwtVerifier:
    return JwtVerifier(keys, profile or Profile(), clock=lambda: NOW)


class TestRoundTrip:
    @pytest.mark.parametrize("algorithm", GOOD)
    @pytest.mark.parametrize("profile", [Profile(), STRICT])
    def test_what_a_private_key_signs_its_public_half_verifies(
        self, algorithm: str, profile: Profile
    ) -> None:
        key = SigningKey("2027-a", pair(algorithm).pem, algorithm=algorithm)
        token = codec(key, profile=profile).issue("7")
        for public in (
            VerifyKey.from_pem(pair(algorithm).public_pem, algorithm=algorithm, kid="2027-a"),
            VerifyKey.from_jwk(key.public.to_jwk()),
            key.public,
            key,
        ):
            assert verifier(public, profile=profile).verify(token)["sub"] == "7"
        header = jwt.get_unverified_header(token)
        assert header["alg"] == algorithm
        assert header["kid"] == "2027-a"

    @pytest.mark.parametrize("algorithm", GOOD)
    def test_pyjwt_and_we_understand_each_other(self, algorithm: str) -> None:
        made = pair(algorithm)
        key = SigningKey("a", made.pem, algorithm=algorithm)
        ours = encode(claims(exp=4_000_000_000), key)
        assert jwt.decode(ours, made.public_pem, algorithms=[algorithm])["sub"] == "7"
        theirs = jwt.encode(claims(), made.pem, algorithm=algorithm)
        assert verifier(key).verify(theirs)["sub"] == "7"

    @pytest.mark.parametrize("algorithm", GOOD)
    def test_the_primitives_and_we_understand_each_other(self, algorithm: str) -> None:
        made = pair(algorithm)
        token = forged({"alg": algorithm}, claims(), signer(algorithm, made.private))
        key = VerifyKey.from_pem(made.public_pem, algorithm=algorithm)
        assert verifier(key).verify(token) == claims()
        other = VerifyKey.from_pem(pair(algorithm, 1).public_pem, algorithm=algorithm)
        with pytest.raises(TokenError):
            verifier(other).verify(token)

    def test_the_algorithm_is_found_by_the_key_where_it_is_not_given(self) -> None:
        for kind, algorithm in (("EdDSA", "EdDSA"), ("ES256", "ES256"), ("PS256", "RS256")):
            assert SigningKey("a", pair(kind).pem).algorithm == algorithm
            assert VerifyKey.from_pem(pair(kind).public_pem).algorithm == algorithm

    def test_pem_may_be_text_bytes_or_a_secret(self) -> None:
        pem = pair("EdDSA").pem
        tokens = [
            codec(SigningKey("a", given)).issue("7") for given in (pem, pem.encode(), Secret(pem))
        ]
        assert all(verifier(SigningKey("a", pem)).verify(token) for token in tokens)

    def test_shared_and_paired_keys_stand_side_by_side(self) -> None:
        pair_key, shared = SigningKey("new", pair("EdDSA").pem), HmacKey(b"k" * 32)
        both = codec(pair_key, shared)
        assert jwt.get_unverified_header(both.issue("7"))["alg"] == "EdDSA"
        assert both.verify(both.issue("7"))
        assert both.verify(codec(shared).issue("7"))
        assert jwt.get_unverified_header(codec(shared, pair_key).issue("7"))["alg"] == "HS256"


class TestStates:
    def test_active_signs_retiring_verifies_retired_does_neither(self) -> None:
        def key(state: Any) -> SigningKey:
            return SigningKey("old", pair("EdDSA").pem, state)

        new = SigningKey("new", pair("EdDSA", 1).pem)
        token = codec(key("active")).issue("7")

        assert codec(key("active"), new).verify(token)
        assert codec(key("retiring"), new).verify(token)
        assert jwt.get_unverified_header(codec(key("retiring"), new).issue("7"))["kid"] == "new"
        with pytest.raises(TokenError):
            codec(key("retired"), new).verify(token)

    @pytest.mark.parametrize("state", ["retiring", "retired"])
    def test_a_codec_needs_a_key_that_signs(self, state: Any) -> None:
        key = SigningKey("a", pair("EdDSA").pem, state)
        with pytest.raises(UnusableKey, match=r"none of the keys signs|needs at least one key"):
            codec(key)
        with pytest.raises(UnusableKey, match="does not sign"):
            encode(claims(), key)
        with pytest.raises(UnusableKey, match="none of the keys signs"):
            codec(key.public)

    def test_a_verifier_needs_a_key_that_verifies(self) -> None:
        with pytest.raises(UnusableKey, match="at least one key that verifies"):
            verifier(SigningKey("a", pair("EdDSA").pem, "retired"))

    @pytest.mark.parametrize("state", ["active", "retiring", "retired"])
    def test_two_keys_of_one_name_are_refused_whatever_they_are(self, state: Any) -> None:
        old = SigningKey("a", pair("EdDSA").pem, state)
        others = (
            SigningKey("a", pair("EdDSA", 1).pem),
            VerifyKey.from_pem(pair("RS256").public_pem, kid="a"),
            HmacKey(b"k" * 32, kid="a"),
        )
        for other in others:
            with pytest.raises(UnusableKey, match="two keys are named 'a'"):
                verifier(old, other)
            with pytest.raises(UnusableKey, match="two keys are named 'a'"):
                verifier(other, old)

    def test_a_state_is_one_of_three(self) -> None:
        with pytest.raises(UnusableKey, match="active, retiring or retired"):
            SigningKey("a", pair("EdDSA").pem, "asleep")  # type: ignore[arg-type]  # the point


class TestRefusedWhenBuilt:
    @pytest.mark.parametrize(
        ("kind", "says"),
        [
            ("RSA-1024", "2048 to 8192 bits, this one 1024"),
            ("P-384", "curve P-256, not of secp384r1"),
            ("P-521", "curve P-256, not of secp521r1"),
            ("secp256k1", "curve P-256, not of secp256k1"),
            ("Ed448", "no key for any of EdDSA, ES256, RS256, PS256"),
            ("DSA", "no key for any of EdDSA, ES256, RS256, PS256"),
        ],
    )
    def test_small_keys_and_other_curves(self, kind: str, says: str) -> None:
        with pytest.raises(UnusableKey, match=says):
            SigningKey("a", pair(kind).pem)
        with pytest.raises(UnusableKey, match=says):
            VerifyKey.from_pem(pair(kind).public_pem)

    @pytest.mark.parametrize("kind", ["EdDSA", "ES256", "RS256"])
    @pytest.mark.parametrize(
        "algorithm",
        ["EdDSA", "ES256", "RS256", "PS256", "HS256", "none", "", "ES384", "RS512", "rs256"],
    )
    def test_a_key_takes_no_algorithm_of_another(self, kind: str, algorithm: str) -> None:
        if algorithm in {kind, "PS256" if kind == "RS256" else kind}:
            assert SigningKey("a", pair(kind).pem, algorithm=algorithm).algorithm == algorithm
            return
        with pytest.raises(UnusableKey, match="cannot be used with"):
            SigningKey("a", pair(kind).pem, algorithm=algorithm)
        with pytest.raises(UnusableKey, match="cannot be used with"):
            VerifyKey.from_pem(pair(kind).public_pem, algorithm=algorithm)

    def test_an_exponent_that_costs_time_is_refused(self) -> None:
        modulus = pair("RS256").private.public_key().public_numbers().n
        for exponent, usable in ((3, True), (65537, True), (2**64 + 13, False)):
            public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
            if usable:
                assert VerifyKey(public).algorithm == "RS256"
            else:
                with pytest.raises(UnusableKey, match="exponent"):
                    VerifyKey(public)

    def test_a_huge_modulus_is_refused(self) -> None:
        public = rsa.RSAPublicNumbers(65537, (1 << 8192) + 1).public_key()
        with pytest.raises(UnusableKey, match="this one 8193"):
            VerifyKey(public)

    def test_a_modulus_of_the_guessable_generator_is_refused(self) -> None:
        # k * M + 65537**a mod M, as Infineon's library chose its primes, and so their products.
        primes = [one for one in range(2, 702) if all(one % by for by in range(2, one))]
        product = math.prod(primes)
        modulus = pow(65537, 12345, product) + product * ((1 << 2047) // product + 1)
        with pytest.raises(UnusableKey, match="CVE-2017-15361"):
            VerifyKey(rsa.RSAPublicNumbers(65537, modulus).public_key())

    @pytest.mark.parametrize("text", ["", "x", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END"])
    def test_what_is_no_pem(self, text: str) -> None:
        with pytest.raises(UnusableKey, match="no private key in PEM"):
            SigningKey("a", text)
        with pytest.raises(UnusableKey, match=r"no public key in PEM|the private one"):
            VerifyKey.from_pem(text)

    def test_the_wrong_half(self) -> None:
        with pytest.raises(UnusableKey, match="no private key in PEM"):
            SigningKey("a", pair("EdDSA").public_pem)
        with pytest.raises(UnusableKey, match="this is the private one"):
            VerifyKey.from_pem(pair("EdDSA").pem)

    def test_an_encrypted_key(self) -> None:
        pem = pair("EdDSA").private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        with pytest.raises(UnusableKey, match="is encrypted"):
            SigningKey("a", pem)

    @pytest.mark.parametrize("kid", ["", "k" * 256, None, 7])
    def test_a_name_that_no_token_may_have(self, kid: Any) -> None:
        with pytest.raises(UnusableKey, match="1 to 255 characters"):
            SigningKey(kid, pair("EdDSA").pem)

    @pytest.mark.parametrize("kind", ["EdDSA", "ES256", "RS256"])
    def test_a_key_of_a_pair_is_no_shared_key(self, kind: str) -> None:
        made = pair(kind)
        der = public_bytes(made.private, serialization.Encoding.DER)
        jwk = str(VerifyKey.from_pem(made.public_pem).to_jwk()).replace("'", '"')
        for material in (made.pem, made.public_pem, " \n" + made.public_pem, der, jwk):
            with pytest.raises(UnusableKey, match="the key for HS256 was refused"):
                verifier(*hmac_keys([material], ["HS256"]))


class TestJwk:
    def jwk(self, kind: str, **other: Any) -> dict[str, Any]:
        told = VerifyKey.from_pem(pair(kind).public_pem, kid="a").to_jwk()
        return {name: value for name, value in {**told, **other}.items() if value is not Ellipsis}

    @pytest.mark.parametrize("kind", ["EdDSA", "ES256", "RS256"])
    def test_what_a_jwk_may_leave_out(self, kind: str) -> None:
        bare = self.jwk(kind, use=..., alg=..., kid=...)
        key = VerifyKey.from_jwk(bare)
        assert (key.algorithm, key.kid) == (kind, None)
        assert VerifyKey.from_jwk({**bare, "key_ops": ["verify"], "x5t": "x"}).kid is None

    @pytest.mark.parametrize("kind", ["EdDSA", "ES256", "RS256"])
    @pytest.mark.parametrize(
        "other",
        [
            {"use": "enc"},
            {"use": None},
            {"use": ["sig"]},
            {"key_ops": ["sign"]},
            {"key_ops": []},
            {"key_ops": "verify"},
            {"key_ops": None},
            {"kid": ""},
            {"kid": 7},
            {"kid": None},
            {"kid": "k" * 256},
            {"kty": "oct"},
            {"kty": "rsa"},
            {"kty": None},
            {"kty": ["RSA"]},
            {"kty": ...},
            {"alg": "HS256"},
            {"alg": "none"},
            {"alg": 7},
            {"alg": "ES384"},
            {"alg": ["RS256"]},
            {"d": "AQAB"},
            {"k": "AQAB"},
            {"x": "=", "n": "="},
            {"x": "", "n": ""},
            {"x": None, "n": None},
            {"x": "AQAB", "n": "AQAB"},
            {"x": "é", "n": "é"},
            {"x": "A B", "n": "A B"},
            {"x": 7, "n": 7},
        ],
        ids=str,
    )
    def test_a_jwk_that_is_not_to_be_believed(self, kind: str, other: dict[str, Any]) -> None:
        with pytest.raises(UnusableKey):
            VerifyKey.from_jwk(self.jwk(kind, **other))

    @pytest.mark.parametrize("curve", ["P-384", "P-521", "secp256k1", "Ed25519", "", None, 7])
    def test_a_curve_that_is_not_the_keys(self, curve: Any) -> None:
        with pytest.raises(UnusableKey):
            VerifyKey.from_jwk(self.jwk("ES256", crv=curve))

    def test_a_point_beside_the_curve(self) -> None:
        with pytest.raises(UnusableKey, match="make no EC key"):
            VerifyKey.from_jwk(self.jwk("ES256", y=b64(b"\1" * 32)))

    def test_a_small_rsa_key(self) -> None:
        numbers = pair("RSA-1024").private.public_key().public_numbers()
        jwk = {"kty": "RSA", "e": "AQAB", "n": b64(numbers.n.to_bytes(128, "big"))}
        with pytest.raises(UnusableKey, match="this one 1024"):
            VerifyKey.from_jwk(jwk)

    def test_a_shared_key_has_to_name_its_algorithm(self) -> None:
        jwk = {"kty": "oct", "k": b64(b"k" * 32), "alg": "HS256", "kid": "a"}
        assert HmacKey.from_jwk(jwk) == HmacKey(b"k" * 32, "HS256", "a")
        for other in ({"alg": None}, {"alg": "none"}, {"alg": "RS256"}, {"k": ""}, {"use": "enc"}):
            with pytest.raises(UnusableKey):
                verifier(HmacKey.from_jwk({**jwk, **other}))

    def test_a_public_jwk_holds_nothing_private(self) -> None:
        for kind in ("EdDSA", "ES256", "RS256"):
            told = SigningKey("a", pair(kind).pem).public.to_jwk()
            assert set(told) <= {"kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"}


class TestNothingIsShown:
    def test_neither_text_nor_pickle_holds_the_key(self) -> None:
        for kind in ("EdDSA", "ES256", "RS256"):
            pem = pair(kind).pem
            key = SigningKey("2027-a", pem)
            assert repr(key) == f"SigningKey('2027-a', {kind}, active)"
            assert repr(key.public) == f"VerifyKey({kind}, kid='2027-a')"
            middle = pem.splitlines()[1]
            for shown in (str(key), f"{key}", repr([key]), repr(key.signing())):
                assert middle not in shown
                assert "Private" not in shown
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(key)

    def test_no_refusal_holds_the_key(self) -> None:
        pem = pair("RSA-1024").pem
        for text in (pem, pem[:-40], pem.replace("PRIVATE", "PUBLIC")):
            with pytest.raises(UnusableKey) as refused:
                SigningKey("a", text)
            assert pem.splitlines()[1] not in f"{refused.value} {refused.value!r}"
