"""Tracks which offsets of each partition were counted, and which were left out."""

from collections import deque
from dataclasses import dataclass, field

from scorer.drift.slices import Slice

REMEMBERED = 600  # the last slices of a partition, which a later slice can replace

Place = tuple[str, int, int]  # a topic, a partition and the first offset of a slice


@dataclass(slots=True)
class Track:
    """One partition.

    first:     the first offset that was counted.
    next:      the offset after the last one that was counted.
    events:    how many events were counted.
    rejected:  how many records became dead letters.
    uncounted: how many offsets are in no slice, because a replica was killed before it published its counts. With
               transaction markers or compaction, this is more than the number of events.
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
        """Add a slice, and return the earlier ones that it replaces: all that begin at or after its first offset.

        Events may be counted twice: by a replica that lost its partitions and by the new owner, or after the offsets of
        the group were reset.
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
