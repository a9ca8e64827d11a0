import pytest
from confluent_kafka import Consumer, Producer
from structlog.testing import capture_logs

from scorer.errors import Misconfigured
from scorer.kafka.connect import connect
from scorer.security import redaction

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "reconnect.backoff.ms": 10}


def test_the_output_of_a_client_is_sent_to_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    consumer = connect(Consumer, {**NOWHERE, "group.id": "g", "linger.ms": 5})
    with capture_logs() as lines:
        while not any(line["facility"] == "FAIL" for line in lines):
            consumer.consume(1, 0.1)
        consumer.close()
    assert "%" not in capfd.readouterr().err
    by_facility = {line["facility"]: line for line in lines}
    # The error callback reports unavailable brokers, too; the log would repeat it.
    assert by_facility["FAIL"]["log_level"] == "debug"
    assert "Connection refused" in by_facility["FAIL"]["message"]
    assert by_facility["CONFWARN"]["log_level"] == "warning"
    assert by_facility["CONFWARN"]["message"].startswith("Configuration property queue.buffering.max.ms is a producer")


def test_a_client_that_cannot_be_created_is_reported_with_the_reason() -> None:
    with pytest.raises(Misconfigured, match=r'kafka.properties: No such configuration property: "acsk"'):
        connect(Producer, {**NOWHERE, "acsk": "all"})


def test_the_error_of_a_client_that_cannot_be_created_has_no_secret() -> None:
    redaction.learn("hunter2-and-more")
    with pytest.raises(Misconfigured, match=r'Invalid value "\*+" for configuration property'):
        connect(Producer, {**NOWHERE, "security.protocol": "hunter2-and-more"})
