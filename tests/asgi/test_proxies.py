"""Only a trusted direct peer is believed about the client."""

import pytest

from nexios.adapters.asgi.headers import Headers
from nexios.adapters.asgi.proxies import TrustedProxies

DEFAULT = TrustedProxies()


def forwarded(*values: str, real: str | None = None) -> Headers:
    raw = [(b"x-forwarded-for", value.encode()) for value in values]
    if real is not None:
        raw.append((b"x-real-ip", real.encode()))
    return Headers(raw)


def test_a_public_peer_speaks_for_itself_only() -> None:
    spoofed = forwarded("1.2.3.4", real="5.6.7.8")
    assert DEFAULT.client("203.0.113.9", spoofed) == "203.0.113.9"


def test_through_two_trusted_proxies_the_rightmost_untrusted_hop_counts() -> None:
    headers = forwarded("6.6.6.6, 198.51.100.7, 10.0.0.2")
    assert DEFAULT.client("127.0.0.1", headers) == "198.51.100.7"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        (["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        (["198.51.100.7, garbage, 10.0.0.2"], "10.0.0.2"),
        (["garbage"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:10.0.0.1"], "10.0.0.1"),
        (["198.51.100.7,,"], "127.0.0.1"),
        (["1.2.3.4\x00"], "127.0.0.1"),
    ],
)
def test_the_walk_ends_at_what_is_no_address(values: list[str], client: str) -> None:
    assert DEFAULT.client("127.0.0.1", forwarded(*values)) == client


def test_a_long_chain_is_read_from_its_end_only() -> None:
    headers = forwarded(", ".join(["6.6.6.6"] + ["10.0.0.1"] * 100))
    assert DEFAULT.client("127.0.0.1", headers) == "10.0.0.1"


def test_real_ip_is_believed_where_nothing_was_forwarded() -> None:
    assert DEFAULT.client("127.0.0.1", forwarded(real="198.51.100.7")) == "198.51.100.7"
    assert DEFAULT.client("127.0.0.1", forwarded("1.1.1.1", real="2.2.2.2")) == "1.1.1.1"
    assert DEFAULT.client("127.0.0.1", forwarded(real="junk")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("entries", "peer", "trusted"),
    [
        ([], "127.0.0.1", False),
        (["10.0.0.0/8"], "10.9.9.9", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", True),
        (["::1"], "::1", True),
        (["proxy"], "proxy", True),
        (["proxy"], "other", False),
        (["unix"], None, True),
        (["10.0.0.0/8"], None, False),
    ],
)
def test_who_is_trusted(entries: list[str], peer: str | None, trusted: bool) -> None:
    assert TrustedProxies(entries).trusts(peer) is trusted


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.168.1.1", "172.16.0.1", "testclient"])
def test_the_default_trusts_loopback_private_networks_and_the_test_client(peer: str) -> None:
    assert DEFAULT.trusts(peer)


@pytest.mark.parametrize(
    ("peer", "own", "told", "scheme"),
    [
        ("127.0.0.1", "http", "https", "https"),
        ("127.0.0.1", "http", "http, HTTPS", "https"),
        ("127.0.0.1", "https", "http", "http"),
        ("127.0.0.1", "ws", "https", "wss"),
        ("127.0.0.1", "http", "javascript", "http"),
        ("203.0.113.9", "http", "https", "http"),
    ],
)
def test_the_scheme_is_the_word_of_a_trusted_peer(
    peer: str, own: str, told: str, scheme: str
) -> None:
    assert DEFAULT.scheme(peer, own, Headers({"X-Forwarded-Proto": told})) == scheme


def test_equal_settings_share_one_object() -> None:
    assert TrustedProxies.of(["10.0.0.0/8"]) is TrustedProxies.of(("10.0.0.0/8",))
    assert TrustedProxies.of(None).trusts("127.0.0.1")
