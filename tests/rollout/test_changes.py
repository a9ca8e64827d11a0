"""The changes of a roll-out state, and the history, as pure functions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer import rollout
from scorer.errors import Misconfigured
from scorer.rollout import Canary, Change, Ensemble, Guards, Held, Log, Shadow, State, Window
from scorer.rollout.changes import champions, promote, restored
from scorer.rollout.file import read_file, write_file
from scorer.rollout.history import read_change
from scorer.rollout.state import read_state

VERSIONS = st.sampled_from(["1", "2", "3", "1e3", "no", "über 4"])
ENSEMBLES = st.sampled_from(["both", "x: y"])
NAMES = st.one_of(VERSIONS, ENSEMBLES)
COMMANDS = st.one_of(
    st.tuples(st.just("promote"), NAMES),
    st.tuples(st.just("canary"), NAMES, st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)),
    st.tuples(st.just("shadow"), NAMES, st.sampled_from([0.0, 0.25, 1.0])),
    st.tuples(
        st.just("ensemble"), ENSEMBLES, st.lists(VERSIONS, min_size=2, max_size=3), st.sampled_from(["mean", "rank"])
    ),
    st.tuples(st.just("disband"), ENSEMBLES),
    st.tuples(st.just("rollback")),
)
FIRST = State(champion="1")


class Desk:
    """Makes changes as commands do."""

    def __init__(self) -> None:
        self.held = Held()

    def do(self, action: str, *words: object) -> bool:
        before = self.held.state or FIRST
        try:
            if action == "rollback":
                after = rollout.rollback(before, self.held.history)
            else:
                after = getattr(rollout, action)(before, *words)
        except Misconfigured:
            return False
        change = self.held.next(action, after, before, by="somebody@here", why="why not")
        self.held = Held(after, (*self.held.history, change))
        return True

    @property
    def state(self) -> State:
        assert self.held.state
        return self.held.state


@given(st.lists(COMMANDS, max_size=8))
def test_whatever_is_done_leaves_a_valid_state_that_can_be_written_and_read(
    commands: list[tuple[str, object]],
) -> None:
    desk = Desk()
    for command in commands:
        desk.do(*command)
        state = desk.held.state
        if state is None:
            continue
        assert read_state(json.loads(json.dumps(state.document())), "x") == state
        assert sum(each.hundredths for each in state.canaries) <= 10_000
        assert state.champion not in {each.version for each in state.canaries}
    if desk.held.state:
        again = read_file(write_file(desk.held.state, desk.held.history).encode(), "rollout.yaml")
        assert (again.state, again.history) == (desk.held.state, desk.held.history)
    assert [change.revision for change in desk.held.history] == list(range(1, len(desk.held.history) + 1))
    assert all(one.after == two.before for one, two in zip(desk.held.history, desk.held.history[1:], strict=False))


def test_a_promoted_canary_is_the_champion_and_nothing_else() -> None:
    desk = Desk()
    assert desk.do("canary", "2", 1.0)
    assert desk.do("canary", "3", 5.0)
    assert desk.do("shadow", "2", 1.0)
    assert desk.do("promote", "2")
    assert desk.state == State(champion="2", canaries=(Canary(version="3", percent=5.0, salt="3"),))
    assert str(desk.state) == "2, canary 3 at 5%"


def test_a_canary_keeps_its_salt_while_its_share_grows() -> None:
    desk = Desk()
    desk.do("canary", "2", 1.0, "mine")
    desk.do("canary", "2", 25.0)
    assert desk.state.canaries == (Canary(version="2", percent=25.0, salt="mine"),)
    desk.do("canary", "2", 0.0)
    assert desk.state == FIRST


def test_rollback_withdraws_canaries_first_then_goes_back_champion_by_champion() -> None:
    desk = Desk()
    for version in ("2", "3"):
        desk.do("canary", version, 10.0)
        desk.do("promote", version)
    desk.do("canary", "4", 10.0)
    assert [desk.do("rollback") and desk.state.champion for _ in range(4)] == ["3", "2", "1", False]
    assert desk.state == FIRST
    desk.do("promote", "5")
    assert champions(desk.held.history) == ["1", "5"], "what was rolled back is never gone back to"


def test_a_revision_is_restored_exactly() -> None:
    desk = Desk()
    desk.do("canary", "2", 10.0)
    canary = desk.state
    desk.do("promote", "2")
    assert restored(desk.held.history, 1) == canary
    assert restored(desk.held.history, 0) == FIRST
    with pytest.raises(Misconfigured, match="no revision 3; there are 0 to 2"):
        restored(desk.held.history, 3)


def test_an_ensemble_is_used_like_a_version_and_never_changes() -> None:
    desk = Desk()
    assert desk.do("ensemble", "both", ["2", "3"], "mean", [0.7, 0.3])
    assert str(desk.state) == "1, ensemble both: mean of 2 (0.7) and 3 (0.3)"
    versions = [desk.state.versions]
    assert desk.do("canary", "both", 1.0)
    versions.append(desk.state.versions)
    assert versions == [("1",), ("1", "2", "3")], "without a role, nothing of it is loaded"
    assert desk.do("promote", "both")
    assert (desk.state.champion, desk.state.versions) == ("both", ("2", "3"))
    assert not desk.do("ensemble", "both", ["2", "4"]), "it would mean two things in predictions"
    assert not desk.do("disband", "both"), "it scores events"
    assert desk.do("promote", "4")
    assert desk.do("disband", "both")
    assert desk.state == State(champion="4")
    assert desk.do("rollback")
    assert desk.state.versions == ("2", "3"), "the ensemble that was removed is there again"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("ensemble", "both", ["2", "9"]),
            "there is an ensemble 'both' already: mean of 2 and 3; an ensemble does not",
        ),
        (("ensemble", "more", ["2", "both"]), "models ensemble: ensembles[more]: 'both' is an ensemble"),
        (("ensemble", "one", ["2"]), "versions"),
        (("disband", "none"), "models ensemble: there is no ensemble 'none'; ensembles: both"),
        (("disband", "both"), "'both' scores events: the state is 1, shadow both of 1"),
    ],
)
def test_impossible_ensembles_are_refused(command: tuple[str, ...], words: str) -> None:
    action, *rest = command
    both = Ensemble(versions=("2", "3"))
    state = State(champion="1", shadows=(Shadow(version="both"),), ensembles={"both": both})
    with pytest.raises(Misconfigured) as refused:
        getattr(rollout, action)(state, *rest)
    assert words in str(refused.value)


def test_a_state_without_ensembles_can_be_read_by_an_earlier_version() -> None:
    assert "ensembles" not in FIRST.document()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("promote", "1"), "models promote: version '1' is the champion already"),
        (("canary", "1", 5.0), "models canary: version '1' is the champion; a canary is another version"),
        (("canary", "3", 0.0), "models canary: version '3' is no canary; canaries: 2"),
        (("canary", "3", 60.0), "the canaries have 110 percent together; expected at most 100"),
        (("canary", "2", 50.0), "models canary: that is the state already"),
        (("shadow", "9", 0.0), "models shadow: version '9' is no shadow; there are no shadows"),
    ],
)
def test_impossible_options_are_refused(command: tuple[str, ...], words: str) -> None:
    action, *rest = command
    state = State(champion="1", canaries=(Canary(version="2", percent=50, salt="2"),))
    with pytest.raises(Misconfigured) as refused:
        getattr(rollout, action)(state, *rest)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "r.yaml: the key 'champion' is missing; expected keys: champion, canaries, shadows, guards, ensembles"),
        ({"champion": 2}, "r.yaml: champion: found 2; expected text, in quotes if it looks like something else"),
        ({"champoin": "2"}, "unknown key 'champoin'; did you mean 'champion'?"),
        (
            {"champion": "1", "guards": {"pis": 1}},
            "r.yaml: guards: pis: unknown key 'pis'; did you mean 'psi'?",
        ),
        ({"champion": "1", "ensembles": {"a": {}}}, "r.yaml: ensembles[a]: the key 'versions' is missing"),
        ({"champion": "1", "ensembles": {"a": {"versions": ["2"]}}}, "r.yaml: ensembles[a].versions: found ['2']"),
        ({"champion": "1", "ensembles": {"a": {"versions": ["2", 3]}}}, "r.yaml: ensembles[a].versions.1: found 3"),
        ({"champion": "1", "ensembles": {"a": {"versions": ["2", "2"]}}}, "ensembles[a]: a version is named twice"),
        (
            {"champion": "1", "ensembles": {"a": {"versions": ["2", "3"], "weights": [1.0]}}},
            "r.yaml: ensembles[a]: 1 weights for 2 versions; expected one for each version, or none",
        ),
        ({"champion": "1", "ensembles": {"a": {"versions": ["2", "3"], "weights": [1, 0]}}}, "[a].weights.1: found 0"),
        ({"champion": "1", "ensembles": {"a": {"versions": ["2", "3"], "combine": "max"}}}, "[a].combine: found 'max'"),
        (
            {"champion": "1", "ensembles": {"a": {"versions": ["2", "3"]}, "b": {"versions": ["2", "a"]}}},
            "r.yaml: ensembles[b]: 'a' is an ensemble; expected versions",
        ),
        (
            {"champion": "1", "canaries": [{"version": "2", "percnt": 1.0, "salt": "2"}]},
            "r.yaml: canaries[0].percnt: unknown key 'percnt'; did you mean 'percent'?",
        ),
        ({"champion": "1", "canaries": [{"version": "2", "percent": 1.005, "salt": "2"}]}, "at most two decimals"),
        ({"champion": "1", "canaries": [{"version": "2", "percent": 0.0, "salt": "2"}]}, "canaries[0].percent"),
        ({"champion": "1", "canaries": [{"version": "1", "percent": 1.0, "salt": "1"}]}, "version '1' has two roles"),
        ({"champion": "1", "shadows": [{"version": "2"}, {"version": "2"}]}, "duplicate version '2'"),
        ([], "r.yaml: found []; expected a mapping of keys to values"),
    ],
)
def test_a_wrong_document_says_what_and_where(document: object, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_state(document, "r.yaml")
    assert words in str(refused.value)


def test_parts_of_later_versions_may_stand_empty() -> None:
    assert read_state({"champion": "1", "ensembles": {}}, "x") == FIRST


def test_guards_have_defaults_and_null_is_off() -> None:
    assert read_state({"champion": "1", "guards": None}, "x") == FIRST
    assert read_state({"champion": "1", "guards": {}}, "x").guards == Guards()
    found = read_state({"champion": "1", "guards": {"psi": None, "latency": 2, "window": {"events": 5_000}}}, "x")
    assert found.guards == Guards(psi=None, latency=2.0, window=Window(events=5_000))
    assert read_state(found.document(), "x") == found
    assert "guards" not in FIRST.document(), "a version without guards can read it"
    assert promote(found, "2").guards == found.guards


def test_a_state_written_by_hand_needs_no_history() -> None:
    held = read_file(b"champion: '2'\nshadows: [{version: '3'}]\n", "rollout.yaml")
    assert held.state == State(champion="2", shadows=(Shadow(version="3"),))
    assert held.history == ()


def record(held: Held, state: State) -> Change:
    return held.next("promote", state, held.state or FIRST, by="a@b")


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_every_reader_agrees_and_of_changes_at_the_same_time_one_counts(steps: list[tuple[int, bool]]) -> None:
    """Writers read at any time and append at any later time; readers begin at the first record, and agree."""
    log: list[bytes] = []
    views = [Held() for _ in range(4)]
    counted: list[str] = []
    writer = Log("m")
    for number, (who, reads) in enumerate(steps):
        if reads:
            views[who] = reader(log).held
            continue
        change = record(views[who], State(champion=f"v{number}"))
        log.append(writer.record(change))
        follows_the_last = change.base == (counted[-1] if counted else "")
        assert (change.id in {each.id for each in reader(log).held.history}) == follows_the_last
        counted += [change.id] * follows_the_last
    assert [change.id for change in reader(log).held.history] == counted
    noisy = [piece for each in log for piece in (b"garbage", each, each, b"{}", None)]
    assert reader(noisy).held == reader(log).held, "what is no change, and what stands twice, changes nothing"


def reader(log: list[bytes] | list[bytes | None], model: str = "m") -> Log:
    read = Log(model)
    for value in log:
        read.read(value)
    return read


@pytest.mark.parametrize("value", [b"[" * 100_000, b'{"model": ' * 100_000, b"9" * 5_000, b"\xff"])
def test_a_record_that_is_no_json_changes_nothing(value: bytes) -> None:
    log = Log("m")
    assert not log.read(value)
    assert log.held == Held()


def test_a_change_whose_number_cannot_be_counted_on_is_named() -> None:
    log = Log("m")
    change = json.loads(log.record(log.held.next("promote", State(champion="2"), State(champion="1"), by="a@b")))
    assert log.read(json.dumps(change | {"revision": 10**4_299}).encode())
    assert "revision" in log.held.problem


def test_models_share_a_log() -> None:
    one, other = record(Held(), State(champion="2")), record(Held(), State(champion="9"))
    log = [Log("m").record(one), Log("n").record(other)]
    states = [reader(log, model).held.state for model in "mn"]
    assert states == [State(champion="2"), State(champion="9")]


def test_a_state_of_a_later_version_counts_and_is_named_while_the_old_one_stays() -> None:
    first = record(Held(), State(champion="2"))
    log = [Log("m").record(first)]
    later = json.loads(log[0]) | {"id": "later", "base": first.id, "revision": 2}
    later["after"] = {"champion": "3", "quotas": {"2": 10}}
    log.append(json.dumps(later).encode())
    held = reader(log).held
    assert held.state == State(champion="2")
    assert "unknown key 'quotas'" in held.problem
    stale = record(reader(log[:1]).held, State(champion="4"))
    assert reader([*log, Log("m").record(stale)]).held == held, "it does not follow the last change"


def test_a_change_reads_as_it_was_written() -> None:
    change = record(Held(), State(champion="2", canaries=(Canary(version="3", percent=0.01, salt="s"),)))
    assert read_change(json.loads(json.dumps(change.document())), "x") == change
