"""Random faults from a seed, in both modes of delivery: nothing wrong may be found where something could have been."""

from pathlib import Path

import pytest

from tests.torture.checker import tell
from tests.torture.torture import prepared

PATIENCE = 6  # times the wanted time, for a run on a slow machine to become convincing


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_nothing_is_lost_doubled_or_reordered_whatever_is_done(
    tmp_path: Path, delivery: str, seed: int, request: pytest.FixtureRequest
) -> None:
    wanted: float = request.config.getoption("--torture-seconds")
    with prepared(tmp_path, delivery, seed) as torture:
        try:
            totals = torture.run(lambda run: run.convincing and run.seconds > wanted, PATIENCE * wanted)
        finally:
            print(f"seed {seed}, {delivery}", *torture.journal, sep="\n")  # noqa: T201  shown where it fails
    assert not totals.found, tell(totals.found)
    assert torture.convincing, f"could not have failed: {totals}"
    assert totals.aborted if delivery == "exactly-once" else totals.repeated, f"could not have failed: {totals}"
