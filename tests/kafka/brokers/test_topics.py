import pytest

from scorer.kafka.brokers.topics import (
    AFTER,
    ANY_TIME,
    BEFORE,
    DIFFERENCE,
    Topic,
    dead_letter_concerns,
    dead_letter_topic,
    output_concerns,
    write_concerns,
)

TYPE = "message.timestamp.type"


def test_a_dead_letter_topic_as_created_raises_no_concern() -> None:
    inputs = [Topic("flights", 4, 1, {"max.message.bytes": "200000000"}), Topic("others", 4)]
    assert dead_letter_concerns(dead_letter_topic("dead", 4, inputs), inputs) == []


def test_a_dead_letter_topic_that_loses_or_refuses_dead_letters_raises_concerns() -> None:
    inputs = [Topic("flights", 4, 1, {"max.message.bytes": "1048588"})]
    config = {"retention.ms": "604800000", "cleanup.policy": "compact,delete", "max.message.bytes": "1048588"}
    concerns = dead_letter_concerns(Topic("dead", 4, 1, config), inputs)
    for setting in ("retention.ms=604800000", "cleanup.policy=compact,delete", "max.message.bytes=1048588"):
        assert sum(setting in concern for concern in concerns) == 1
    assert "set it to 1114124 or more" in concerns[2]


def test_a_dead_letter_topic_without_an_input_is_never_too_small() -> None:
    assert dead_letter_concerns(Topic("dead", 4, 1, {"max.message.bytes": "1048588"}), []) == []


@pytest.mark.parametrize(("partitions", "concerns"), [(3, 1), (4, 0), (5, 0)])
def test_predictions_with_fewer_partitions_than_events_are_a_concern(partitions: int, concerns: int) -> None:
    assert len(output_concerns(Topic("scores", partitions), [Topic("flights", 2), Topic("others", 4)])) == concerns
    assert output_concerns(Topic("scores", partitions), []) == []


@pytest.mark.parametrize(("limit", "concerns"), [("1", 1), ("1023", 1), ("1024", 0), ("1048588", 0)])
def test_a_topic_that_may_refuse_every_write_is_a_concern(limit: str, concerns: int) -> None:
    found = write_concerns([Topic("scores", 1, 1, {"max.message.bytes": limit}), Topic("unknown", 1)])
    assert len(found) == concerns
    assert all(f"scores: max.message.bytes={limit} may be too small" in concern for concern in found)


@pytest.mark.parametrize(
    ("dead", "source", "concerns"),
    [
        ({AFTER: "3600000", BEFORE: ANY_TIME}, {AFTER: ANY_TIME}, [f"{AFTER}=3600000"]),
        ({AFTER: "3600000", BEFORE: ANY_TIME}, {AFTER: "3600000"}, []),  # a timestamp in the future only comes nearer
        ({AFTER: "3600000"}, {AFTER: ANY_TIME, TYPE: "LogAppendTime"}, []),
        ({BEFORE: "3600000"}, {BEFORE: "3600000"}, [f"{BEFORE}=3600000"]),  # a timestamp in the past only gets older
        ({DIFFERENCE: "3600000"}, {DIFFERENCE: "3600000"}, [f"{DIFFERENCE}=3600000"]),
        ({DIFFERENCE: "3600000", AFTER: ANY_TIME, BEFORE: ANY_TIME}, {AFTER: ANY_TIME}, []),
        ({AFTER: "1", BEFORE: "1", TYPE: "LogAppendTime"}, {AFTER: ANY_TIME}, [f"{TYPE}=LogAppendTime"]),
        ({}, {AFTER: ANY_TIME}, []),
    ],
)
def test_a_dead_letter_topic_that_refuses_or_changes_timestamps_is_a_concern(
    dead: dict[str, str], source: dict[str, str], concerns: list[str]
) -> None:
    found = dead_letter_concerns(Topic("dead", 4, 1, dead), [Topic("flights", 4, 1, source)])
    assert len(found) == len(concerns)
    assert all(f"dead: {setting} " in concern for setting, concern in zip(concerns, found, strict=True))


def test_old_brokers_get_the_property_that_they_support() -> None:
    old, new = Topic("flights", 4, 1, {DIFFERENCE: "1"}), Topic("flights", 4, 1, {DIFFERENCE: "1", AFTER: "1"})
    for inputs, limits in (([old], {DIFFERENCE}), ([new], {AFTER, BEFORE}), ([], {AFTER, BEFORE})):
        config = dead_letter_topic("dead", 4, inputs).config
        assert {name for name, value in config.items() if value == ANY_TIME} == limits


def test_predictions_in_a_compacted_topic_are_a_concern() -> None:
    assert len(output_concerns(Topic("scores", 4, 1, {"cleanup.policy": "compact"}), [])) == 1
