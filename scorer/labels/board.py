"""The quality of the whole group: adds up the accounts that the owners of all partitions have published."""

from scorer.labels.account import KIND, Account, total


class Board:
    """Keeps the last account of each window and partition."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.changed = False  # whether an account has changed since a reader last set this to False
        self.renewed = False  # whether the log was read from its first record again since then

    def began(self) -> None:
        """Forget everything: the log is read from its first record."""
        self._accounts = {}
        self.changed = self.renewed = True

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:  # noqa: ARG002  as others need it
        """Take a record; ignore other kinds, and accounts that another version of scorer wrote."""
        if kind != KIND:
            return
        account = None if document is None else Account.read(document)
        if account is not None:
            self._accounts[name] = account
        else:
            self._accounts.pop(name, None)
        self.changed = True

    def upto(self, partition: int) -> int:
        """Return the offset in a partition of the state topic below which every record is in a published account."""
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
