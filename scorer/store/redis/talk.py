"""Single commands to each server that holds keys, for checking samples of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn

from scorer.errors import Unavailable
from scorer.store.redis.dial import dial
from scorer.store.redis.link import Deadline, Link, exchange
from scorer.store.redis.refusal import refusal
from scorer.store.redis.resp import command
from scorer.store.redis.resp_tree import Refusal, Tree
from scorer.store.redis.sentinel import single_address
from scorer.store.redis.slots import owners
from scorer.store.redis.url import Address, Target

ELSEWHERE = ("MOVED ", "ASK ", "TRYAGAIN")  # the key is moving to another server


class Refused(Unavailable):
    """A server refused one command; it may accept another.

    text: the server's error.
    """

    def __init__(self, link: Link, text: str) -> None:
        self.text = text
        super().__init__(refusal(link, text))


class Talk:
    """A connection for one command at a time.

    Args:
        link:       the connection.
        timeout_ms: the timeout of each reply.
    """

    def __init__(self, link: Link, timeout_ms: int) -> None:
        self._link, self._timeout_ms = link, timeout_ms

    def text(self, *parts: bytes) -> bytes:
        """Return a reply that is a text.

        Raises:
            Refused:     the server refuses the command.
            Unavailable: the server does not answer, or the reply is not a text.
        """
        answer = self._answer(parts)
        return answer if isinstance(answer, bytes) else self._malformed(parts)

    def number(self, *parts: bytes) -> int:
        """Return a reply that is a number; raises as `text` does."""
        answer = self._answer(parts)
        return answer if isinstance(answer, int) else self._malformed(parts)

    def texts(self, *parts: bytes, count: int | None = None) -> list[bytes | None]:
        """Return a reply of texts, some of which may be None; check that there are `count`, if it is given."""
        return self._texts(parts, self._answer(parts), count)

    def scan(self, cursor: bytes, pattern: bytes, looked_at: int) -> tuple[bytes, list[bytes]]:
        """Do one step of a SCAN; return the next cursor (b"0" at the end) and the keys found."""
        parts = b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"%d" % looked_at
        answer = self._answer(parts)
        if not isinstance(answer, list) or len(answer) != 2:  # noqa: PLR2004  the cursor and the keys
            self._malformed(parts)
        after, keys = answer
        if not isinstance(after, bytes) or not after.isdigit():
            self._malformed(parts)
        return after, [key for key in self._texts(parts, keys, None) if key is not None]

    def _texts(self, parts: tuple[bytes, ...], answer: Tree, count: int | None) -> list[bytes | None]:
        if not isinstance(answer, list) or (count is not None and len(answer) != count):
            self._malformed(parts)
        texts = [item for item in answer if item is None or isinstance(item, bytes)]
        return texts if len(texts) == len(answer) else self._malformed(parts)

    def _answer(self, parts: tuple[bytes, ...]) -> Tree:
        self._link.ask_anything(command(*parts))
        exchange([self._link], Deadline.after(self._timeout_ms))
        if isinstance(self._link.reply, Refusal):
            raise Refused(self._link, self._link.reply.text)
        return self._link.reply

    def _malformed(self, parts: tuple[bytes, ...]) -> NoReturn:
        raise Unavailable(f"{self._link.name} does not answer {parts[0].decode()} as Redis does")


@contextmanager
def talks(target: Target, timeout_ms: int) -> Iterator[list[Talk]]:
    """Open a connection to each server that holds keys, and close them at the end.

    Raises:
        Unavailable: a server does not answer.
    """
    with ExitStack() as stack:
        made = []
        for address in masters(target, timeout_ms):
            link = dial(target, address, Deadline.after(timeout_ms))
            stack.callback(link.close)
            made.append(Talk(link, timeout_ms))
        yield made


def masters(target: Target, timeout_ms: int) -> list[Address | None]:
    """Return the address of each server that holds keys; None is the Unix socket of the target."""
    deadline = Deadline.after(timeout_ms)
    if target.form == "cluster":
        return [node for node in dict.fromkeys(owners(target, deadline, [])) if node is not None]
    return [single_address(target, deadline)]
