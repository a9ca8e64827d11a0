"""Ends of partitions, so that the committed offset advances past offsets without records.

Transaction markers, aborted records and compacted records have offsets but are never delivered. After the last
delivered record they would count as lag for ever. The client reports the end of a partition in order: every readable
record below that offset has been delivered before.
"""

from collections.abc import Collection, Sequence
from itertools import compress, filterfalse
from operator import not_

from confluent_kafka import KafkaError, Message

from scorer.batch import Records
from scorer.kafka.consume.gaps import Gaps
from scorer.kafka.offsets import Offsets, Partition, next_offsets

END = KafkaError._PARTITION_EOF  # noqa: SLF001  librdkafka's own codes are so named


class Ends:
    """The ends that the client reported, each kept until the position may advance to it.

    Args:
        gaps: knows the position of each partition, and finds events that were deleted before the end.
    """

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._reached: Offsets = {}

    def take(
        self, messages: Sequence[Message], errors: Sequence[KafkaError | None]
    ) -> tuple[list[Message], list[Message]]:
        """Note the ends among messages; return the records, and the messages that came for any other error.

        A replica that keeps up with its topic gets an end for nearly every record, so no line of Python runs for each.

        Args:
            messages: what the client returned.
            errors: the error of each.
        """
        records, others = [*compress(messages, map(not_, errors))], [*compress(messages, errors)]
        if {*map(KafkaError.code, filter(None, errors))} == {END}:
            ends, failed = others, []
        else:
            ends, failed = [*filter(is_end, others)], [*filterfalse(is_end, others)]
        places = zip(map(Message.topic, ends), map(Message.partition, ends), strict=True)
        self._reached.update(zip(places, map(Message.offset, ends), strict=True))  # type: ignore[arg-type]  # an end has all
        return records, failed

    def forget(self, partitions: Collection[Partition]) -> None:
        """Drop the ends of partitions whose buffered records are dropped: these records are delivered again."""
        for partition in partitions:
            self._reached.pop(partition, None)

    def passed(self, buffered: Collection[Message], held: Records | None = None) -> Offsets:
        """Return the positions that may be committed once all records published so far are written.

        Args:
            buffered: delivered records that were not returned yet. An end waits for those of its partition.
            held: records that were returned and are not published yet. An end waits for those of its partition, too.
        """
        if not self._reached:
            return {}
        waiting = {(message.topic(), message.partition()) for message in buffered}
        waiting.update(next_offsets(held) if held else ())
        ends = {place: end for place, end in self._reached.items() if place not in waiting}
        self.forget(ends)
        return self._gaps.advance(ends)


def is_end(message: Message) -> bool:
    """Whether a message reports the end of its partition."""
    error = message.error()
    return error is not None and error.code() == END
