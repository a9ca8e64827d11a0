import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.store.redis.bounds import LONGEST_LINE, SLACK, VALUE_ROOM, Malformed
from scorer.store.redis.resp import ABSENT, BARE, ERROR, FIRST_ROOM, VALUE, Inbox, command, commands
from tests.store.redis.servers import as_redis_py_writes

Cell = tuple[int, bytes]

TEXTS = st.binary(max_size=20)
ERRORS = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20).map(str.encode)
VALUES = st.one_of(
    st.just((ABSENT, b"")),
    TEXTS.map(lambda text: (VALUE, text)),
)


def bulk(cell: Cell) -> bytes:
    kind, text = cell
    return b"$-1\r\n" if kind == ABSENT else b"$%d\r\n%b\r\n" % (len(text), text)


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, int, list[Cell]]:
    """The bytes of a reply, its width, and what its cells must hold."""
    width = draw(st.integers(BARE, 4))
    cells = max(width, 1)
    whole = draw(st.sampled_from(["values", "values", "values", "error", "absent", "line"]))
    if whole == "error":
        text = draw(ERRORS)
        return b"-%b\r\n" % text, width, [(ERROR, text)] * cells
    if whole == "absent":
        return (b"$-1\r\n" if width == BARE else b"*-1\r\n"), width, [(ABSENT, b"")] * cells
    if whole == "line" and width == BARE:
        text = draw(ERRORS)
        return draw(st.sampled_from([b"+", b":"])) + text + b"\r\n", width, [(VALUE, text)]
    content = draw(st.lists(VALUES, min_size=cells, max_size=cells))
    head = b"" if width == BARE else b"*%d\r\n" % width
    return head + b"".join(map(bulk, content)), width, content


def receive(inbox: Inbox, widths: list[int], pieces: list[bytes]) -> list[Cell]:
    inbox.expect(np.array(widths, np.int64))
    done = not widths
    for piece in pieces:
        assert not done
        at = 0
        while at < len(piece):
            room = inbox.room()
            part = piece[at : at + len(room)]
            room[: len(part)] = part
            done = inbox.received(len(part))
            at += len(part)
    assert done
    cells = inbox.cells
    return [
        (kind, b"" if kind == ABSENT else cells.data[start:end].tobytes())
        for kind, start, end in cells.marks.T.tolist()
    ]


@given(st.lists(replies(), min_size=1, max_size=8), st.data())
def test_cells_are_the_same_however_the_bytes_arrive(
    asked: list[tuple[bytes, int, list[Cell]]], data: st.DataObject
) -> None:
    whole = b"".join(reply for reply, _, _ in asked)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=6) if len(whole) > 1 else st.just(set())))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    inbox = Inbox()
    expected = [cell for _, _, cells in asked for cell in cells]
    assert receive(inbox, [width for _, width, _ in asked], pieces) == expected
    assert receive(inbox, [width for _, width, _ in asked], [whole]) == expected


def test_a_reply_split_at_any_byte_has_the_same_cells() -> None:
    whole = b"*3\r\n$4\r\n1.25\r\n$-1\r\n$0\r\n\r\n-ERR no\r\n*1\r\n$2\r\n\r\n\r\n$3\r\nabc\r\n+OK\r\n"
    expected = [
        (VALUE, b"1.25"),
        (ABSENT, b""),
        (VALUE, b""),
        *[(ERROR, b"ERR no")] * 2,
        (VALUE, b"\r\n"),
        (VALUE, b"abc"),
        (VALUE, b"OK"),
    ]
    for cut in range(1, len(whole)):
        assert receive(Inbox(), [3, 2, 1, BARE, BARE], [whole[:cut], whole[cut:]]) == expected
    assert receive(Inbox(), [3, 2, 1, BARE, BARE], [whole[at : at + 1] for at in range(len(whole))]) == expected


def test_the_buffer_grows_with_the_reply() -> None:
    text = bytes(range(256)) * (FIRST_ROOM // 64)
    inbox = Inbox()
    assert receive(inbox, [2], [b"*2\r\n" + bulk((VALUE, text)) + bulk((VALUE, b"1"))]) == [
        (VALUE, text),
        (VALUE, b"1"),
    ]
    assert receive(inbox, [BARE], [b"$1\r\n2\r\n"]) == [(VALUE, b"2")]


@pytest.mark.parametrize(
    ("width", "arrived"),
    [
        (BARE, b"HTTP/1.1 400 Bad Request\r\n"),
        (BARE, b"\x15\x03\x01\x00\x02\x02\x46"),  # a TLS alert
        (BARE, b"$abc\r\n"),
        (BARE, b"$-2\r\n"),
        (BARE, b"$\r\n"),
        (BARE, b"$1234567890123456789012\r\n"),
        (BARE, b"$3\r\nabcd\r\n"),
        (BARE, b"$3\rx"),
        (BARE, b"*1\r\n$1\r\n1\r\n"),
        (BARE, b"+OK\r\n+OK\r\n"),  # more than was asked for
        (2, b"*3\r\n"),
        (2, b"*1\r\n"),
        (2, b"$1\r\n1\r\n"),
        (2, b"+OK\r\n"),
        (2, b"*2\r\n*2\r\n"),
        (2, b"*2\r\n-ERR inside\r\n"),
        (2, b"_\r\n"),
        (2, b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n"),
    ],
)
def test_any_other_reply_is_malformed(width: int, arrived: bytes) -> None:
    with pytest.raises(Malformed):
        receive(Inbox(), [width], [arrived])


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_command_is_written_as_redis_py_writes_it(parts: list[bytes]) -> None:
    assert command(b"HMGET", *parts) == as_redis_py_writes(b"HMGET", *parts)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_commands_differ_by_their_keys(keys: list[bytes]) -> None:
    head, tail = b"*3\r\n$4\r\nHGET\r\n", b"$1\r\nf\r\n"
    assert commands(keys, head, tail) == b"".join(command(b"HGET", key, b"f") for key in keys)


def test_replies_are_bounded_by_the_requested_values() -> None:
    """A long value is accepted, but an endless one is not, and the buffer stops growing before the timeout."""
    inbox, piece = Inbox(), b"x" * (1 << 20)
    inbox.expect(np.array([1]), most=10 * VALUE_ROOM)
    assert not received(inbox, b"*1\r\n$999999999999\r\n")
    for _ in range(SLACK // len(piece)):
        assert not received(inbox, piece)
    with pytest.raises(Malformed, match=f"more than {SLACK + 10 * VALUE_ROOM:,} bytes for 1 values"):
        received(inbox, piece)


@pytest.mark.parametrize("head", [b"+", b"-ERR ", b":", b"$", b"*"])
def test_a_line_without_an_end_is_malformed(head: bytes) -> None:
    inbox = Inbox()
    inbox.expect(np.array([BARE]))
    assert not received(inbox, head + b"1" * (LONGEST_LINE - 100))
    with pytest.raises(Malformed):
        received(inbox, b"1" * 200)


def received(inbox: Inbox, arrived: bytes) -> bool:
    done, at = False, 0
    while at < len(arrived):
        room = inbox.room()
        part = arrived[at : at + len(room)]
        room[: len(part)] = part
        done = inbox.received(len(part))
        at += len(part)
    return done
