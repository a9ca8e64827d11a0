"""Settings of a server without a stream: the group `kafka` may be left out, and whoever needs it says so."""

import pytest

from scorer.errors import Misconfigured
from scorer.settings import mask
from tests.settings.conftest import Load, Problems, changed

SERVE = "events: {schema: a.avsc}\nmodel: {path: models/m}\n"


@pytest.mark.parametrize("group", ["serve: {}", "serve: {port: 0}", "kafka: null"])
def test_a_server_needs_no_kafka(read: Load, group: str) -> None:
    loaded = read(f"{SERVE}{group}\n")
    assert loaded.settings.stream is None
    assert mask(loaded.settings)["kafka"] is None
    with pytest.raises(Misconfigured, match="kafka: missing; expected a group: only `scorer serve` does without"):
        _ = loaded.settings.kafka


def test_kafka_may_stand_beside_the_server(read: Load) -> None:
    assert read(changed({"serve.port": 0})).settings.kafka.group_id


def test_kafka_is_whole_or_not_there(problems: Problems) -> None:
    found = problems(f"{SERVE}serve: {{}}\nkafka: {{group_id: g}}\n")
    assert [problem.where for problem in found][:2] == ["kafka.bootstrap_servers", "kafka.input_topics"]


def test_one_token_is_enough(problems: Problems) -> None:
    (problem,) = problems({"serve.token": "a", "serve.token_file": "b"})
    assert problem.expected == "expected serve.token or serve.token_file, not both"
