"""A share of the fuzzing, and whether it would see what it looks for."""

import faulthandler
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.avro.program.reading import Fault
from scorer.batch import Kind, Records
from tests.fuzz import chunk
from tests.fuzz.__main__ import main
from tests.fuzz.decoding import Decoded, Watched
from tests.fuzz.disagreements import explanations
from tests.fuzz.mutations import EDIT, MOST_EDITS, Choices, Edit, choices, mutants, pooled
from tests.fuzz.oracle import halfway
from tests.fuzz.report import unseen
from tests.fuzz.runner import Plan, alone
from tests.fuzz.totals import Totals

# A framing's fault comes first, and the decoder of the stream has no other limit than the bytes of a value.
RARE = {"TOO_LARGE"}
VALUES = [b"\x02abcdef", b"\x04ghijklmnop"]


def test_a_share_of_mutants_is_decoded_as_the_oracles_say() -> None:
    totals = chunk.run(seed=2, number=0, families=3, share=20)
    assert totals.findings == []
    assert totals.mutants == 3 * chunk.FAMILY
    assert 0 < totals.accepted < totals.mutants
    assert abs(totals.compared - totals.mutants / 20) < 20
    assert totals.disagreements.keys() <= explanations().keys()


@pytest.mark.prove
def test_two_million_mutants(tmp_path: Path) -> None:
    page, state = tmp_path / "fuzz.md", tmp_path / "state.jsonl"
    words = ["--mutants", "2000000", "--seed", "3", "--share", "100", "--page", str(page), "--state", str(state)]
    assert main(words) == 0, page.read_text()
    totals = Totals()
    for line in state.read_text().splitlines():
        found = json.loads(line)
        del found["chunk"]
        totals.add(Totals.of_json(found))
    assert totals.mutants >= 2_000_000
    assert unseen(totals) <= RARE
    assert f"| mutants | {totals.mutants:,} |" in page.read_text()


def test_the_same_seed_makes_the_same_mutants() -> None:
    one, other = (chunk.run(seed=5, number=1, families=1, share=500).to_json() for _ in range(2))
    for each in (one, other):
        del each["seconds"], each["slowest"], each["peak"]
    assert one == other
    assert chunk.run(seed=5, number=2, families=1, share=500).verdicts != one["verdicts"]


def edited(kind: Edit, header: int = 0) -> list[tuple[bytes, bytes]]:
    """What mutants are made of, and what they become by one edit."""
    weights = np.zeros(len(Edit))
    weights[kind] = 1
    chosen = choices(np.random.default_rng(1), 300, len(VALUES), weights)
    chosen.edits[:, 1:, EDIT] = Edit.NONE
    made = mutants(pooled(VALUES), chosen, header)
    starts = [0, *made.ends[:-1].tolist()]
    after = [made.data[start:end].tobytes() for start, end in zip(starts, made.ends.tolist(), strict=True)]
    return [(VALUES[which], value) for which, value in zip(chosen.values[:, 0].tolist(), after, strict=True)]


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        (Edit.FLIP, lambda old, new: len(new) == len(old) and bits(old, new) <= 1),
        (Edit.TRUNCATE, lambda old, new: old.startswith(new)),
        (Edit.NOISE, lambda old, new: -2 < len(new) - len(old) <= 4),
        (Edit.HOSTILE, lambda old, new: -3 < len(new) - len(old) <= 20),
        (Edit.DROP, lambda old, new: 0 <= len(old) - len(new) <= 4),
        (Edit.REPEAT, lambda old, new: len(new) >= len(old) and set(new) == set(old)),
        (Edit.SPLICE, lambda old, new: any(spliced(old, new, at) for at in range(len(old) + 1))),
        (Edit.APPEND, lambda old, new: new[:-1] == old),
    ],
)
def test_each_edit_does_what_it_says(kind: Edit, holds: Callable[[bytes, bytes], bool]) -> None:
    pairs = edited(kind)
    assert all(holds(old, new) for old, new in pairs)
    assert sum(old != new for old, new in pairs) > len(pairs) / 2


def spliced(old: bytes, new: bytes, at: int) -> bool:
    """Whether a value goes on, from a place, as one of the values ends."""
    return new.startswith(old[:at]) and any(value.endswith(new[at:]) for value in VALUES)


