"""A training set has each captured row of its time with its last label, and a model trains with it at once."""

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import xgboost

from scorer.avro import Captured
from scorer.cli import main
from scorer.sandbox import Kafka
from tests.labels.world import Flight, Sent, World

DAY = 86_400_000
FROM, TO = "2026-09-21T14:13:20Z", "2026-09-22T14:13:20Z"
BEGIN_MS = 1_790_000_000_000  # the same as FROM


def captured(
    name: str, miles: float, scored_at: int, columns: tuple[str, ...] = ("miles", "seats"), version: str = "1"
) -> bytes:
    (value,) = Captured(
        ids=[name.encode()],
        scores=np.array([0.5], np.float32),
        model="delays",
        arms=[(version, "champion")],
        columns=columns,
        values=np.array([[miles, np.nan]], np.float32),
        sample=0.25,
        places=[("flights", 0, 1)],
        event_time=np.array([1]),
        scored_at=scored_at,
    ).encoded()
    return value


@pytest.fixture
def world(tmp_path: Path, kafka: Kafka) -> World:
    with World(kafka.bootstrap, tmp_path, 2, capture=True) as made:
        return made


def test_rows_get_their_last_label_and_train_a_model(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, chance = world.capture, random.Random(3)  # noqa: S311  a test
    records, expected = list[Sent](), dict[str, tuple[float, float]]()
    for number in range(300):
        name, miles = f"flight-{number}", float(number)
        flight = Flight(world.settings, name, "1", "champion", "JFK")
        inside = number % 10 != 0
        scored_at = BEGIN_MS + chance.randrange(DAY) if inside else BEGIN_MS + chance.choice([-1, DAY])
        if number % 7 == 0:  # captured twice
            records.append(Sent(capture, name.encode(), captured(name, -1.0, scored_at)))
        records.append(Sent(capture, name.encode(), captured(name, miles, scored_at)))
        late = int(number > 150)
        if number % 9 != 0:
            if inside:
                expected[name] = miles, float(late)
            records += [flight.label(20, late), flight.label(19, 1 - late)]
    records += [Sent(capture, b"x", b"no row"), Flight(world.settings, "y", "1", "a", "b").label(1, None)]
    world.send(records)
    file = tmp_path / "train.parquet"
    assert main(["training-set", "-c", str(world.file), "--from", FROM, "--to", TO, "--output", str(file)]) == 0
    table = pyarrow.parquet.read_table(file)
    found = {
        name: (miles, label)
        for name, miles, label in zip(
            *(table[name].to_pylist() for name in ("event_id", "miles", "label")), strict=True
        )
    }
    assert found == expected
    assert table.column_names == ["miles", "seats", "label", "weight", "version", "arm", "time", "event_id"]
    assert set(table["weight"].to_pylist()) == {4.0}
    assert np.isnan(table["seats"].to_numpy()).all()
    said = capsys.readouterr().err
    unlabelled = sum(number % 10 != 0 and number % 9 == 0 for number in range(300))
    assert f"{len(expected):,} rows in {file}; {unlabelled} more have no label" in said
    assert "1 records are no captured rows" in said
    assert "1 labels cannot be used: no-label" in said
    rows = xgboost.DMatrix(
        table.select(["miles", "seats"]).to_pandas(), label=table["label"].to_numpy(), weight=table["weight"].to_numpy()
    )
    booster = xgboost.train({"objective": "binary:logistic"}, rows, 3)
    assert booster.feature_names == ["miles", "seats"]
    assert booster.predict(rows).std() > 0.1


def test_versions_with_different_columns_are_told_apart(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        Sent(world.capture, b"a", captured("a", 1.0, BEGIN_MS)),
        Sent(world.capture, b"b", captured("b", 1.0, BEGIN_MS, ("miles", "wind"), "2")),
    ]
    world.send(records)
    options = ["--from", FROM, "--to", TO, "--output", str(tmp_path / "t.parquet")]
    assert main(["training-set", "-c", str(world.file), *options]) == 2
    assert "--version: versions 1 and 2 have different columns; choose one of them" in capsys.readouterr().err
    assert main(["training-set", "-c", str(world.file), *options, "--version", "3"]) == 2
    assert "has no rows of this time" in capsys.readouterr().err
