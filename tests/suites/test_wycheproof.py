"""Project Wycheproof's vectors for JWS and JWK: none that is invalid passes."""

import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from nexios.adapters.security.algorithms import HmacKey, TokenKey, UnusableKey, WeakKeyWarning
from nexios.adapters.security.jwks import keys_of
from nexios.adapters.security.jwt import JwtVerifier
from nexios.adapters.security.signing_keys import VerifyKey
from nexios.application.tokens import TokenError
from nexios.testing.skips import missing

BESIDE: Final = Path(__file__).parents[2].parent / "shared" / "vectors"
PRIVATE: Final = {"d", "p", "q", "dp", "dq", "qi"}

NOT_OFFERED = "RS384, RS512, PS384, PS512 and ES512 are not offered"
MISLABELLED = "the token is of PS384, the key says PS256"
LENIENT = "needs a base64 decoder that overlooks foreign characters"

# Valid by the RFCs, and refused on purpose.
REFUSED: Final[dict[str, dict[int, str]]] = {
    "json_web_signature_test.json": {
        **dict.fromkeys((*range(264, 272), *range(320, 324), *range(325, 329)), NOT_OFFERED),
        **dict.fromkeys((347, 351), NOT_OFFERED),
        **dict.fromkeys((346, 350), MISLABELLED),
        **dict.fromkeys((372, 373), LENIENT),
    },
    "json_web_key_test.json": {},
}
# 367 and 370 call invalid the very bytes and key that 357 calls valid.
CONTRADICTED: Final = {
    ("json_web_signature_test.json", 367),
    ("json_web_signature_test.json", 370),
}


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each test with the key or key set of its group."""
    folder = Path(os.environ.get("NEXIOS_VECTORS") or BESIDE)
    file = folder / name
    if not file.is_file():
        missing("vectors", f"{name} is neither in NEXIOS_VECTORS nor in ../shared/vectors")
    return [
        (group.get("public") or group["private"], test)
        for group in json.loads(file.read_text())["testGroups"]
        for test in group["tests"]
    ]


def read(jwk: dict[str, Any]) -> Sequence[TokenKey]:
    """Read what the house has a reader for: a key of either kind, or a published set.

    Of private keys only what their owner would publish; shared ones are in no published set.
    """
    listed = jwk.get("keys", [jwk])
    if all(one["kty"] == "oct" for one in listed):
        return [HmacKey.from_jwk(one) for one in listed]
    published = [
        {name: told for name, told in one.items() if name not in PRIVATE} for one in listed
    ]
    return keys_of({"keys": published}) if "keys" in jwk else [VerifyKey.from_jwk(*published)]


def accepts(jwk: dict[str, Any], jws: Any, *, refuse_short: bool = True) -> bool:
    token = jws if isinstance(jws, str) else json.dumps(jws)
    try:
        JwtVerifier(read(jwk), refuse_short=refuse_short).payload(token)
    except (TokenError, UnusableKey):
        return False
    return True


@pytest.mark.parametrize(
    ("name", "invalid", "accepted"),
    [("json_web_signature_test.json", 353, 24), ("json_web_key_test.json", 21, 5)],
)
def test_no_invalid_public_vector_passes(name: str, invalid: int, accepted: int) -> None:
    passed, refused, wrongly = [], [], []
    known = vectors(name)
    for jwk, test in known:
        if (name, test["tcId"]) in CONTRADICTED:
            continue
        if accepts(jwk, test["jws"]):
            (passed if test["result"] == "valid" else wrongly).append(test["tcId"])
        elif test["result"] == "valid":
            refused.append(test["tcId"])

    assert wrongly == []
    assert refused == sorted(REFUSED[name])
    assert len(passed) == accepted
    counted = [test for _, test in known if (name, test["tcId"]) not in CONTRADICTED]
    assert sum(test["result"] == "invalid" for test in counted) == invalid


def test_the_two_that_contradict_themselves_do() -> None:
    known = {test["tcId"]: (jwk, test) for jwk, test in vectors("json_web_signature_test.json")}
    jwk, valid = known[357]
    assert valid["result"] == "valid"
    for number in (367, 370):
        other, test = known[number]
        assert (other, test["jws"], test["result"]) == (jwk, valid["jws"], "invalid")


def test_what_prod_refuses_and_others_warn_about_are_short_keys_only() -> None:
    warned = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakKeyWarning)
        for name in REFUSED:
            for jwk, test in vectors(name):
                if (name, test["tcId"]) in CONTRADICTED or test["result"] == "valid":
                    continue
                if accepts(jwk, test["jws"], refuse_short=False):
                    warned.append(test["comment"])
    assert warned == ["key_too_short"] * 3
