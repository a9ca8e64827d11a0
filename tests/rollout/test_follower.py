"""The follower loads versions beside the loop: only whole ones are served, and the loop alone switches."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer.errors import Misconfigured
from scorer.replica import follower, pipeline
from scorer.rollout import Canary, Ensemble, Shadow, State
from tests.rollout.versions import Place, add, records

ONE, TWO = State(champion="1"), State(champion="2")
NUMBERS = list(range(200))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.follower.close()


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the follower try again without a pause."""
    monkeypatch.setattr(follower, "RETRY_SECONDS", 0.0)


def test_the_loop_alone_switches_and_what_it_holds_stays_as_it_is(place: Place) -> None:
    add(place.folder, "2")
    before = place.follower.core()
    place.take(TWO)
    assert place.served == ["1"], "nothing changes before the loop asks for the next batch"
    assert place.versions(NUMBERS) == ["2"] * 200
    assert place.served == ["1", "2"]
    held = before.scorer.score(before.decoder.decode(records(NUMBERS)), 0.0).predictions
    assert held.arms == (("1", "champion"),)


@pytest.mark.parametrize("broken", ["golden", "damaged", "absent"])
def test_a_broken_version_is_not_served_until_it_is_mended(
    place: Place, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    if broken != "absent":
        add(place.folder, "2", golden=9.0 if broken == "golden" else None)
    if broken == "damaged":
        (place.folder / "models/fraud/2/model.ubj").write_bytes(b"{}")
    canary = State(champion="1", canaries=(Canary(version="2", percent=50, salt="2"),))
    place.take(canary)
    assert place.versions(NUMBERS) == ["1"] * 200
    assert place.said[-1].startswith("cannot serve 1, canary 2 at 50%: ")
    assert place.said[-1].endswith("; still serving 1")
    model = place.folder / "models/fraud/2"
    if model.exists():
        model.rename(place.folder / "gone")
    add(place.folder, "2")
    place.take(canary)
    assert set(place.versions(NUMBERS)) == {"1", "2"}
    assert place.said[-1] == ""


def test_a_canary_with_other_outputs_than_the_champion_is_not_served(place: Place) -> None:
    add(place.folder, "2", outputs=3)
    place.take(State(champion="1", canaries=(Canary(version="2", percent=50, salt="2"),)))
    assert place.versions(NUMBERS) == ["1"] * 200
    assert "version 2: gives 3 scores for an event, and the champion gives 1" in place.said[-1]


def test_a_state_that_failed_is_tried_again_only_after_a_while(place: Place) -> None:
    place.take(TWO)
    add(place.folder, "2")
    place.take(TWO)
    assert place.versions([1]) == ["1"]


def test_a_replica_that_starts_with_a_broken_canary_serves_the_champion(tmp_path: Path) -> None:
    add(tmp_path, "2", golden=9.0)
    place = Place(tmp_path, State(champion="1", canaries=(Canary(version="2", percent=50, salt="2"),)))
    assert place.versions(NUMBERS) == ["1"] * 200
    assert "serving 1" in place.said[-1]
    with pytest.raises(Misconfigured):
        Place(tmp_path, State(champion="2"))
    place.follower.close()


def test_a_shadow_that_could_not_be_loaded_is_retried_and_keeps_nobody_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    add(place.folder, "2")
    state = State(champion="2", shadows=(Shadow(version="3"), Shadow(version="2")))
    place.take(state)
    core = place.follower.core()
    assert place.versions([1]) == ["2"], "a broken shadow keeps no other version from being served"
    assert len(core.shadows) == 1
    place.take(state)
    assert place.follower.core() is core, "nothing changes while it is broken"
    add(place.folder, "3")
    place.take(state)
    after = place.follower.core()
    assert len(after.shadows) == 2
    assert core.shadows[0] in after.shadows, "the other one goes on"
    assert after.scorer is core.scorer


def test_whatever_is_wrong_with_a_shadow_others_are_served(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    add(place.folder, "2")

    def fail(*_: object) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr(follower, "ShadowArm", fail)
    place.take(State(champion="2", shadows=(Shadow(version="1"),)))
    assert place.versions([1]) == ["2"]


def test_an_ensemble_whose_versions_differ_is_not_served(place: Place) -> None:
    add(place.folder, "2", outputs=3)
    place.take(State(champion="both", ensembles={"both": Ensemble(versions=("1", "2"))}))
    assert place.versions([1]) == ["1"]
    assert "different numbers of scores" in place.said[-1]


def test_a_batch_that_another_core_prepared_is_prepared_again(place: Place) -> None:
    add(place.folder, "2")
    batch = records(NUMBERS)
    before = place.follower.core()
    held = pipeline.InHand(batch, before.scorer.prepare(before.decoder.decode(batch)), before)
    place.take(State(champion="1", canaries=(Canary(version="2", percent=50, salt="2"),)))
    assert held.prepared_by(place.follower.core()) is None
    assert held.prepared_by(before) is held.prepared
