"""The checker finds each kind of error in a history that is otherwise correct."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.torture.checker import History, Kind, Output, Place, Sample, check, tell, uid

MODEL = "fraud 1"
PARTITIONS, EVENTS = 2, 6
BAD = (1, 4)  # the only input that is not an event
NUMBERS: dict[Place, int] = {(p, o): 100 * p + o for p in range(PARTITIONS) for o in range(EVENTS)}


def output(place: Place, offset: int, **changed: Any) -> Output:
    """Return the output of an input."""
    dead = place == BAD
    made = Output(dead, 0, offset, place, uid(NUMBERS[place]), MODEL, float("nan") if dead else NUMBERS[place] / 7)
    return made._replace(**changed)


def right(*repeats: Place) -> History:
    """Return a correct history: both partitions in one output partition, with some repeats at the end."""
    outputs = [output(place, index) for index, place in enumerate(sorted(NUMBERS, key=lambda place: place[::-1]))]
    outputs += [output(place, len(outputs) + index) for index, place in enumerate(repeats)]
    ends = {(dead, 0): len(outputs) for dead in (False, True)}
    return History(
        acknowledged=NUMBERS,
        inputs=NUMBERS,
        scores={place: number / 7 for place, number in NUMBERS.items() if place != BAD},
        model=MODEL,
        outputs=outputs,
        samples=[Sample({0: 0, 1: 0}, {(False, 0): 0, (True, 0): 0}), Sample(dict.fromkeys((0, 1), EVENTS), ends)],
        repeats_allowed=len(repeats),
    )


def with_output(history: History, index: int, **changed: Any) -> History:
    outputs = list(history.outputs)
    outputs[index] = outputs[index]._replace(**changed)
    return replace(history, outputs=outputs)


def test_a_correct_history_has_no_findings() -> None:
    assert check(right()) == {}
    assert check(right((0, 4), (1, 4), (0, 5))) == {}


def test_a_write_that_was_never_acknowledged_is_not_an_unknown_record() -> None:
    history = right()
    acknowledged = {place: number for place, number in NUMBERS.items() if place != (0, 3)}
    assert check(replace(history, acknowledged=acknowledged)) == {}


def swapped(history: History) -> History:
    outputs = list(history.outputs)
    outputs[4], outputs[6] = outputs[6], outputs[4]
    return replace(history, outputs=outputs, samples=())


def with_extra_dead_letter(history: History) -> History:
    extra = history.outputs[2]._replace(dead=True, offset=1)
    return replace(history, outputs=[*history.outputs, extra], repeats_allowed=1)


WRONGS: list[tuple[Kind, Callable[[History], History]]] = [
    (Kind.LOST, lambda right: replace(right, outputs=right.outputs[:-1], samples=())),
    (Kind.LOST, lambda right: replace(right, outputs=[one for one in right.outputs if not one.dead], samples=())),
    (Kind.LOST, lambda right: replace(right, acknowledged={**right.acknowledged, (0, 0): 77})),
    (Kind.REPEATED, lambda right: replace(right, outputs=[*right.outputs, right.outputs[-1]])),
    (Kind.UNLIKE, lambda _: replace(with_output(right((0, 1)), -1, partition=3), samples=())),
    (Kind.REORDERED, swapped),
    (Kind.WRONG, lambda right: with_output(right, 0, score=0.5)),
    (Kind.WRONG, lambda right: with_output(right, 0, score=float("nan"))),
    (Kind.WRONG, lambda right: with_output(right, 0, model="fraud 2")),
    (Kind.AHEAD, lambda right: replace(right, samples=[Sample({0: 1, 1: 0}, {(False, 0): 0, (True, 0): 0})])),
    (Kind.BACK, lambda right: replace(right, samples=[*right.samples, Sample({0: 3}, right.samples[-1].ends)])),
]


@pytest.mark.parametrize(("kind", "spoil"), WRONGS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(WRONGS)])
def test_a_single_fault_is_the_only_finding(kind: Kind, spoil: Callable[[History], History]) -> None:
    assert list(check(spoil(right()))) == [kind]


def test_a_prediction_and_a_dead_letter_for_the_same_event_are_found() -> None:
    assert Kind.BOTH in check(with_extra_dead_letter(right()))


@pytest.mark.parametrize("changed", [{"source": (0, 99)}, {"source": (7, 0)}, {"uid": "payment-99"}])
def test_an_output_without_an_input_is_found(changed: dict[str, Any]) -> None:
    history = right()
    stranger = history.outputs[0]._replace(**changed)
    found = check(replace(history, outputs=[*history.outputs, stranger], repeats_allowed=1))
    assert Kind.STRANGER in found


def test_a_repeat_with_another_score_is_found() -> None:
    assert set(check(with_output(right((0, 1)), -1, score=0.5))) == {Kind.UNLIKE, Kind.WRONG}


def test_a_dead_letter_for_a_good_event_or_a_prediction_for_a_bad_one_is_wrong() -> None:
    history = right()
    index = next(index for index, each in enumerate(history.outputs) if each.dead)
    assert set(check(with_output(history, index, dead=False, score=0.5))) == {Kind.WRONG}
    assert set(check(with_output(history, 0, dead=True))) == {Kind.WRONG}


def test_a_repeat_that_restarts_further_back_is_in_order() -> None:
    history = right((0, 1), (0, 2), (1, 0))
    assert Kind.REORDERED not in check(history)


def test_a_write_that_was_refused_may_be_late_and_no_other() -> None:
    late = swapped(right())  # (0, 2) comes after (0, 3)
    assert Kind.REORDERED not in check(replace(late, refusals=[{1: range(6)}, {0: range(2, 3), 1: range(6)}]))
    assert Kind.REORDERED in check(replace(late, refusals=[{0: range(3, 6), 1: range(6)}]))


def test_a_commit_is_compared_with_the_end_offsets_at_its_time() -> None:
    history = right()
    late = Sample({0: 2, 1: 0}, {(False, 0): 2, (True, 0): 0})  # (0, 1) was written third
    assert set(check(replace(history, samples=[late, history.samples[-1]]))) == {Kind.AHEAD}


def test_findings_are_reported_with_examples() -> None:
    found = check(replace(right(), outputs=()))
    assert tell(found).startswith("12 x lost: the input at ")
