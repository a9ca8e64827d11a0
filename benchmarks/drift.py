"""What counting for drift costs, how soon a shift is told, and how often nothing is: drift.md has the results.

The cost is measured with rows of 30 columns, in batches as a replica has them, beside scoring the same batches.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

import numba
import numpy as np
import xgboost
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import pages, trees
from benchmarks.outcomes import predicted
from scorer.batch import Matrix, Outcome, Records
from scorer.demo import flights, tables
from scorer.demo.proof import booster_scores
from scorer.demo.train import PLAN_FILE
from scorer.drift import NUMBER, Baseline, Board, Ledger, Limits, Rules, Slice, make_baseline
from scorer.drift.baseline import counted
from scorer.drift.compare import compare
from scorer.drift.slices import BASELINES, COUNTS
from scorer.model import Booster
from scorer.model.xgboost.booster import XGBooster
from scorer.plan import Plan
from scorer.serving.serving import codes_of

COLUMNS, PARTITIONS = 30, 4
BATCHES = 100, 500, 2_000
TIMES = 15
EVENTS = 200_000  # of each measurement
RATE = 10_000  # events a second, of the cost of telling

RUNS = 1_000  # of streams that shift
WINDOW, BASELINE_ROWS, BINS = 1_000, 50_000, 10
STREAM_COLUMNS, STREAM_RATE = 31, 1_000
CHUNK = 100_000  # windows that are drawn at once
LIMITS = Limits(1.0, 3, 4, 0.05)
MONTH = 30 * 86_400

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """A batch as it was written."""

    records: Records
    outcome: Outcome
    next: dict[tuple[str, int], int]


def run(console: Console) -> int:
    """Measure and simulate, print tables, and return 0."""
    out = pages.output()
    out.print(_costs(console))
    out.print(_detection(console))
    out.print(_false_alarms(console))
    for table in _flights(console):
        out.print(table)
    return 0


def _costs(console: Console) -> Table:
    table = Table(box=box.MARKDOWN, title="us of CPU an event")
    for title in ("events in a batch", "off", "counting", "telling", "hearing", "scoring"):
        table.add_column(title, justify="right")
    name = "300 trees of depth 6"
    booster = XGBooster(trees.train(name))
    values = trees.rows(50_000, categorical=False, seed=1)
    scores = booster.score(values).values
    base = make_baseline({f"c{at}": NUMBER for at in range(values.shape[1])}, values, scores)
    for size in BATCHES:
        console.print(f"batches of {size}", style="dim")
        batches = list(_batches(values, scores, size))
        counting = min(_counting(base, batches) for _ in range(TIMES))
        off = min(_nothing(batches) for _ in range(TIMES))
        telling, hearing = _telling(base, batches)
        scoring = min(_scoring(booster, values, size) for _ in range(3))
        table.add_row(f"{size:,}", *(f"{each:.3f}" for each in (off, counting, telling, hearing)), f"{scoring:.2f}")
    return table


def _batches(values: NDArray[np.float32], scores: NDArray[np.float32], size: int) -> Iterator[Batch]:
    ends = dict.fromkeys(range(PARTITIONS), 0)
    for start in range(0, EVENTS, size):
        rows = np.arange(start, start + size) % len(values)
        partition = np.sort(np.arange(size) % PARTITIONS).astype(np.int32)
        first = np.array([ends[each] for each in range(PARTITIONS)])
        shares = np.bincount(partition, minlength=PARTITIONS)
        offset = first[partition] + np.arange(size) - np.concatenate([[0], np.cumsum(shares)[:-1]])[partition]
        ends = {each: int(first[each] + shares[each]) for each in range(PARTITIONS)}
        records = replace(
            Records.numbered(size),
            topics=("in",),
            topic=np.zeros(size, np.int32),
            partition=partition,
            offset=offset.astype(np.int64),
        )
        predictions = predicted(records, scores[rows])
        outcome = Outcome(predictions, [], Matrix(values[rows], predictions.missing), ())
        yield Batch(records, outcome, {("in", each): end for each, end in ends.items()})


def _counting(base: Baseline, batches: list[Batch]) -> float:
    ledger = Ledger()
    ledger.use(base)
    began = time.process_time()
    for batch in batches:
        ledger.written(batch.records, batch.outcome)
        ledger.published(batch.records.generation)
        ledger.confirmed(batch.next)
    return (time.process_time() - began) / EVENTS * 1e6


def _nothing(batches: list[Batch]) -> float:
    began = time.process_time()
    for _ in batches:
        pass
    return (time.process_time() - began) / EVENTS * 1e6


def _telling(base: Baseline, batches: list[Batch]) -> tuple[float, float]:
    """Return the cost of a second's slices at RATE events a second: to tell them, and to hear them."""
    ledger, board = Ledger(), Board(Rules(WINDOW, 300.0, LIMITS))
    ledger.use(base)
    board.heard(BASELINES, base.id, json.loads(base.text()), 0.0)
    told, heard, events = list[float](), list[float](), 0
    for batch in batches:
        ledger.written(batch.records, batch.outcome)
        ledger.confirmed(batch.next)
        events += len(batch.records)
        if events >= RATE / 2:  # slices are told twice a second, if windows are full as often
            began = time.process_time()
            ledger.seal()
            values = [json.dumps(each.document()).encode() for each in ledger.take()]
            between = time.process_time()
            for value in values:
                board.heard(COUNTS, "", json.loads(value), 0.0)
            told.append((between - began) / events)
            heard.append((time.process_time() - between) / events)
            events = 0
    return median(told) * 1e6, median(heard) * 1e6


