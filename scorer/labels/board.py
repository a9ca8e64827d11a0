"""The quality of the whole group: what is told of each window by the owners of the partitions, added up."""

from scorer.labels.account import KIND, Account, total


class Board:
    """Keeps the last account of each window and partition."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.changed = False  # since someone has set this to False
        self.renewed = False  # the same, for the log being read from its first record on

    def began(self) -> None:
        """Forget everything: the log is read from its first record on."""
        self._accounts = {}
        self.changed = self.renewed = True

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:  # noqa: ARG002  as others need it
        """Take a record; those of another kind or another version of this program are passed over."""
        if kind != KIND:
            return
        account = None if document is None else Account.read(document)
        if account is not None:
            self._accounts[name] = account
        else:
            self._accounts.pop(name, None)
        self.changed = True

    def upto(self, partition: int) -> int:
        """Return the offset in a partition of the state topic up to which somebody has accounted for everything."""
        return max((each.upto for each in self.accounts if each.partition == partition), default=0)

    @property
    def accounts(self) -> list[Account]:
        """All accounts, for any thread."""
        return list(self._accounts.values())

    def windows(self) -> list[Account]:
        """Return the total of each window, in the order of time."""
        by_start: dict[int, list[Account]] = {}
        for each in sorted(self.accounts, key=lambda account: account.start):
            by_start.setdefault(each.start, []).append(each)
        return [found for some in by_start.values() if (found := total(some)) is not None]

    def now(self) -> Account | None:
        """Return the total of all windows that still wait for labels; None if there is none."""
        return total(each for each in self.accounts if not each.closed)
