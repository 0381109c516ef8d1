"""Secrets, and the keys made from them."""

import pytest

from nexios.application.keyring import Keyring, Secret, derive_key


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>5}", repr([secret])):
        assert "hunter2" not in text
    assert secret.reveal() == "hunter2"
    assert len(Secret("ü")) == 2
    assert {secret, Secret("hunter2")} == {secret}
    assert secret != "hunter2"
    with pytest.raises(ValueError, match="empty"):
        Secret("")


def test_the_first_secret_signs_and_all_are_kept() -> None:
    ring = Keyring(["new", Secret("old")])
    assert ring.signing == Secret("new")
    assert ring.all == (Secret("new"), Secret("old"))
    assert "new" not in repr(ring)
    assert ring.derive_all("session") == (
        ring.derive("session"),
        derive_key(Secret("old"), "session"),
    )


def test_no_secret_and_a_bare_text_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Keyring([])
    with pytest.raises(TypeError, match=r"Keyring\(\[secret\]\)"):
        Keyring("abc")


def test_each_purpose_and_secret_has_a_key_of_its_own_that_never_changes() -> None:
    ring = Keyring(["a secret of the tests"])
    keys = {purpose: ring.derive(purpose) for purpose in ("session", "csrf", "session2", "sessio")}
    assert len({*keys.values(), Keyring(["another"]).derive("session")}) == 5
    assert {len(key) for key in keys.values()} == {32}
    # Whoever changes how keys are made logs out every user of every application.
    assert keys["session"].hex() == (
        "d4a60bd3d2e9db83bfb4669d8f9618c6c8667a71b2fc9824eeeaa5004515678e"
    )
    with pytest.raises(ValueError, match="purpose"):
        ring.derive("")