def _scoring(booster: Booster, values: NDArray[np.float32], size: int) -> float:
    rows = values[:20_000]
    began = time.process_time()
    for start in range(0, len(rows), size):
        booster.score(rows[start : start + size])
    return (time.process_time() - began) / len(rows) * 1e6


def shifted(psi: float, bins: int = BINS) -> Numbers:
    """Return shares of bins that were equal, after a shift of the mean of a normal variable by which PSI is so much."""
    from statistics import NormalDist  # noqa: PLC0415  for this alone

    normal = NormalDist()
    edges = np.array([normal.inv_cdf(each / bins) for each in range(1, bins)])
    low, high = 0.0, 5.0
    for _ in range(100):
        middle = (low + high) / 2
        share = np.diff([0.0, *(normal.cdf(edge - middle) for edge in edges), 1.0])
        found = float(((share - 1 / bins) * np.log(share * bins)).sum())
        low, high = (middle, high) if found < psi else (low, middle)
    return share


def delays(runs: int, psi: float, seed: int = 1) -> NDArray[np.int64]:
    """Return after how many events each of some simulated streams is said to drift.

    A stream of WINDOW events a window, in which one column of STREAM_COLUMNS shifts somewhere within a window.
    """
    draw, after = np.random.default_rng(seed), shifted(psi)
    found = np.full(runs, 10**9)
    alpha = LIMITS.alpha(STREAM_COLUMNS, MONTH * STREAM_RATE / WINDOW)
    limit = LIMITS.limit(alpha, BINS, WINDOW, BASELINE_ROWS)
    baseline = draw.multinomial(BASELINE_ROWS, np.full(BINS, 1 / BINS), runs)
    began = draw.integers(0, WINDOW, runs)  # events of the window before the shift
    above = np.zeros((8, runs), np.bool_)
    for window in range(8):
        before = began if window == 0 else np.zeros(runs, np.int64)
        counts = draw.multinomial(before, np.full(BINS, 1 / BINS)) + draw.multinomial(WINDOW - before, after)
        starts = np.arange(runs + 1) * BINS
        above[window] = compare(starts, counts.ravel(), baseline.ravel()).psi > limit
        last = above[max(0, window - LIMITS.of + 1) : window + 1].sum(axis=0) >= LIMITS.windows
        events = (window + 1) * WINDOW - began
        found = np.where(last & (found == 10**9), events, found)
    return found


