"""Random faults from a seed, in both modes of delivery, cause no errors in convincing runs."""

from pathlib import Path

import pytest

from tests.torture.checker import tell
from tests.torture.evidence import totals
from tests.torture.torture import prepared

pytestmark = pytest.mark.prove
PATIENCE = 6  # how many times the requested duration a run may take on a slow machine


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_nothing_is_lost_duplicated_or_reordered_under_any_faults(
    tmp_path: Path, delivery: str, seed: int, request: pytest.FixtureRequest
) -> None:
    wanted: float = request.config.getoption("--torture-seconds")
    with prepared(tmp_path, delivery, seed, print) as run:  # pytest shows the output if the test fails
        seconds = run.run(lambda: run.convincing and run.seconds > wanted, PATIENCE * wanted)
        told = totals(run, seconds)
    assert not told.found, f"seed {seed}, {delivery}: {tell(told.found)}\n{told}"
    assert told.convincing, f"seed {seed}, {delivery}: a run that could not have failed: {told}"
