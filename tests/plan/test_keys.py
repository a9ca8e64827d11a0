"""Keys of a batch compared with a slow and simple way to build them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.arrays import distinct
from scorer.arrays.spans import hash_of
from scorer.batch import NO_SLOT, Field, Kind
from scorer.plan.keys import KeyTemplate
from scorer.scoring.keyring import Keyring
from tests.scoring.batches import FIELDS, Row, events, text_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400

few = st.sampled_from(["", "a", "b", "ab", "N1", "é", ":"])
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC))  # noqa: DTZ001  given by timezones


def ticks(per_second: int) -> st.SearchStrategy[int]:
    near = st.datetimes(datetime(2013, 1, 1), datetime(2013, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001  as above
    beyond = st.sampled_from([-(1 << 63), (1 << 63) - 1])
    return st.one_of(
        *(
            (one.map(lambda moment: (moment - EPOCH) // timedelta(microseconds=1) * per_second // 1_000_000))
            for one in (moments, near)
        ),
        beyond,
    ).filter(lambda value: -(1 << 63) <= value < 1 << 63)


rows = st.lists(
    st.none()
    | st.fixed_dictionaries(
        {
            "tailnum": st.none() | few | st.text(max_size=6),
            "origin": few,
            "card.number": st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 3),
            "paid": st.booleans(),
            "class": st.sampled_from(["economy", "first"]),
            "day": st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(15_000, 15_002),
            "gate_closes": st.integers(-1, DAY * 1_000),
            "departure": st.none() | ticks(1_000),
            "seen": ticks(1_000_000),
            "measured": ticks(1_000_000_000),
        }
    ),
    max_size=40,
)
pieces = st.lists(
    st.sampled_from(
        [
            "{tailnum}", "{origin}", "{card.number}", "{paid}", "{class}", "{departure|%Y%m%d%H}", "{departure|%H%M}",
            "{seen|%Y-%m-%dT%H:%M:%S.%f}", "{seen|%d}", "{measured|%S}", "{day|%Y%m%d%H}", "{day|%j}",
            "{gate_closes|%H%M}", ":", "a", "{{", "}}", "%b", "100%", "é",
        ]
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def as_moment(field: Field, value: int) -> datetime | None:
    """Return the moment of a value, or None if no calendar or clock has it."""
    try:
        if field.kind is Kind.DATE:
            return EPOCH + timedelta(days=value)
        if field.kind is Kind.TIME and not 0 <= value < DAY * field.ticks:
            return None
        return EPOCH + timedelta(microseconds=value * 1_000_000 // field.ticks)
    except OverflowError:
        return None


def slow_key(template: KeyTemplate, row: Row | None) -> bytes | None:
    if row is None:
        return None
    texts = []
    for part in template.parts:
        value = row[part.path]
        if value is None:
            return None
        if part.format is None:
            texts.append(text_of(FIELDS[part.path], value))
        else:
            assert isinstance(value, int)
            moment = as_moment(FIELDS[part.path], value)
            if moment is None:
                return None
            texts.append(moment.strftime(part.format).encode())
    return template.fill(texts)


def keys_of(template: str, rows: Sequence[Row | None]) -> tuple[list[int], list[bytes]]:
    good = np.array([row is not None for row in rows], np.bool_)
    slots, keys = Keyring(KeyTemplate.parse(template), FIELDS).keys(events(rows), good)
    return slots.tolist(), list(keys)


@given(pieces, rows)
def test_keys_equal_those_of_each_row_on_its_own(pieces: list[str], rows: list[Row | None]) -> None:
    template = "".join(pieces)
    slots, keys = keys_of(template, rows)
    slow = [slow_key(KeyTemplate.parse(template), row) for row in rows]
    assert [None if slot == NO_SLOT else keys[slot] for slot in slots] == slow
    assert keys == list(dict.fromkeys(key for key in slow if key is not None))


def hashes(letters: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the hashes of texts [letters, texts]."""

    def mixed(hashed: NDArray[np.int64]) -> NDArray[np.int64]:
        hashed = (hashed * 0x2C1B3C6D) & 0xFFFFFFFF
        return hashed ^ (hashed >> 15)

    hashed = np.full(letters.shape[1], seed ^ len(letters))
    whole = len(letters) // 4 * 4
    for at in range(0, whole, 4):
        hashed = mixed(hashed ^ sum(letters[at + byte] << (8 * byte) for byte in range(4)))
    for letter in letters[whole:]:
        hashed = mixed(hashed ^ letter)
    return mixed(hashed)


def test_keys_with_equal_hashes_stay_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = 12_345
    monkeypatch.setattr(distinct, "SEED", seed)
    letters = np.random.default_rng(1).integers(97, 123, (10, 400_000))
    hashed = hashes(letters, seed)
    some = np.ascontiguousarray(letters[:, :50].T.astype(np.uint8)).ravel()
    assert [hash_of(some, start, start + 10, seed) for start in range(0, 500, 10)] == hashed[:50].tolist()
    _, each, counts = np.unique(hashed, return_inverse=True, return_counts=True)
    colliding = letters[:, counts[each] > 1].astype(np.uint8)
    texts = [bytes(text) for text in colliding.T]
    assert len(texts) > 10
    assert len(set(texts)) == len(texts)
    rows = [{"origin": text.decode()} for text in texts]
    assert keys_of("{origin}", rows + rows) == ([*range(len(rows)), *range(len(rows))], texts)


