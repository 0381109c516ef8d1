"""What is shown holds no secret, whatever its shape, and costs as much as it is long."""

import base64
import secrets
import time
import uuid
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexios.application.keyring import Secret
from nexios.application.limits import Limits
from nexios.application.scrub import MASK, is_secret, said_by, scrub, scrubbed

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
NAMES = (
    *("password", "db_passwd", "X-Secret", "csrftoken", "Authorization", "set-cookie", "api_key"),
    *("SENTRY_DSN", "aws_credentials", "sessionid", "Proxy-Authorization", "passphrase"),
)
secret_values = st.text(
    st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=60
).map(lambda text: f"hunter2{text}")


@given(secret_values, st.sampled_from(NAMES))
def test_what_stands_under_a_secret_name_is_not_shown(secret: str, name: str) -> None:
    hidden: list[object] = [
        {name: secret},
        {name.encode(): secret.encode()},
        {"deep": [{"er": {name: [secret]}}]},
        [(name, secret)],
        {"headers": [(name.encode(), secret.encode())]},
    ]
    for value in hidden:
        assert secret not in str(scrub(value))
    assert is_secret(name)
    assert is_secret(name.encode())


@given(secret_values, st.text(max_size=40), st.text(max_size=40))
@example("hunter2hunter2", "", "")
def test_a_secret_in_a_text_is_not_shown(secret: str, before: str, after: str) -> None:
    for planted in (
        f"postgresql://me:{secret}@db/shop",
        f"Bearer {secret}",
        f"authorization: Basic {secret}",
        f"password={secret}",
        f"{{'api_key': '{secret}'}}",
        f'{{"access_token": "{secret}"}}',
        f"Cookie: a=b; session={secret}",
        f"(b'cookie', b'a={secret}')",
        f"client_secret = '{secret} {secret}'",
        f"sk_live_{secret}",
        f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----",
    ):
        assert secret not in scrubbed(f"{before} {planted} {after}")


@given(st.binary(min_size=24, max_size=64))
def test_a_text_is_made_from_bytes_or_left(raw: bytes) -> None:
    # Any input: never an error, never longer than it was by more than its masks.
    text = base64.b64encode(raw).decode()
    assert len(scrubbed(text)) <= len(text)
    assert scrubbed(scrubbed(text)) == scrubbed(text)


@pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex])
def test_random_strings_are_masked(make: object) -> None:
    assert callable(make)
    drawn = [make(32) for _ in range(500)]
    assert sum(one in scrubbed(f"seen {one} here") for one in drawn) <= 5


@pytest.mark.parametrize(
    "text",
    [
        "/usr/lib/python3.13/site-packages/nexios/adapters/persistence/database.py:123",
        str(uuid.UUID("018f6b1e-7a52-7cc0-9c4e-1f2d3a4b5c6d")),
        "test_what_stands_under_a_secret_name_is_not_shown",
        "ExampleOfAVeryLongClassNameThatSomebodyMayWrite2",
        "while making Repository for Service.__init__(repository), GET /wired",
        "order 2026-11-26 16:00:22.123456 took 1700000000000 ns",
        "https://shop.example/orders/12?page=2",
        "missing key: name",
        "duplicate key value violates unique constraint orders_number_idx",
        "ssh://git@example.org/x",
    ],
)
def test_what_helps_is_left(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        ("4111111111111111", MASK),
        ("pay 4111 1111 1111 1111 now", f"pay {MASK} now"),
        ("5 5500-0000-0000-0004 123", f"5 {MASK} 123"),
        ("3782 822463 10005", MASK),
        ("4111111111111112", "4111111111111112"),
    ],
)
def test_card_numbers_are_masked(card: str, shown: str) -> None:
    assert scrubbed(card) == shown


def test_a_pem_block_is_masked_even_when_it_is_cut() -> None:
    assert scrubbed(f"a {PEM} b {PEM}") == f"a {MASK} b {MASK}"
    assert scrubbed(f"a {PEM[:60]}") == f"a {MASK}"


@dataclass
class Mail:
    host: str = "mail.example"
    password: str = "hunter2"
    seals: list[Secret] = field(default_factory=lambda: [Secret("hunter2")])


def test_dataclasses_are_looked_into() -> None:
    assert scrub(Mail()) == {"host": "mail.example", "password": MASK, "seals": [MASK]}
    limits = scrub(Limits())
    assert isinstance(limits, dict)
    assert limits["token_bytes"] == Limits().token_bytes


def test_what_only_names_a_secret_is_shown() -> None:
    assert scrub({"cookie_name": "sid", "password": "", "token": None, "cookie_secure": True}) == {
        "cookie_name": "sid",
        "password": "",
        "token": None,
        "cookie_secure": True,
    }


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_error_without_a_text_is_said_so() -> None:
    assert said_by(Mute()) == "(its text cannot be made)"
    assert said_by(ValueError("password=hunter2")) == f"password={MASK}"


@pytest.mark.parametrize(
    "piece",
    [
        *("://a:", "password=", "password='", 'token="', "-----BEGIN A", "cookie: ", "a", "1 "),
        *("1234", "Bearer ", "A1b", "api_key", "= ", "'", '"', "-", "secret-", "4111 "),
    ],
)
def test_time_grows_with_the_length(piece: str) -> None:
    def cost(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        spent = []
        for _ in range(3):
            began = time.process_time()
            scrubbed(text)
            spent.append(time.process_time() - began)
        return min(spent)

    cost(1_000)
    # 16 times the length: quadratic would be 256 times the time.
    assert cost(160_000) < 80 * max(cost(10_000), 0.0005)
