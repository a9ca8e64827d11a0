"""Numbers for the texts of slim records."""

from scorer.labels.table import UNKNOWN

MOST_TAILS = 10_000  # different texts of versions and arms, or of segments


class Texts:
    """Numbers for texts, in the order in which they appear."""

    def __init__(self) -> None:
        self._codes: dict[bytes, int] = {}
        self.texts: list[bytes] = []

    def code(self, text: bytes) -> int:
        """Return the number of a text; UNKNOWN once there are too many."""
        code = self._codes.get(text)
        if code is None and len(self.texts) < MOST_TAILS:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return UNKNOWN if code is None else code
