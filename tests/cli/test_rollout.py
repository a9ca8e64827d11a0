"""`scorer models promote`, `canary`, `shadow`, `rollback` and `history`, on both homes of the state."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from scorer.cli import main
from scorer.sandbox import Kafka
from tests.cli.test_models import BUNDLE, Workplace, place  # noqa: F401  a fixture

Configure = Callable[..., None]


@pytest.fixture
def configured(place: Workplace) -> Configure:  # noqa: F811  the fixture
    """Add versions 1 to 3, of which 3 is broken, and return what changes settings."""

    def configure(group: str, **settings: Any) -> None:
        document = yaml.safe_load(place.config.read_text())
        document.setdefault(group, {}).update(settings)
        place.config.write_text(yaml.safe_dump(document))

    for version in "123":
        shutil.copytree(BUNDLE, place.models / version)
    (place.models / "3/model.ubj").write_bytes(b"{}")
    configure("model", rollout="file", version="1")
    return configure


def rows(place: Workplace) -> list[tuple[int, str, str, str]]:  # noqa: F811  not the fixture
    changes = place.json("history")["changes"]
    return [(row["revision"], row["action"], row["from"], row["to"]) for row in changes]


def test_a_version_goes_from_canary_to_champion_and_back(place: Workplace, configured: Configure) -> None:  # noqa: F811
    del configured
    first = place.json("canary", "2", "--percent", "1", "--why", "better at night")
    assert first["now"] == "1, canary 2 at 1%"
    assert first["canaries"] == [{"version": "2", "percent": 1.0, "salt": "2"}]
    place.run("canary", "2", "--percent", "25")
    assert "2" in place.run("promote", "2")
    listed = {row["version"]: row for row in place.json("list")["versions"]}
    assert [listed[version]["served"] for version in "123"] == [False, True, False]
    assert place.json("rollback")["now"] == "1"
    assert place.json("rollback", "--to", "2")["now"] == "1, canary 2 at 25%"
    assert {row["version"]: row.get("role") for row in place.json("list")["versions"]}["2"] == "canary 25%"
    assert rows(place) == [
        (1, "canary", "1", "1, canary 2 at 1%"),
        (2, "canary", "1, canary 2 at 1%", "1, canary 2 at 25%"),
        (3, "promote", "1, canary 2 at 25%", "2"),
        (4, "rollback", "2", "1"),
        (5, "rollback", "1", "1, canary 2 at 25%"),
    ]
    change = place.json("history")["changes"][0]
    assert change["why"] == "better at night"
    assert "@" in change["by"]
    assert change["when"].endswith("+00:00")


@pytest.mark.parametrize("command", [("promote", "3"), ("canary", "3", "--percent", "1")])
def test_a_broken_version_gets_no_traffic(place: Workplace, configured: Configure, command: tuple[str, ...]) -> None:  # noqa: F811
    del configured
    assert "sha256" in place.run(*command, expect=2)
    assert rows(place) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("canary", "1", "--percent", "1"), "version '1' is the champion; a canary is another version"),
        (("promote", "9"), "no version '9'"),
        (("rollback",), "no champion before version '1'"),
        (("rollback", "--to", "4"), "no revision 4; there are none yet"),
        (("shadow", "2"), "predictions.shadow_topic is not set"),
        (("canary", "2", "--percent", "0"), "version '2' is no canary; there are no canaries"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    place: Workplace,  # noqa: F811
    configured: Configure,
    command: tuple[str, ...],
    words: str,
) -> None:
    del configured
    assert words in place.run(*command, expect=2)
    assert not (place.models / "rollout.yaml").exists()


@pytest.mark.parametrize("percent", ["101", "-1", "0.001", "one", "nan"])
def test_a_percentage_has_two_decimals(place: Workplace, capsys: pytest.CaptureFixture[str], percent: str) -> None:  # noqa: F811
    assert main(["models", "canary", "-c", str(place.config), "2", f"--percent={percent}"]) == 2
    assert percent in capsys.readouterr().err


def test_the_first_change_must_not_promote_the_latest_version_by_chance(
    place: Workplace,  # noqa: F811
    configured: Configure,
) -> None:
    configured("model", version="latest")
    said = place.run("canary", "2", "--percent", "1", expect=2)
    assert "`scorer models promote` that version first" in said
    assert place.json("promote", "1")["now"] == "1"
    assert place.json("canary", "2", "--percent", "1")["now"] == "1, canary 2 at 1%"
    assert "no champion before version '1'" in (place.run("rollback") and place.run("rollback", expect=2))
    assert "already" in place.run("promote", "1", expect=2)


def test_without_a_home_the_commands_say_how_to_have_one(place: Workplace, configured: Configure) -> None:  # noqa: F811
    configured("model", rollout="off")
    said = place.run("promote", "2", expect=2)
    assert "model.rollout: there is no home of a roll-out state; set kafka.control_topic" in said


def test_a_file_beside_the_versions_is_found_by_itself(place: Workplace, configured: Configure) -> None:  # noqa: F811
    configured("model", rollout=None)
    assert place.json("list")["versions"][0]["served"]
    (place.models / "rollout.yaml").write_text("champion: '2'\n")
    assert [row["served"] for row in place.json("list")["versions"]] == [False, True, False]
    assert "rollout.yaml" in place.json("history")["kept_in"]


def test_a_damaged_file_is_named(place: Workplace, configured: Configure) -> None:  # noqa: F811
    del configured
    (place.models / "rollout.yaml").write_text("champion: 2\nguards: {a: 1}\n")
    said = place.run("promote", "2", expect=2)
    assert "rollout.yaml: champion: found 2" in said
    assert "rollout.yaml: guards: a: unknown key 'a'" in said


def test_the_same_in_a_topic(place: Workplace, configured: Configure, kafka: Kafka, make_topic: Any) -> None:  # noqa: F811
    stem = make_topic("stem")
    configured("kafka", bootstrap_servers=kafka.bootstrap, control_topic=f"{stem}.control", input_topics=[stem])
    configured("model", rollout=None)
    configured("predictions", shadow_topic=f"{stem}.shadow")
    assert "`scorer topics --create` creates a missing kafka.control_topic" in place.run("promote", "2", expect=1)
    capture = place.capture
    assert main(["topics", "-c", str(place.config), "--create"]) == 0
    said = " ".join(capture.readouterr().out.split())
    assert f"{stem}.control roll-out state 1 1" in said
    assert f"{stem}.shadow shadows' predictions 4 1" in said
    place.run("canary", "2", "--percent", "0.5")
    place.run("shadow", "2", "--sample", "0.25")
    assert place.json("promote", "2")["now"] == "2"
    assert place.json("rollback")["now"] == "1"
    assert [row[1] for row in rows(place)] == ["canary", "shadow", "promote", "rollback"]
    assert json.loads(place.run("list", "--json"))["rollout"] == "1"
