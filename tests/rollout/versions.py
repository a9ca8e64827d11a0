"""Versions of a model on disk that need no store, and what surrounds a follower of them."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
import yaml

from scorer.avro import unframed
from scorer.batch import NO_TIME, Predictions, Records
from scorer.model import repository_at
from scorer.replica.follower import Follower, Surroundings
from scorer.replica.shadows import Outlet
from scorer.rollout import Held, State
from scorer.serving.lineup import Lineup
from scorer.serving.serving import Serving, prepare
from scorer.settings import Settings, load
from tests.files.example import KAFKA

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [{"name": "id", "type": "long"}, {"name": "amount", "type": "double"}],
}
VALUES = np.linspace(0, 10, 40, dtype=np.float32)


def add(folder: Path, version: str, *, golden: float | None = None, outputs: int = 1) -> None:
    """Add a version whose scores are its own; `golden` is a score that it should give, and does not."""
    bundle = folder / "models/fraud" / version
    bundle.mkdir(parents=True)
    objective = {"objective": "multi:softprob", "num_class": outputs} if outputs > 1 else {"objective": "reg:logistic"}
    labels = np.arange(40) % outputs if outputs > 1 else np.arange(40) % (int(version) + 1) == 0
    data = xgboost.DMatrix(VALUES.reshape(-1, 1), labels, feature_names=["amount"])
    booster = xgboost.train(objective | {"nthread": 1, "max_depth": 3}, data, 3)
    booster.save_model(bundle / "model.ubj")
    (bundle / "plan.yaml").write_text("columns: [{name: amount, event: amount}]")
    if golden is not None:
        line = {"event": {"id": 0, "amount": 1.0}, "score": golden}
        (bundle / "golden.jsonl").write_text(json.dumps(line))


def configured(folder: Path) -> Settings:
    """Return the settings for the versions in a folder."""
    (folder / "event.avsc").write_text(json.dumps(SCHEMA))
    document = {
        "kafka": KAFKA,
        "events": {"schema": "event.avsc", "id": "id"},
        "model": {"path": "models/fraud", "version": "1", "rollout": "off"},
    }
    (folder / "scorer.yaml").write_text(yaml.safe_dump(document))
    return load(folder / "scorer.yaml", environ={}).settings


def records(numbers: Sequence[int]) -> Records:
    """Return events as records, each with its number as its key."""
    values = [_long(number) + np.float64(number % 11).tobytes() for number in numbers]
    batch = Records.of(values)
    return Records(
        batch.topics, batch.topic, batch.partition, batch.offset, np.full(len(values), NO_TIME),
        [b"%d" % number for number in numbers], batch.data, batch.ends,
    )  # fmt: skip


def _long(number: int) -> bytes:
    """Return a long as Avro encodes it."""
    left, out = number << 1, bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    return bytes([*out, left])


class Writer:
    """A topic for shadows, in memory."""

    def __init__(self) -> None:
        self.written: list[Predictions] = []
        self.closed = False

    def encode(self, predictions: Predictions) -> Any:
        return predictions

    def write(self, predictions: Any, keys: Sequence[bytes | None]) -> None:
        assert len(keys) == len(predictions.arm)
        self.written.append(predictions)

    def poll(self) -> None:
        """Nothing to report."""

    def close(self) -> None:
        self.closed = True


class Place:
    """A folder of versions with a follower that serves version 1, and what it tells."""

    def __init__(self, folder: Path, state: State | None = None, *, outlet: bool = True) -> None:
        self.folder, self.settings = folder, configured(folder)
        if not (folder / "models/fraud/1").exists():
            add(folder, "1")
        self.served: list[str] = []
        self.said: list[str] = []
        self.writer = Writer()
        self.counted: list[tuple[str, int]] = []
        first = self.serving("1")
        self.follower = Follower(first, state or State(champion="1"), self.around(first, outlet=outlet))

    def serving(self, version: str) -> Serving:
        return prepare(self.settings, repository_at(self.settings.model.path).find(version))

    def outlet(self) -> Outlet:
        writer: Any = self.writer
        return Outlet(writer, writer, lambda result, events: self.counted.append((result, events)))

    def around(self, first: Serving, *, outlet: bool) -> Surroundings:
        def served(lineup: Lineup) -> None:
            self.served.append(str(lineup.state))

        outlets = self.outlet() if outlet else None
        return Surroundings(
            lambda: unframed(first.schema), lambda _: nullcontext(), served, self.said.append, outlets
        )  # fmt: skip

    def take(self, state: State) -> None:
        """Let the follower see a state, as its thread does."""
        self.follower.take(Held(state))

    def versions(self, numbers: Sequence[int]) -> list[str]:
        """Return the version that scores each event now."""
        core = self.follower.core()
        found = core.scorer.score(core.decoder.decode(records(numbers)), 0.0).predictions
        return [found.arms[arm][0] for arm in found.arm.tolist()]
