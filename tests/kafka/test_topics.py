import pytest

from scorer.kafka.topics import Topic, dead_letter_concerns, dead_letter_topic, output_concerns, write_concerns


def test_a_dead_letter_topic_as_it_is_made_raises_no_concern() -> None:
    inputs = [Topic("flights", 4, 1, {"max.message.bytes": "200000000"}), Topic("others", 4)]
    assert dead_letter_concerns(dead_letter_topic("dead", 4, inputs), inputs) == []


def test_a_dead_letter_topic_that_loses_or_refuses_dead_letters_raises_concerns() -> None:
    inputs = [Topic("flights", 4, 1, {"max.message.bytes": "1048588"})]
    config = {"retention.ms": "604800000", "cleanup.policy": "compact,delete", "max.message.bytes": "1048588"}
    concerns = dead_letter_concerns(Topic("dead", 4, 1, config), inputs)
    for setting in ("retention.ms=604800000", "cleanup.policy=compact,delete", "max.message.bytes=1048588"):
        assert sum(setting in concern for concern in concerns) == 1
    assert "set it to 1114124 or more" in concerns[2]


def test_a_dead_letter_topic_without_an_input_has_nothing_to_be_too_small_for() -> None:
    assert dead_letter_concerns(Topic("dead", 4, 1, {"max.message.bytes": "1048588"}), []) == []


@pytest.mark.parametrize(("partitions", "concerns"), [(3, 1), (4, 0), (5, 0)])
def test_predictions_with_fewer_partitions_than_events_are_a_concern(partitions: int, concerns: int) -> None:
    assert len(output_concerns(Topic("scores", partitions), [Topic("flights", 2), Topic("others", 4)])) == concerns
    assert output_concerns(Topic("scores", partitions), []) == []


@pytest.mark.parametrize(
    ("limit", "size", "concerns"),
    [("1", "", 1), ("20000", "", 1), ("20000", "20000", 0), ("20000", "x", 1), ("1048588", "", 0), ("9", "10", 1)],
)
def test_a_topic_that_refuses_what_is_sent_together_is_a_concern(limit: str, size: str, concerns: int) -> None:
    topics = [Topic("scores", 1, 1, {"max.message.bytes": limit}), Topic("unknown", 1)]
    found = write_concerns(topics, {"batch.size": size} if size else {})
    assert len(found) == concerns
    assert all(f"scores: max.message.bytes={limit} is less" in concern for concern in found)
