"""`scorer models guard`, and the guards that a first canary gets."""

from collections.abc import Callable
from typing import Any

import pytest

from scorer.cli import main
from scorer.rollout import Guards
from scorer.sandbox import Kafka
from tests.cli.test_models import Workplace, place  # noqa: F401  a fixture
from tests.cli.test_rollout import configured, rows  # noqa: F401  fixtures

Configure = Callable[..., None]


@pytest.fixture
def in_topic(configured: Configure, kafka: Kafka, make_topic: Any, place: Workplace) -> Configure:  # noqa: F811  fixtures
    stem = make_topic("stem")
    configured("kafka", bootstrap_servers=kafka.bootstrap, control_topic=f"{stem}.control", input_topics=[stem])
    configured("model", rollout=None)
    assert main(["topics", "-c", str(place.config), "--create"]) == 0
    place.capture.readouterr()
    return configured


@pytest.mark.prove
def test_a_first_canary_is_guarded_and_the_limits_can_be_set(place: Workplace, in_topic: Configure) -> None:  # noqa: F811
    del in_topic
    assert place.json("guard")["guards"] == "off"
    assert place.json("canary", "2", "--percent", "1")["guards"] == Guards().document()
    said = place.run("guard")
    assert "window events 100000, window" not in said
    assert "guards  window events 100000, seconds 600.0, least 100, dead letters 0.01, latency 3.0, psi 0.25" in said
    changed = place.json("guard", "--psi", "0.5", "--latency", "off", "--window-events", "5000", "--why", "new scale")
    assert changed["guards"] == Guards().document() | {
        "psi": 0.5,
        "latency": None,
        "window": {"events": 5_000, "seconds": 600.0},
    }
    assert changed["now"] == "1, canary 2 at 1%"
    assert "latency off" in place.run("guard")
    assert place.json("canary", "2", "--percent", "5")["guards"]["psi"] == 0.5
    assert "guards" not in place.json("guard", "--off")
    assert "guards" not in place.json("canary", "2", "--percent", "6"), "it was turned off"
    place.run("rollback")
    assert "guards" not in place.json("canary", "2", "--percent", "1", "--no-guards")
    assert rows(place)[1][3] == "1, canary 2 at 1%, guards window events 5000, seconds 600.0, latency off, psi 0.5"
    assert rows(place)[3][3] == "1, canary 2 at 5%, guards off"
    assert [row[1] for row in rows(place)] == ["canary", "guard", "canary", "guard", "canary", "rollback", "canary"]


WRONG = {
    ("--psi", "0", "--least", "3"): ("models guard: psi: found 0.0", "models guard: least: found 3"),
    ("--window-events", "7"): ("models guard: window.events: found 7",),
    ("--latency", "nan"): ("models guard: latency: found nan",),
}


def test_a_wrong_limit_is_refused(place: Workplace, in_topic: Configure) -> None:  # noqa: F811
    del in_topic
    place.run("promote", "1")
    for options, words in WRONG.items():
        said = place.run("guard", *options, expect=2)
        assert all(each in said for each in words), said
    assert len(rows(place)) == 1


def test_without_a_topic_nothing_is_guarded_and_it_says_so(place: Workplace, configured: Configure) -> None:  # noqa: F811
    del configured
    assert "guards" not in place.json("canary", "2", "--percent", "1")
    said = place.run("guard", "--psi", "0.5", expect=2)
    assert "guards need the roll-out state in a topic" in said
    assert "set kafka.control_topic" in said


def test_guards_in_a_file_are_warned_about(
    place: Workplace,  # noqa: F811
    configured: Configure,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    del configured
    (place.models / "rollout.yaml").write_text("champion: '1'\nguards: {psi: 0.5}\n")
    main(["check", "-c", str(place.config), "--offline"])
    assert "guards do nothing without kafka.control_topic" in " ".join(capsys.readouterr().err.split())
