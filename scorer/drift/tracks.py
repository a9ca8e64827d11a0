"""Which offsets of each partition were counted, and which were left out."""

from collections import deque
from dataclasses import dataclass, field

from scorer.drift.slices import Slice

REMEMBERED = 600  # slices of a partition that a later one can replace

Place = tuple[str, int, int]  # a topic, a partition and the first offset of a slice


@dataclass(slots=True)
class Track:
    """One partition.

    first:     the first offset that was counted.
    next:      the offset after the last one that was counted.
    events:    how many events were counted.
    rejected:  how many records became dead letters.
    uncounted: offsets that no slice has: of replicas that were killed before they could tell. Where the topic has
               markers of transactions, or was compacted, there are fewer events than offsets.
    """

    first: int
    next: int
    events: int = 0
    rejected: int = 0
    uncounted: int = 0
    recent: deque[Slice] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    gaps: dict[int, int] = field(default_factory=dict)  # before the slices in `recent`, by their first offset


class Tracks:
    """The partitions of a group, by topic and number."""

    def __init__(self) -> None:
        self.partitions: dict[tuple[str, int], Track] = {}

    @property
    def events(self) -> int:
        """How many events were counted."""
        return sum(each.events for each in self.partitions.values())

    @property
    def rejected(self) -> int:
        """How many records became dead letters."""
        return sum(each.rejected for each in self.partitions.values())

    @property
    def uncounted(self) -> int:
        """How many offsets were left out."""
        return sum(each.uncounted for each in self.partitions.values())

    def add(self, found: Slice) -> set[Place]:
        """Take a slice, and return those before that it replaces: all that begin at or after its first offset.

        A replica that was taken for dead may have counted events that another one counted again; and a group whose
        offsets were set back scores events again.
        """
        track = self.partitions.get((found.topic, found.partition))
        if track is None:
            track = self.partitions[found.topic, found.partition] = Track(found.first, found.first)
        replaced = set[Place]()
        while track.recent and track.recent[-1].first >= found.first:
            self._undo(track, track.recent.pop(), replaced)
        if found.first > track.next:
            track.gaps[found.first] = found.first - track.next
            track.uncounted += found.first - track.next
        track.first = min(track.first, found.first)
        track.next = found.next
        track.events += found.events
        track.rejected += found.rejected
        if len(track.recent) == track.recent.maxlen:
            track.gaps.pop(track.recent[0].first, None)
        track.recent.append(found)
        return replaced

    @staticmethod
    def _undo(track: Track, last: Slice, replaced: set[Place]) -> None:
        track.events -= last.events
        track.rejected -= last.rejected
        track.uncounted -= track.gaps.pop(last.first, 0)
        track.next = track.recent[-1].next if track.recent else last.first
        replaced.add((last.topic, last.partition, last.first))