def false_alarms(windows: int, limits: Limits = LIMITS, baselines: int = 10, seed: int = 2) -> tuple[int, int]:
    """Return how many alarms begin, and how many windows are above the limit, in a stream without drift.

    Args:
        windows: how many, of WINDOW events, for each of STREAM_COLUMNS columns.
        limits: what is accepted.
        baselines: how often the baseline is drawn anew, in equal parts of the stream.
        seed: of the numbers.
    """
    draw = np.random.default_rng(seed)
    limit = limits.limit(limits.alpha(STREAM_COLUMNS, MONTH * STREAM_RATE / WINDOW), BINS, WINDOW, BASELINE_ROWS)
    share, alarms, above = np.full(BINS, 1 / BINS), 0, 0
    for _ in range(baselines):
        for _ in range(STREAM_COLUMNS):
            base = draw.multinomial(BASELINE_ROWS, share)
            high = _above(draw, windows // baselines, base, limit)
            above += int(high.sum())
            alarms += begun(high, limits)
    return alarms, above


def _above(draw: np.random.Generator, windows: int, base: NDArray[np.int64], limit: float) -> NDArray[np.bool_]:
    """Return which windows of one column without drift are above the limit.

    A kernel draws the windows and leaves out those whose chi-square is below half of the limit: PSI is at most 1.72
    times as large while each bin has at least 30 rows of its 100. The others are judged as the product judges them.
    """
    high = np.zeros(windows, np.bool_)
    for first in range(0, windows, CHUNK):
        many = min(windows - first, CHUNK)
        at, counts = _unusual(draw, many, WINDOW, base / base.sum(), limit / 2)
        if len(at):
            starts = np.arange(len(at) + 1) * BINS
            high[first + at] = compare(starts, counts.ravel(), np.tile(base, len(at))).psi > limit
    return high


@numba.njit()
def _unusual(
    draw: np.random.Generator, windows: int, rows: int, reference: NDArray[np.float64], least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw windows of equally frequent bins; return the numbers [n] and counts [n, bins] of those far from a reference.

    Args:
        draw: gives the numbers.
        windows: how many are drawn.
        rows: of a window.
        reference: the share of each bin [bins].
        least: the smallest chi-square, divided by the rows, of a window that is returned.
    """
    bins = len(reference)
    at, found = np.empty(windows, np.int64), np.empty((windows, bins), np.int64)
    counts, many = np.empty(bins, np.int64), 0
    for window in range(windows):
        left, distance = rows, 0.0
        for each in range(bins):
            counts[each] = draw.binomial(left, 1.0 / (bins - each)) if each < bins - 1 else left
            left -= counts[each]
            distance += (counts[each] / rows - reference[each]) ** 2 / reference[each]
        if distance >= least:
            at[many], found[many] = window, counts
            many += 1
    return at[:many], found[:many]


def begun(high: NDArray[np.bool_], limits: Limits) -> int:
    """Return how many alarms begin in a row of windows, each above the limit or not."""
    sums = np.convolve(high, np.ones(limits.of, np.int64))[: len(high)]
    drifts = sums >= limits.windows
    return int((drifts & ~np.concatenate([[False], drifts[:-1]])).sum())


def _detection(console: Console) -> Table:
    table = Table(box=box.MARKDOWN, title=f"{RUNS:,} streams that shift: events until it is told")
    for title in ("PSI", "median", "99 %", "most", "told within 4,000"):
        table.add_column(title, justify="right")
    for psi in (0.1, 0.2, 0.3):
        console.print(f"streams that shift by a PSI of {psi}", style="dim")
        found = delays(RUNS, psi)
        shares = f"{np.median(found):,.0f}", f"{np.quantile(found, 0.99):,.0f}", f"{found.max():,}"
        table.add_row(f"{psi}", *shares, f"{(found <= 4 * WINDOW).mean():.1%}")
    return table


def _false_alarms(console: Console) -> Table:
    title = f"alarms without drift: {STREAM_RATE:,} events/s, {STREAM_COLUMNS} columns"
    table = Table(box=box.MARKDOWN, title=title)
    for name in ("limit", "months", "windows of a column", "above the limit", "alarms", "alarms a month"):
        table.add_column(name, justify="right")
    cases = {
        "as by default": (LIMITS, 10.0),
        "at_least_psi: 0": (replace(LIMITS, at_least=0.0), 0.1),
        "at_least_psi: 0, 1 of 1": (Limits(1.0, 1, 1, 0.0), 0.1),
        "at_least_psi: 0, 1 of 1, 1,000 a month": (Limits(1_000.0, 1, 1, 0.0), 0.1),
    }
    for name, (limits, months) in cases.items():
        console.print(f"{name}, {months:g} months", style="dim")
        windows = int(months * MONTH * STREAM_RATE / WINDOW)
        alarms, above = false_alarms(windows, limits)
        table.add_row(name, f"{months:g}", f"{windows:,}", f"{above:,}", f"{alarms:,}", f"{alarms / months:,.0f}")
    return table


def _flights(console: Console) -> Iterator[Table]:
    """Yield what is said of the real flights in order of time, by each reference."""
    training, later = flights.split(flights.read())
    loaded = tables.as_loaded(training)
    names, before = tables.matrix(training, tables.found_at_the_time(training))
    _, values = tables.matrix(later, tables.found(later, loaded))
    booster = xgboost.Booster(model_file="models/flight-delays/1/model.ubj")
    codes = codes_of(Plan.load(PLAN_FILE))
    base = make_baseline(codes, before, booster_scores(booster, names, before))
    scores = booster_scores(booster, names, values)
    times = later.scheduled_departure.astype("int64").to_numpy() / 1e9
    for window in (1_000, 10_000):
        table = Table(
            box=box.MARKDOWN, title=f"{len(values):,} flights of September to December, windows of {window:,}"
        )
        for title in ("reference", "windows", "alarms", "columns that drift at the end", "columns that never do"):
            table.add_column(title)
        for reference in ("baseline", "last-windows", "hour-of-week"):
            console.print(f"flights, windows of {window:,}, {reference}", style="dim")
            rules = Rules(window, 1e9, LIMITS, reference)
            alarms, last, every = _said(base, values, scores, times, rules)
            quiet = len(base.columns) + 1 - len(every)
            table.add_row(reference, f"{len(values) // window:,}", f"{alarms:,}", f"{len(last)}", f"{quiet}")
        yield table


def _said(
    base: Baseline, values: NDArray[np.float32], scores: NDArray[np.float32], times: Numbers, rules: Rules
) -> tuple[int, set[str], set[str]]:
    board = Board(rules)
    board.heard(BASELINES, base.id, json.loads(base.text()), 0.0)
    alarms, before, every = 0, set[str](), set[str]()
    for start in range(0, len(values) - rules.events, rules.events):
        end = start + rules.events
        of_scores = counted(base.score_layout, scores[start:end].reshape(-1, 1))
        counts = counted(base.layout, values[start:end])
        found = Slice("in", 0, start, end, rules.events, 0, base.id, counts, {"1/champion": of_scores})
        board.heard(COUNTS, "in/0/1", found.document(), float(times[end - 1]))
        for name, document in list(board.hours.due()):
            board.heard("hours", name, document, 0.0)
        now = {each.column for each in board.alarms}
        alarms += len(now - before)
        before, every = now, every | now
    return alarms, before, every
