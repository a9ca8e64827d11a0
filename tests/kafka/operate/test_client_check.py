import pytest

from scorer.kafka import membership_concerns, property_problems
from scorer.settings import BatchSettings
from tests.kafka.conftest import settings

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("session_timeout_ms", "soon", 'Invalid value for configuration property "session.timeout.ms"'),
        ("compression_type", "zip", 'Invalid value "zip" for configuration property "compression.codec"'),
        ("ssl_ca_location", "/no/ca.pem", "ssl.ca.location"),
        ("sesion_timeout_ms", "6000", 'No such configuration property: "sesion.timeout.ms"'),
    ],
)
def test_a_wrong_property_of_any_client_is_reported(name: str, value: str, said: str) -> None:
    given = {name: value, "security_protocol": "ssl"}
    (problem,) = property_problems(settings(NOWHERE, **given), BatchSettings())
    assert said in problem.what


def test_problems_of_both_clients_are_reported_together(capfd: pytest.CaptureFixture[str]) -> None:
    problems = property_problems(settings(NOWHERE, session_timeout_ms="x", linger_ms="y"), BatchSettings())
    assert [("session.timeout.ms" in each.what, "queue.buffering" in each.what) for each in problems] == [
        (True, False),
        (False, True),
    ]
    assert property_problems(settings(NOWHERE, linger_ms="5", session_timeout_ms="6000"), BatchSettings()) == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_properties_are_checked_for_the_chosen_delivery(delivery: str) -> None:
    chosen = settings(NOWHERE, transaction_timeout_ms="5000").model_copy(update={"delivery": delivery})
    assert property_problems(chosen, BatchSettings()) == []


def test_a_static_member_of_the_consumer_protocol_is_a_concern() -> None:
    consumer, classic = settings(NOWHERE, group_protocol="consumer"), settings(NOWHERE)
    static = {"instance_id": "replica-1"}
    assert membership_concerns(consumer) == membership_concerns(classic.model_copy(update=static)) == []
    (concern,) = membership_concerns(consumer.model_copy(update=static))
    assert "kafka.instance_id=replica-1 with group.protocol=consumer" in concern