def test_texts_stay_distinct_when_all_hashes_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "hash_of", lambda *_: np.int64(7))
    monkeypatch.setattr(distinct, "number_texts", getattr(distinct.number_texts, "py_func", distinct.number_texts))
    texts = ["ab", "a", "", "abc", "a", "b", "ab"]
    assert keys_of("{origin}", [{"origin": text} for text in texts]) == (
        [0, 1, 2, 3, 1, 4, 0],
        [b"ab", b"a", b"", b"abc", b"b"],
    )


@pytest.mark.parametrize(
    ("template", "row"),
    [
        ("{tailnum}", {}),
        ("{origin}{tailnum}", {"origin": "a"}),
        ("{departure|%H}", {}),
        ("{departure|%H}", {"departure": -(1 << 62)}),
        ("{day|%Y}", {"day": 2_932_897}),
        ("{day|%Y}", {"day": -719_163}),
        ("{gate_closes|%H}", {"gate_closes": -1}),
        ("{gate_closes|%H}", {"gate_closes": DAY * 1_000}),
    ],
)
def test_a_null_or_an_impossible_time_makes_no_key(template: str, row: Row) -> None:
    assert keys_of(template, [row, None, row]) == ([NO_SLOT] * 3, [])


@pytest.mark.parametrize(
    ("template", "row", "key"),
    [
        ("{day|%Y%m%d}", {"day": 2_932_896}, b"99991231"),
        ("{day|%j}", {"day": -719_162}, b"001"),
        ("{gate_closes|%H%M%S}", {"gate_closes": DAY * 1_000 - 1}, b"235959"),
        ("{departure|%Y%m%d%H}", {"departure": -1}, b"1969123123"),
        ("{measured|%S.%f}", {"measured": 1_000_001_999}, b"01.000001"),
        ("{paid}:{class}:{card.number}", {"paid": False, "class": "first", "card.number": -5}, b"false:first:-5"),
    ],
)
def test_a_key_is_formatted_as_its_template_requires(template: str, row: Row, key: bytes) -> None:
    assert keys_of(template, [row]) == ([0], [key])


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("everyone", []),
        ("plane:{tailnum}", ["tailnum"]),
        ("{{{a.b}}}", ["a.b"]),
        ("{a}{b|%Y|%m}", ["a", "b"]),
    ],
)
def test_a_template_names_its_fields(template: str, parts: list[str]) -> None:
    assert [part.path for part in KeyTemplate.parse(template).parts] == parts


def test_a_template_is_filled_in_order() -> None:
    assert KeyTemplate.parse("{{{a}}}:{b|%Y}%b").fill([b"1", b"2013"]) == b"{1}:2013%b"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "empty"),
        ("plane:{tailnum", "single '{' at character 7"),
        ("plane:tailnum}", "single '}' at character 14"),
        ("{{a}", "single '}' at character 4"),
        ("{a{b}}", "single '{' at character 1"),
        ("plane:{}", "has no field name"),
        ("{|%Y}", "has no field name"),
        ("{hour|}", "no format"),
        ("{hour|H}", "no format"),
        ("{hour|%Y%}", "'%' is not a directive"),
        ("{hour|%s}", "'%s' is not a directive"),
        ("{hour|%Q}", "'%Q' is not a directive"),
    ],
)
def test_an_invalid_template_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        KeyTemplate.parse(template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{nothing}", "'{nothing}': no such field"),
        ("{distance}", "of kind float, which has no unique text"),
        ("{fare}", "of kind decimal"),
        ("{photo}", "of kind bytes"),
        ("{day}", "kind date, which needs a format"),
        ("{gate_closes}", "time, which needs a format"),
        ("{departure}", "timestamp, which needs a format"),
        ("{origin|%Y}", "of kind text, which has no formats"),
        ("{card.number|%Y}", "of kind integer, which has no formats"),
        ("{photo|%Y}", "of kind bytes, which has no formats"),
        ("{gate_closes|%Y%H}", "a time of day, which has no '%Y'"),
        ("{gate_closes|%c}", "a time of day, which has no '%c'"),
    ],
)
def test_a_template_that_does_not_fit_the_schema_is_refused(template: str, reason: str) -> None:
    (problem,) = KeyTemplate.parse(template).problems(FIELDS, lambda _: "no such field", "plan.yaml: entities.a.key")
    assert problem.where == "plan.yaml: entities.a.key"
    assert reason in str(problem)


@pytest.mark.parametrize(
    "template", ["{tailnum}{origin}{card.number}{paid}{class}", "{day|%H}{gate_closes|%H%%}{seen|%c}"]
)
def test_a_template_that_fits_has_no_problems(template: str) -> None:
    assert not list(KeyTemplate.parse(template).problems(FIELDS, str, "here"))
