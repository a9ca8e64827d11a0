"""Secrets of this process, and how they are kept out of every text that leaves it.

Settings and addresses are the only places where a secret enters, so it is learned there. Logs, the command line and
the HTTP pages pass everything they show through `redact`. Text from a server or a library goes through `foreign` first:
it may contain part of a secret, cut off at some length or at the end of a line.
"""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

from scorer.security.printable import printable

MASK = "********"
SHORTEST = 4  # characters: a shorter secret would mask parts of ordinary words
PIECE = 4  # characters in a row that foreign text must not share with a secret
SHORTEST_LINE = 8  # characters: a line of a secret is a secret, too, since a PEM key may be shown line by line
LONGEST = 300  # characters of foreign text that are shown
_ARGUMENTS = re.compile(r",? with args beginning with.*", re.DOTALL)  # Redis echoes the arguments of an unknown command
# Anything that looks like a login in a URL, in any text: an address may be shown before it is parsed.
_LOGIN = re.compile(r"(?P<before>\w://[^\s:/@\[]*:)\S+(?=@)")

# The value of a name that means a secret, up to a blank or the next option of a URL: however short, known or not.
_NAMED = re.compile(r"(?P<before>(?:pass|pass?w\w*|passphrase|pwd|secret|token)=)(?!\*{8})[^\s&'\"]+", re.IGNORECASE)
# A token, which a server may have issued without our knowing it: the JSON in its first part begins with {".
_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?")


class Secrets:
    """The known secrets, in every form in which they may appear."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._compile()

    def learn(self, *secrets: str) -> None:
        """Add secrets, as the user wrote them or as a server receives them."""
        new = {secret for secret in secrets if secret.strip()} - self._secrets
        if new:
            self._secrets |= new
            self._compile()

    def forget(self) -> None:
        """Remove all secrets."""
        self._secrets.clear()
        self._compile()

    def redact(self, text: str) -> str:
        """Return our own text with secrets masked, in whatever form they appear."""
        known = _TOKEN.sub(MASK, self._whole.sub(MASK, text))
        return _NAMED.sub(rf"\g<before>{MASK}", _LOGIN.sub(rf"\g<before>{MASK}", known))

    def foreign(self, text: str) -> str:
        """Return text from a server or a library, made safe to show.

        It loses pieces of secrets, the arguments that Redis echoes of an unknown command, and control characters, and
        is cut to LONGEST characters.
        """
        safe = self._without_pieces(self._short.sub(MASK, self.redact(_ARGUMENTS.sub("", text))))
        return printable(safe if len(safe) <= LONGEST else f"{safe[:LONGEST]}...")

    def _compile(self) -> None:
        forms = {form for secret in self._secrets for form in _forms(secret)}
        self._whole = _any_of({form for form in forms if len(form) >= SHORTEST}, "", "")
        self._short = _any_of({form for form in forms if len(form) < SHORTEST}, r"(?<!\w)", r"(?!\w)")
        self._pieces = frozenset(form[at : at + PIECE] for form in forms for at in range(len(form) - PIECE + 1))

    def _without_pieces(self, text: str) -> str:
        kept, at = list[str](), 0
        while at < len(text):
            if text.startswith(MASK, at):  # the mask could match a secret made of asterisks
                kept.append(MASK)
                at += len(MASK)
            elif text[at : at + PIECE] in self._pieces:
                at += PIECE
                while at < len(text) and text[at - PIECE + 1 : at + 1] in self._pieces:
                    at += 1
                kept.append(MASK)
            else:
                kept.append(text[at])
                at += 1
        return "".join(kept)


def _any_of(forms: set[str], before: str, after: str) -> re.Pattern[str]:
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile(f"{before}(?:{'|'.join(map(re.escape, longest_first))}){after}" if forms else r"(?!)")


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may appear: plain, in a URL, JSON or Python, on one line, and line by line."""
    for plain in {secret, unquote(secret)}:
        yield plain
        yield quote(plain, safe="", errors="surrogatepass")
        yield quote(plain, errors="surrogatepass")
        yield quote_plus(plain, errors="surrogatepass")
        yield json.dumps(plain)[1:-1]
        yield json.dumps(plain, ensure_ascii=False)[1:-1]
        yield repr(plain)[1:-1]
        yield ascii(plain)[1:-1]
        yield repr(plain.encode(errors="surrogatepass"))[2:-1]
        yield re.sub(r"[\r\n]", " ", plain)  # an error reply is one line
        yield " ".join(plain.split())
        yield from (line for line in plain.splitlines() if len(line) >= SHORTEST_LINE)


_secrets = Secrets()  # one for the whole process, since any text may contain a secret
learn, forget, redact, foreign = _secrets.learn, _secrets.forget, _secrets.redact, _secrets.foreign