def bits(one: bytes, other: bytes) -> int:
    return sum((first ^ second).bit_count() for first, second in zip(one, other, strict=True))


def test_an_edit_of_the_framing_stays_there() -> None:
    assert all(old[2:] == new[2:] for old, new in edited(Edit.HEADER, header=2))
    behind = [old[:2] == new[:2] for old, new in edited(Edit.HOSTILE, header=2)]
    assert 0.8 < sum(behind) / len(behind) < 1


def test_no_edit_leaves_a_value_as_it_is() -> None:
    edits = np.zeros((2, MOST_EDITS, 4), np.int64)
    made = mutants(pooled(VALUES), Choices(np.array([[1, 0], [0, 1]]), edits), 0)
    assert made.data.tobytes() == VALUES[1] + VALUES[0]


def wrong_value(decoded: Decoded) -> None:
    """One too many in every number."""
    for column in decoded.events.columns.values():
        if column.field.kind == Kind.INTEGER:
            column.values[:] = column.values.astype(np.int64) + 1


def wrong_null(decoded: Decoded) -> None:
    for column in decoded.events.columns.values():
        column.null[decoded.faults == 0] = True


def kept_value(decoded: Decoded) -> None:
    for column in decoded.events.columns.values():
        column.null[:] = False


def accepted(decoded: Decoded) -> None:
    decoded.faults[decoded.faults == Fault.TRAILING] = 0


def rejected(decoded: Decoded) -> None:
    decoded.faults[np.flatnonzero(decoded.faults == 0)[::2]] = Fault.NOT_BOOLEAN


def other_reason(decoded: Decoded) -> None:
    decoded.faults[decoded.faults == Fault.TRUNCATED] = Fault.WIDE_INT


@pytest.mark.parametrize("plant", [wrong_value, wrong_null, kept_value, accepted, rejected, other_reason])
def test_what_is_wrong_is_found(plant: Callable[[Decoded], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(self: Watched, records: Records) -> Decoded:
        decoded = honest(self, records)
        plant(decoded)
        return decoded

    honest = Watched.watch
    monkeypatch.setattr(Watched, "watch", watch)
    assert chunk.run(seed=2, number=0, families=6, share=20).findings


@pytest.mark.parametrize(
    ("single", "double", "is_so"),
    [
        (9.223371487098962e18, float(9223371761976868863), True),
        (9.223371487098962e18, float(9223371761976868863 - 2**20), False),
        (9.22337093734314e18, float(9223371761976868863), False),
        (1.5, 1.75, False),
        (None, 1.0, False),
    ],
)
def test_a_float_that_was_rounded_twice_is_known(single: Any, double: float, is_so: bool) -> None:  # noqa: FBT001  by name
    assert halfway(single, double) == is_so


def crash(*_: object) -> Totals:
    faulthandler.disable()  # which would tell of it
    os.kill(os.getpid(), signal.SIGSEGV)
    return Totals()


def hang(*_: object) -> Totals:
    while True:
        time.sleep(1)


def grow(*_: object) -> Totals:
    return Totals(mutants=len(bytearray(2**31)))


def fail(*_: object) -> Totals:
    raise KeyError("odd")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (crash, "its process ended with -11"),
        (hang, "no end after 2 s"),
        (grow, "MemoryError"),
        (fail, "KeyError: 'odd'"),
    ],
)
def test_a_process_that_ends_badly_is_a_finding(
    how: Callable[..., Totals], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "run", how)
    totals = alone(get_context("fork"), Plan(1, seconds=2), 4)
    assert [each for each in totals.findings if said in each and "chunk 4" in each], totals.findings


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def run(plan: Plan, numbers: Sequence[int], jobs: int) -> Any:
        ran.extend(numbers)
        return ((number, Totals(mutants=plan.mutants)) for number in numbers if number < 2 or jobs == 2)

    monkeypatch.setattr("tests.fuzz.__main__.run", run)
    words = ["--mutants", str(3 * Plan(1).mutants), "--page", str(tmp_path / "page.md"), "--state"]
    words.append(str(tmp_path / "state"))
    assert main(words) == 0
    assert main([*words, "--jobs", "2"]) == 0
    assert ran == [0, 1, 2, 2]
    assert f"{3 * Plan(1).mutants:,} mutants of encoded events" in (tmp_path / "page.md").read_text()
