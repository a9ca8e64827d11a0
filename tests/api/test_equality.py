"""Rows given in Python get what the stream publishes for the same events, bit for bit."""

import json
import math
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scorer
from scorer.cli import main
from tests.api.example import ARROW, Stream, row, store, write_example

SAME = ("event_id", "model", "version", "arm", "missing", "degraded")


def milliseconds(least: datetime, most: datetime) -> st.SearchStrategy[datetime]:
    return st.integers(0, (most - least) // timedelta(milliseconds=1)).map(
        lambda number: (least + timedelta(milliseconds=number)).replace(tzinfo=UTC)
    )


TIMES = milliseconds(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001  the zone is added
FLOATS = st.floats() | st.sampled_from([math.nan, math.inf, -0.0, 5e-324, 1.7e308, 3.5e38, 0.1])
FLOATS32 = st.floats(width=32) | st.sampled_from([math.nan, -0.0, 1e-45])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            "sent": st.none() | TIMES,
            "amount": FLOATS,
            "discount": st.none() | FLOATS,
            "small": FLOATS32,
            "pieces": st.none() | st.integers(-(2**31), 2**31 - 1),
            "serial": st.integers(-(2**63), 2**63 - 1),
            "express": st.booleans(),
            "country": st.none() | st.sampled_from(["DE", "Åland", "US", "FR", ""]),
            "size": st.sampled_from(["S", "M", "L"]),
            "price": st.integers(-(10**9) + 1, 10**9 - 1).map(lambda number: Decimal(number).scaleb(-2)),
            "day": st.dates() | st.sampled_from([date(2020, 2, 29), date(1970, 1, 1)]),
            "clock": st.integers(0, 86_399_999).map(
                lambda number: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)).time()
            ),
            "seen": TIMES,
            "photo": st.none() | st.binary(max_size=3),
            "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
            "details": st.none() | st.fixed_dictionaries({"weight": st.none() | FLOATS32, "fragile": st.booleans()}),
        }
    ),
    max_size=20,
)
Rows = list[dict[str, Any]]


def as_dicts(rows: Rows) -> Any:
    return rows


def as_objects(rows: Rows) -> Any:
    return pd.DataFrame(rows, columns=ARROW.names, dtype=object)


def as_arrow(rows: Rows) -> Any:
    return pa.Table.from_pylist(rows, ARROW)


@pytest.mark.parametrize("kind", [as_dicts, as_objects, as_arrow])
@pytest.mark.parametrize("source", ["redis", "mapping"])
def test_every_row_gets_the_score_that_the_stream_publishes(
    tmp_path: Path, redis_url: str, kind: Callable[[Rows], Any], source: str
) -> None:
    config, features = write_example(tmp_path, redis_url), store(redis_url)

    given_features = features if source == "mapping" else None
    with scorer.load(config, features=given_features) as model, closing(Stream(config)) as stream:

        @settings(max_examples=40)
        @given(rows=ROWS)
        def equal(rows: Rows) -> None:
            agree(listed(model.score(kind(rows), errors="null")), stream.answers(rows), rows)

        equal()


@pytest.mark.parametrize("kind", [as_dicts, as_objects, as_arrow])
def test_a_model_with_several_outputs_returns_lists(
    tmp_path: Path, redis_url: str, kind: Callable[[Rows], Any]
) -> None:
    config = write_example(tmp_path, redis_url, classes=3)
    rows = [row(), row(amount=math.nan, details=None), row(amount=1e300), row(country=None, discount=-1.5)]
    with scorer.load(config) as model, closing(Stream(config)) as stream:
        found = listed(model.score(kind(rows), errors="null"))
        assert len(found[0]["score"]) == 3
        agree(found, stream.answers(rows), rows)
        assert len(model.score(kind([]))) == 0


def test_the_score_command_returns_the_same_scores_for_a_file(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config, source = write_example(tmp_path, redis_url), tmp_path / "events.jsonl"
    store(redis_url)
    plain = row() | {"sent": "2020-02-29T10:00:00Z", "price": "1.25", "day": "2020-02-29", "clock": "10:00:00"}
    plain |= {"seen": 1_582_970_400_000, "photo": "aGk=", "amount": "NaN"}
    events = [plain, plain | {"discount": None, "country": "US"}, plain | {"details": None, "serial": -(2**63)}]
    source.write_text("\n".join(map(json.dumps, events)))
    assert main(["score", "-c", str(config), "--input", str(source)]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with scorer.load(config) as model:
        found = model.score(events)
    assert [each["score"] for each in found] == [each["score"] for each in expected]
    assert [each["missing"] for each in found] == [each["missing"] for each in expected]
    assert list(found[0]) == list(expected[0])


def listed(predictions: Any) -> Any:
    """Predictions of any kind as dicts."""
    if isinstance(predictions, pd.DataFrame):
        return [dict(zip(predictions.columns, values, strict=True)) for values in predictions.itertuples(index=False)]
    return predictions.to_pylist() if isinstance(predictions, pa.Table) else predictions


def agree(found: Rows, answers: Sequence[dict[str, Any] | str], rows: Rows) -> None:
    assert len(found) == len(answers)
    for mine, theirs, event in zip(found, answers, rows, strict=True):
        if isinstance(theirs, str):
            assert mine["score"] is None or math.isnan(mine["score"])
            assert mine["reason"] == theirs
            continue
        assert bits(mine["score"]) == bits(theirs["score"])
        assert {name: mine[name] for name in SAME} == {name: theirs[name] for name in SAME}
        if event["sent"] is None:
            assert pd.isna(mine["event_time"])
        else:
            assert mine["event_time"] == theirs["event_time"]


def bits(score: Any) -> bytes:
    numbers = score if isinstance(score, list) else [score]
    return struct.pack(f"<{len(numbers)}d", *numbers)


@pytest.mark.parametrize("kind", [as_dicts, as_objects, as_arrow])
def test_explanations_are_those_of_the_stream(tmp_path: Path, redis_url: str, kind: Callable[[Rows], Any]) -> None:
    config = write_example(tmp_path, redis_url)
    config.write_text(config.read_text() + "predictions: {explain: {top: 4}}\n")
    rows = [row(), row(amount=math.inf), row(details=None, country="US")]
    with scorer.load(config) as model, closing(Stream(config)) as stream:
        found, answers = listed(model.score(kind(rows), errors="null")), stream.answers(rows)
        assert [each["explanation"] is None for each in found] == [False, True, False]
        for each, answer in zip(found, answers, strict=True):
            assert isinstance(answer, str) or list(each["explanation"]) == answer["explanation"]
        assert len(found[0]["explanation"]) == 4
    with scorer.load(config, explain=1) as model:
        (only,) = listed(model.score(kind(rows[:1])))
        assert list(only["explanation"]) == list(found[0]["explanation"])[:1]
    with pytest.raises(scorer.Misconfigured, match="explain: 0 columns"):
        scorer.load(config, explain=0)
