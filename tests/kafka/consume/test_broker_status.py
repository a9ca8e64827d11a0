import pytest
from confluent_kafka import KafkaError, Message

from scorer.kafka.consume.broker_status import BrokerStatus

DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


def said(**broker: object) -> dict[str, object]:
    """Statistics of one broker, which has answered all requests."""
    return {"brokers": {"one": {"state": "UP", "waitresp_cnt": 1, "rxidle": 1_000} | broker}}


def message(topic: str | None = "in", partition: int = 0) -> Message:
    return Message(topic=topic, partition=partition)


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        ({}, [""]),
        ({"rxidle": 11_000_000}, ["connected, and silent for 10 seconds"]),
        ({"rxidle": 11_000_000, "waitresp_cnt": 0}, [""]),  # no request is outstanding
        ({"state": "DOWN"}, []),
    ],
)
def test_a_broker_is_available_when_it_answers_a_request(broker: dict[str, object], told: list[str]) -> None:
    heard: list[str] = []
    BrokerStatus(heard.append).statistics(said(**broker))
    assert heard == told


@pytest.mark.parametrize(
    ("failed", "others"),
    [
        (message(), [message(partition=1), message("other")]),
        (message(partition=-1), [message("other")]),
        (message(None, -1), []),
        (message(None, 0), []),  # this is how the client reports an error of the group
    ],
)
def test_a_lasting_error_ends_when_a_record_arrives(failed: Message, others: list[Message]) -> None:
    heard: list[str] = []
    status = BrokerStatus(heard.append)
    status.failed(failed, DENIED)
    status.arrived(others)
    status.statistics(said())
    assert all(heard)
    status.arrived([message()])
    status.statistics(said())
    assert not heard[-1]


def test_a_temporary_error_lasts_until_a_broker_answers() -> None:
    heard: list[str] = []
    status = BrokerStatus(heard.append)
    status.failed(message(), KafkaError(KafkaError._TRANSPORT))
    status.statistics(said())
    assert [bool(each) for each in heard] == [True, False]


def test_the_first_records_show_that_brokers_answer() -> None:
    heard: list[str] = []
    status = BrokerStatus(heard.append)
    status.arrived([])
    assert heard == []
    status.arrived([message()])
    status.arrived([message()])
    assert heard == [""]


def test_records_of_other_partitions_do_not_end_an_error() -> None:
    heard: list[str] = []
    status = BrokerStatus(heard.append)
    status.failed(message(), DENIED)
    status.arrived([message(partition=1)])
    assert all(heard)
