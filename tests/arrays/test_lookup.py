"""A hash join finds what a dictionary finds."""

from hypothesis import given
from hypothesis import strategies as st

from scorer.arrays.lookup import TextIndex
from scorer.arrays.spans import Texts

WORDS = st.lists(st.binary(max_size=6) | st.sampled_from([b"a", b"b", b"plane:N1", b"plane:N2"]), max_size=40)


@given(WORDS, WORDS)
def test_it_finds_what_a_dictionary_finds(texts: list[bytes], wanted: list[bytes]) -> None:
    index = TextIndex(Texts.of(texts))
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    assert [texts[row] for row in index.first.tolist()] == list(numbers)
    assert index.slots.tolist() == [numbers[text] for text in texts]
    assert index.find(Texts.of(wanted)).tolist() == [numbers.get(text, -1) for text in wanted]
