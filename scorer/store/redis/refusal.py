"""Messages for errors that a server returns: its own text unless it may hold a secret, and what to do."""

import re
from collections.abc import Sequence

from scorer.errors import Unavailable
from scorer.security.printable import printable
from scorer.security.redaction import foreign
from scorer.store.protocol import Denied, Request
from scorer.store.redis.layouts import layout_of
from scorer.store.redis.link import Link
from scorer.store.redis.resp import Cells

KEY_MAY_FAIL = "WRONGTYPE"  # the key has another type, which makes the entity INVALID
ADVICE = {
    "ASK": "it is a node of a cluster: start features.url with redis+cluster",
    "CLUSTERDOWN": "the cluster serves no keys until every slot has a master: see CLUSTER INFO",
    "LOADING": "it is loading its data from disk and will answer when that is done",
    "MASTERDOWN": "it lost its master and serves no stale data: see replica-serve-stale-data",
    "MOVED": "it is a node of a cluster: start features.url with redis+cluster",
    "NOAUTH": "put the user name and the password into features.url",
    "OOM": "it is out of memory: raise its maxmemory",
    "READONLY": "it is a replica: point features.url at the master",
    "TRYAGAIN": "slots of the cluster are moving: it will answer when that is done",
    "WRONGPASS": "correct the user name or the password in features.url, special characters percent-encoded",
}
NO_COMMAND = re.compile(r"\ANOPERM .*run the '([\w|-]{1,40})'")
KNOWN_LOGIN = (*ADVICE, "NOPERM", "ERR AUTH <password> called without any password configured")
UNKNOWN_LOGIN = "AUTH may be renamed there, or it is not Redis; without a login in features.url none is sent"


def denied(link: Link, text: str, request: Request, key: bytes | None) -> Denied:
    """Return the error for a key that the user may not read; `key` is None if the server does not say which."""
    entity = request.entity
    which = f"key '{printable(entity.key.readable(key))}'" if key is not None else f"one of {len(request.keys)} keys"
    grant = f"grant the user its keys, with ACL SETUSER {link.user} ~{shown(entity.key.grant)}"
    said, rest = f"{link.name} answered '{foreign(text)}' for", f"of entity '{entity.name}': {grant}"
    return Denied(f"{said} {which} {rest}", entity.name, key, f"{said} a key {rest}")


def shown(key: bytes) -> str:
    """Return a key for messages."""
    return printable(key.decode(errors="backslashreplace"))


def refusal(link: Link, text: str, key: bytes | None = None) -> str:
    """Return a message for a server's error, with the key if it is known, and what to do."""
    advice = _advice(link, text)
    said = f"answered '{foreign(text)}'" if key is None else f"refused key '{shown(key)}' with {foreign(text)}"
    return f"{link.name} {said}" + (f": {advice}" if advice else "")


def _advice(link: Link, text: str) -> str:
    code = text.partition(" ")[0]
    if command := NO_COMMAND.search(text):
        return f"grant the user that command, with ACL SETUSER {link.user} +{command[1]}"
    if code == "NOPERM":
        return f"grant the missing right with ACL SETUSER {link.user}"
    return ADVICE.get(code, "")


def login_refused(link: Link, text: str) -> str:
    """Return a message for a refused login; text that is not Redis's own may contain the password, so it is cut."""
    if text.startswith(KNOWN_LOGIN):
        return refusal(link, text)
    said = re.split(r"[^\w ]", foreign(text)[:40])[0].strip()
    return f"{link.name} refused user name and password with '{said}': {UNKNOWN_LOGIN}"


def refuse(link: Link, errors: Sequence[tuple[int, str]], *harmless: str) -> None:
    """Raise Unavailable for the first error of a server that does not begin with a harmless code."""
    for _, text in errors:
        if not text.startswith(harmless):
            raise Unavailable(refusal(link, text))


def refuse_keys(link: Link, request: Request, cells: Cells, *harmless: str, singly: bool) -> None:
    """Raise the first error in the replies to a request, unless its code is harmless.

    Args:
        link:     the connection.
        request:  the request.
        cells:    the values of the replies.
        harmless: codes of errors that are not raised.
        singly:   whether each command had one key.

    Raises:
        Denied:      the user may not read a key.
        Unavailable: any other error.
    """
    for cell, text in cells.errors():
        if text.startswith((KEY_MAY_FAIL, *harmless)):
            continue
        if text.startswith("NOPERM") and not NO_COMMAND.search(text):
            together = layout_of(request.entity).is_together(request, singly=singly)
            row = cell * len(request.keys) // cells.marks.shape[1]
            raise denied(link, text, request, None if together else request.keys[row])
        raise Unavailable(refusal(link, text))
