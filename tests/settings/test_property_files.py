"""Properties and secrets whose value is in a file."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from scorer.errors import Misconfigured
from scorer.kafka.brokers.denials import Denials
from scorer.kafka.client import consumer_properties
from scorer.kafka.renewal import LOOK_SECONDS, Renewal
from scorer.security import redaction
from scorer.settings import BatchSettings, mask
from tests.certificates import put
from tests.settings.conftest import Load, Problems


def test_a_property_in_a_file_is_read_when_a_client_is_created(read: Load, tmp_path: Path) -> None:
    kafka = read({"kafka.property_files": {"sasl.password": "password"}}).settings.kafka
    with pytest.raises(
        Misconfigured, match=r"kafka\.property_files\.sasl\.password: .*password cannot be read: No such"
    ):
        consumer_properties(kafka, BatchSettings())
    put(tmp_path / "password", "one\n")
    assert consumer_properties(kafka, BatchSettings())["sasl.password"] == "one"
    put(tmp_path / "password", "two\n")
    assert consumer_properties(kafka, BatchSettings())["sasl.password"] == "two"


def test_the_path_is_shown_and_relative_to_the_configuration(read: Load, tmp_path: Path) -> None:
    settings = read({"kafka.property_files": {"sasl.password": "password"}}).settings
    assert mask(settings)["kafka"]["property_files"] == {"sasl.password": str(tmp_path / "password")}
    url = "rediss://scorer@cache:6379/0?password_file=/run/password&ssl_ca_certs=ca.pem"
    assert mask(read({"features.url": url}).settings)["features"]["url"] == url


def test_missing_files_are_reported_together(read: Load) -> None:
    kafka = read({"kafka.property_files": {"sasl.username": "none", "sasl.password": "neither"}}).settings.kafka
    with pytest.raises(Misconfigured) as refused:
        consumer_properties(kafka, BatchSettings())
    found = [problem.where.removeprefix("kafka.property_files.") for problem in refused.value.problems]
    assert found == ["sasl.username", "sasl.password"]


def test_a_user_name_in_a_file_is_shown_and_not_a_secret(read: Load, tmp_path: Path) -> None:
    put(tmp_path / "user", "flights\n")
    put(tmp_path / "password", "hunter-2-hunter\n")
    files = {"sasl.username": "user", "sasl.password": "password"}
    changes = {"kafka.property_files": files, "kafka.properties": {"security.protocol": "SASL_SSL"}}
    kafka = read(changes).settings.kafka
    consumer_properties(kafka, BatchSettings())
    assert redaction.redact("topic flights, hunter-2-hunter") == f"topic flights, {redaction.MASK}"
    assert "User:flights" in Denials(kafka).text(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))


@pytest.mark.parametrize(
    ("changes", "where", "expected"),
    [
        ({"kafka.property_files": {"acks": "f"}}, "kafka.property_files.acks", "refused: always all"),
        ({"kafka.property_files": {"retries": "f"}}, "kafka.property_files.retries", "refused in a file"),
        ({"kafka.property_files": {"isolation.level": "f"}}, "kafka.property_files.isolation", "refused in a file"),
        (
            {"kafka.property_files": {"sasl.password": "f"}, "kafka.properties": {"sasl.password": "s3cret"}},
            "kafka.property_files",
            "expected sasl.password here or in kafka.properties, not in both",
        ),
    ],
)
def test_invalid_settings_are_reported(
    problems: Problems, changes: dict[str, object], where: str, expected: str
) -> None:
    (problem,) = problems(changes)
    assert problem.where.startswith(where)
    assert problem.expected.startswith(expected)
    assert "s3cret" not in str(problem)


def test_new_clients_are_due_once_a_change_is_stable_and_usable(read: Load, tmp_path: Path) -> None:
    seconds = [0.0]
    put(tmp_path / "batch", "1000")
    kafka = read(
        {"kafka.property_files": {"batch.num.messages": "batch", "queued.min.messages": "least"}}
    ).settings.kafka
    put(tmp_path / "least", "10")
    renewal = Renewal(kafka, BatchSettings(), clock=lambda: seconds[0])

    def due() -> bool:
        seconds[0] += LOOK_SECONDS
        return renewal.due()

    assert not due()
    put(tmp_path / "least", "no number")
    assert [due(), due(), due()] == [False, False, False]
    put(tmp_path / "least", "20")
    assert [due(), due(), due()] == [False, True, True]
    renewal.done()
    assert not due()
    (tmp_path / "least").unlink()
    assert [due(), due(), due()] == [False, False, False]
    put(tmp_path / "least", "20")
    assert [due(), due()] == [False, True]
