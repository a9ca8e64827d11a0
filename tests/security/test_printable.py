import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.security.printable import printable, printable_json

OBEYED = [chr(code) for code in (*range(32), *range(0x7F, 0xA0))]
HIDDEN = [
    "\u061c",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    *map(chr, range(0x202A, 0x202F)),
    "\u2066",
    "\u2069",
    "\ufeff",
]


@pytest.mark.parametrize("char", [*OBEYED, *HIDDEN, "\ud800", "\U000e0041"], ids=ascii)
def test_terminal_control_characters_are_escaped(char: str) -> None:
    shown = printable(f"a{char}b")
    assert (shown[0], shown[-1], shown.isprintable()) == ("a", "b", True)
    assert shown[1:-1].encode().decode("unicode_escape").encode(errors="surrogatepass") == char.encode(
        errors="surrogatepass"
    )


@pytest.mark.parametrize(
    "text", ["", "plain [text] \\x1b", "naïve 東京", "👨\u200d👩\u200d👧", "\u0645\u06cc\u200c\u062e", "a\xa0b"]
)
def test_printable_text_is_unchanged(text: str) -> None:
    assert printable(text) == text
    assert printable_json(text) == json.dumps(text, ensure_ascii=False)


def test_layout_characters_can_be_kept() -> None:
    assert printable("a\n\tb\r\x1b", keep="\n\t") == "a\n\tb\\r\\x1b"


@given(st.text(st.characters(max_codepoint=sys.maxunicode)))
def test_no_control_character_passes_and_json_round_trips(text: str) -> None:
    unseen = {"Cc", "Cs", "Zl", "Zp"}
    assert unseen.isdisjoint(map(unicodedata.category, printable(text)))
    for indent in (None, 2):
        shown = printable_json({text: [text]}, indent)
        assert unseen.isdisjoint(map(unicodedata.category, shown.replace("\n", "")))
        assert json.loads(shown) == {text: [text]}
