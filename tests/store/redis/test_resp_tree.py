import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.store.redis.bounds import LONGEST_LINE, SLACK, Malformed
from scorer.store.redis.resp_tree import DEEPEST, Refusal, Tree, TreeInbox

LINES = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.binary(max_size=8),
    st.integers(-(10**17), 10**17),
    LINES.map(Refusal),
)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


def written(tree: Tree) -> bytes:
    """A reply as a server writes it."""
    if tree is None:
        return b"$-1\r\n"
    if isinstance(tree, bytes):
        return b"$%d\r\n%b\r\n" % (len(tree), tree)
    if isinstance(tree, int):
        return b":%d\r\n" % tree
    if isinstance(tree, Refusal):
        return b"-%b\r\n" % tree.text.encode()
    return b"*%d\r\n" % len(tree) + b"".join(map(written, tree))


def received(inbox: TreeInbox, arrived: bytes) -> bool:
    done = False
    for at in range(0, len(arrived), len(inbox.room())):
        piece = arrived[at : at + len(inbox.room())]
        inbox.room()[: len(piece)] = piece
        done = inbox.received(len(piece))
    return done


@given(TREES, st.lists(st.integers(1, 30), max_size=6))
def test_a_reply_is_parsed_the_same_however_it_arrives(tree: Tree, sizes: list[int]) -> None:
    whole, inbox, at = written(tree), TreeInbox(), 0
    for size in sizes:
        if at + size < len(whole):
            assert not received(inbox, whole[at : at + size])
            at += size
    assert received(inbox, whole[at:])
    assert inbox.reply == tree


def test_a_simple_string_is_text() -> None:
    inbox = TreeInbox()
    assert received(inbox, b"+OK\r\n")
    assert inbox.reply == b"OK"


@pytest.mark.parametrize(
    "arrived",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b":abc\r\n",
        b":\r\n",
        b":" + b"9" * 30 + b"\r\n",
        b"$-2\r\n",
        b"$abc\r\n",
        b"*-3\r\n",
        b"$%d\r\n" % (SLACK + 1),
        b"$999999999999999999999\r\n",
        b"*1000000000\r\n",
        b"$3\r\nabcd\r\n",
        b"_\r\n",
        b"%1\r\n",
        b"*1\r\n" * (DEEPEST + 1),
        b"+OK\r\n+OK\r\n",
        b"*2\r\n:1\r\n:2\r\n:3\r\n",
        b"+" + b"x" * (LONGEST_LINE + 10),
    ],
)
def test_an_invalid_reply_is_malformed(arrived: bytes) -> None:
    with pytest.raises(Malformed):
        received(TreeInbox(), arrived)


def test_an_endless_reply_is_malformed_once_it_is_too_long() -> None:
    inbox, piece = TreeInbox(), written(b"x" * 60_000)
    received(inbox, b"*100000\r\n")
    for _ in range(SLACK // len(piece)):
        received(inbox, piece)
    with pytest.raises(Malformed, match=f"more than {SLACK:,} bytes"):
        received(inbox, piece)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_malformed(arrived: bytes) -> None:
    try:
        received(TreeInbox(), arrived)
    except Malformed:
        return
