"""A known secret is never shown, in any form, whole or in part."""

import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.security.printable import printable
from scorer.security.redaction import LONGEST, MASK, PIECE, Secrets

PASSWORD = 'hünter2 "long"\'er/+%[x]\nsecond line of it'  # noqa: S105  known to this test alone
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="*")


@pytest.fixture
def secrets() -> Secrets:
    made = Secrets()
    made.learn(PASSWORD)
    return made


@pytest.mark.parametrize(
    "shown",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        repr(PASSWORD),
        ascii(PASSWORD),
        repr(PASSWORD.encode()),
        " ".join(PASSWORD.split()),
        "second line of it",
    ],
)
def test_a_secret_is_replaced_in_every_form(secrets: Secrets, shown: str) -> None:
    assert re.sub(r"['\"b]", "", secrets.redact(f"before {shown} after")) == re.sub("b", "", f"before {MASK} after")


def test_a_percent_encoded_secret_is_also_masked_in_its_decoded_form() -> None:
    secrets = Secrets()
    secrets.learn("p%40ss%2Fword")
    assert secrets.redact("p@ss/word p%40ss%2Fword") == f"{MASK} {MASK}"


@given(st.text(SIGNS, min_size=8, max_size=60).filter(str.strip), st.integers(0, 50), st.integers(0, 50))
def test_a_piece_of_a_secret_is_masked_in_text_from_a_server(secret: str, start: int, size: int) -> None:
    secrets = Secrets()
    secrets.learn(secret)
    piece = secret[start : start + size]
    said = secrets.foreign(f"<{piece}>").removeprefix("<").removesuffix(">")
    assert all(secret[at : at + PIECE] not in said for at in range(len(secret) - PIECE + 1))


def test_a_password_truncated_and_joined_onto_one_line_by_redis_is_masked() -> None:
    secrets = Secrets()
    secrets.learn("first half\r\nsecond half " + "x7" * 80)
    said = "ERR unknown command 'HELLO', with args beginning with: 'first half  second half x7x7x7"
    assert secrets.foreign(said) == "ERR unknown command 'HELLO'"
    said = secrets.foreign(said.replace(", with args beginning with:", ""))
    assert said == f"ERR unknown command 'HELLO' '{2 * MASK}"  # of the two lines, between which there is no telling


def test_foreign_text_is_truncated_and_its_control_characters_are_escaped() -> None:
    secrets = Secrets()
    assert secrets.foreign("a\x1b[2J\r\nb\x9b") == "a\\x1b[2J\\r\\nb\\x9b"
    assert len(secrets.foreign("x" * 100_000)) == LONGEST + len("...")
    assert printable("ein Wort: \u00fc") == "ein Wort: \u00fc"


def test_short_secrets_are_masked_only_as_whole_words_of_foreign_text() -> None:
    secrets = Secrets()
    secrets.learn("pw", "", " ")
    assert secrets.redact("pwd pw") == "pwd pw"
    assert secrets.foreign("pwd pw 'pw'") == f"pwd {MASK} '{MASK}'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unrecognized arguments: redis://me:hunter2@h/0", f"unrecognized arguments: redis://me:{MASK}@h/0"),
        ("at https://:a@b@h:1 and on", f"at https://:{MASK}@h:1 and on"),
        ("redis://:p@h and redis://h?password=p&db=1", f"redis://:{MASK}@h and redis://h?password={MASK}&db=1"),
        (
            "unrecognized arguments: kafka.properties.sasl.password=p",
            f"unrecognized arguments: kafka.properties.sasl.password={MASK}",
        ),
        ("max.message.bytes=1000, passed=3, retention.ms=-1", "max.message.bytes=1000, passed=3, retention.ms=-1"),
        ("redis://h:6379/0, me@example.org", "redis://h:6379/0, me@example.org"),
        ("expected redis://[USER:PASSWORD@]HOST:PORT/DB", "expected redis://[USER:PASSWORD@]HOST:PORT/DB"),
    ],
)
def test_an_unregistered_login_in_a_url_is_still_a_secret(text: str, shown: str) -> None:
    assert Secrets().redact(text) == shown


def test_a_forgotten_secret_is_shown() -> None:
    secrets = Secrets()
    secrets.learn("hunter2")
    secrets.forget()
    assert secrets.foreign("hunter2") == "hunter2"


def test_a_secret_with_lone_surrogates_is_masked() -> None:
    secrets = Secrets()
    secrets.learn("abc\udc80def")
    assert "abc" not in secrets.redact("abc\udc80def")


def test_an_unregistered_token_is_recognised_by_its_form(secrets: Secrets) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdmMifQ."  # noqa: S105  unsigned, and for nobody
    assert secrets.redact(f"got {token} from the issuer") == f"got {MASK} from the issuer"
    assert secrets.foreign(f"token {token}") == f"token {MASK}"
