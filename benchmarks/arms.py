"""What a canary costs: CPU microseconds of an event by one version alone, and by two that share the events.

The whole score path of a flight is measured in one process, from the bytes of a batch to the bytes of its predictions,
with features from a Redis. The canary has 25% of the keys. It is another copy of the model, with the champion's plan or
with another text of it, which has to be assembled by itself. All take turns, and the last columns are the medians of
what two versions cost beside one in the same round.
"""

import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks import pages
from benchmarks.schemas import NOW, measure, served
from benchmarks.workload import Workload
from scorer.avro import Encoder, unframed
from scorer.batch import Payloads, Records
from scorer.model import repository_at
from scorer.rollout import Canary, State
from scorer.serving.lineup import Lineup
from scorer.serving.serving import Serving, prepare

ROWS = (500, 2_000)
BATCHES = 10  # in a row, of each turn
SECONDS = 20.0  # of each size of batch
PERCENT = 25.0
SAME, OTHER = "2", "3"  # the canary's plan
TITLES = ("alone", "canary, same plan", "canary, other plan", "same beside alone", "other beside alone")


def records_of(flights: Workload, rows: int) -> Records:
    """Return a batch of flights, each with its id as its key."""
    events = [flights.event(number) for number in range(rows)]
    batch = Records.of([body for _, body in events])
    keys = [key for key, _ in events]
    return Records(
        batch.topics, batch.topic, batch.partition, batch.offset, batch.timestamp, keys, batch.data, batch.ends
    )


def add_versions(serving: Serving) -> None:
    """Add the versions of the canaries beside the served one."""
    folder = Path(serving.settings.model.path)
    for version in (SAME, OTHER):
        shutil.copytree(serving.bundle.folder, folder / version)
        (folder / version / "manifest.json").unlink(missing_ok=True)
    plan = folder / OTHER / "plan.yaml"
    plan.write_text(f"# as the champion's\n{plan.read_text()}")


@contextmanager
def scoring(serving: Serving, flights: Workload, rows: int, canary: str | None) -> Iterator[Callable[[], Payloads]]:
    """Give what takes a batch from its bytes to its predictions' bytes, once."""
    champion = serving.version
    state, candidates = State(champion=champion), [serving]
    if canary:
        state = State(champion=champion, canaries=(Canary(version=canary, percent=PERCENT, salt=canary),))
        bundle = repository_at(serving.settings.model.path).find(canary)
        candidates.append(prepare(serving.settings, bundle, serving.schema))
    lineup, records, encoder = Lineup(state, candidates), records_of(flights, rows), Encoder(b"")
    lookups = lineup.lookups()
    assert lookups is not None  # noqa: S101  the workload has features
    decoder, scorer = lineup.decoder(unframed(serving.schema)), lineup.scorer(lookups.fetch)
    try:
        yield lambda: encoder.encode(scorer.score(decoder.decode(records), NOW).predictions)
    finally:
        lookups.close()


def repeated(call: Callable[[], object]) -> Callable[[], None]:
    """Return what scores some batches in a row, as a replica does: its versions stay in the processor's caches."""

    def batches() -> None:
        for _ in range(BATCHES):
            call()

    return batches


def run(console: Console, seconds: float = SECONDS) -> int:
    """Print a table, and return 0."""
    table = pages.table("CPU us an event", *TITLES)
    with served() as (serving, flights):
        add_versions(serving)
        for rows in ROWS:
            console.print(f"batches of {rows:,}", style="dim")
            with ExitStack() as stack:
                calls = [stack.enter_context(scoring(serving, flights, rows, each)) for each in (None, SAME, OTHER)]
                found = measure([repeated(call) for call in calls], rows * BATCHES, seconds)
                table.add_row(f"{rows:,} a batch", *_cells(found))
    pages.output().print(table)
    return 0


def _cells(times: Sequence[Sequence[float]]) -> list[str]:
    alone, *others = times
    ratios = [[each / one for one, each in zip(alone, other, strict=True)] for other in others]
    return [
        *(f"{statistics.median(each):.3f}" for each in times),
        *(f"{statistics.median(each):.3f}" for each in ratios),
    ]
