"""The measured workload: real flights as events, features in Redis, a model, and the expected score of each event.

It is made once per user and kept in `$XDG_CACHE_HOME/scorer/benchmark-...`, a name that changes with what makes it.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import redis
import xgboost
from numpy.typing import NDArray

from benchmarks.workload import flights

HERE = Path(__file__).parent
ID_CHARS = 16
PACKED_PREFIX = "p:"
TREES, DEPTH = 300, 6

Schema = dict[str, Any]  # as its file has it


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """The events, and their expected outputs.

    folder:  what measured programs read: `event.avsc`, `score.avsc`, `model.ubj`, `features.json`.
    version: of the model.
    bodies:  Avro bodies of the distinct events without the id in front; they repeat, under fresh ids.
    scores:  float32 [events], `booster.predict` of each.
    missing: int32 [events], how many entities are not in Redis.
    """

    folder: Path
    version: str
    bodies: Sequence[bytes]
    scores: NDArray[np.float32]
    missing: NDArray[np.int32]

    def event(self, number: int) -> tuple[bytes, bytes]:
        """Return the id, which is the record's key, and the Avro body of one event."""
        identity = b"evt-%012d" % number
        return identity, bytes([2 * ID_CHARS]) + identity + self.bodies[number % len(self.bodies)]

    def load_redis(self, url: str) -> None:
        """Load both layouts: hashes of numbers as text, and strings of little-endian float32 under PACKED_PREFIX."""
        stored = np.load(self.folder / "entities.npz")
        with redis.Redis.from_url(url) as client:
            for entity in json.loads((self.folder / "features.json").read_text())["entities"]:
                name, fields = entity["name"], entity["fields"]
                pipe = client.pipeline(transaction=False)
                for key, row in zip(stored[f"{name}_keys"].tolist(), stored[name], strict=True):
                    present = {f: str(value) for f, value in zip(fields, row, strict=True) if not np.isnan(value)}
                    pipe.hset(key, mapping=present)
                    pipe.set(PACKED_PREFIX + key, row.tobytes())
                pipe.execute()


def prepare(tell: Callable[[str], None]) -> Workload:
    """Return the workload, which is made first if needed; `tell` reports that."""
    folder = _cache_folder()
    if not folder.exists():
        tell("making events and a model, once, which takes some 20 seconds")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="benchmark-") as temporary:
            whole = Path(temporary) / "workload"
            build(whole, flights.read(), json.loads((HERE / "event.avsc").read_text()))
            whole.rename(folder)
    return load(folder)


def load(folder: Path) -> Workload:
    """Return what `build` made."""
    stored = np.load(folder / "events.npz")
    blob, ends = stored["blob"].tobytes(), stored["ends"].tolist()
    bodies = [blob[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    version = json.loads((folder / "features.json").read_text())["model_version"]
    return Workload(folder, version, bodies, stored["scores"], stored["missing"])


def _cache_folder() -> Path:
    sources = b"".join(file.read_bytes() for file in sorted(HERE.iterdir()) if file.is_file())
    key = hashlib.sha256(sources + xgboost.__version__.encode()).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer" / f"benchmark-{key}"


def build(folder: Path, data: flights.Flights, schema: Schema) -> None:
    """Train the model, and write everything to a new folder.

    Args:
        folder: for it.
        data: the flights.
        schema: of the events.
    """
    folder.mkdir()
    booster = _train(data)
    booster.save_model(folder / "model.ubj")
    (folder / "event.avsc").write_text(json.dumps(schema, indent=2) + "\n")
    shutil.copy(HERE / "score.avsc", folder / "score.avsc")
    (folder / "features.json").write_text(json.dumps(_features(folder / "model.ubj", data), indent=2) + "\n")
    np.savez(
        folder / "entities.npz",
        **{name: table.to_numpy("<f4") for name, table in data.tables.items()},
        **{f"{name}_keys": table.index.to_numpy("U") for name, table in data.tables.items()},
    )
    bodies = list(_bodies(data.events, schema))
    np.savez(
        folder / "events.npz",
        blob=np.frombuffer(b"".join(bodies), np.uint8),
        ends=np.cumsum([len(body) for body in bodies]),
        scores=booster.predict(xgboost.DMatrix(data.matrix)),
        missing=data.missing,
    )


def _train(data: flights.Flights) -> xgboost.Booster:
    params = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": DEPTH, "eta": 0.1, "seed": 0}
    params["nthread"] = 1  # on a busy machine threads wait for each other
    return xgboost.train(params, xgboost.DMatrix(data.history, data.late), num_boost_round=TREES)


def _features(model: Path, data: flights.Flights) -> dict[str, object]:
    """Return the description of the features for programs: their keys, and the model's columns in order."""
    columns = [{"event": name} for name in data.columns]
    columns += [{"entity": name, "field": field} for name, entity in data.entities.items() for field in entity.fields]
    return {
        "model_version": hashlib.sha256(model.read_bytes()).hexdigest()[:12],
        "packed_prefix": PACKED_PREFIX,
        "entities": [{"name": name, "key": each.key, "fields": each.fields} for name, each in data.entities.items()],
        "columns": columns,
    }


def _bodies(events: pd.DataFrame, described: Schema) -> Iterator[bytes]:
    schema = fastavro.parse_schema(described)
    names = [field["name"] for field in described["fields"] if field["name"] != "event_id"]
    for row in events[names].astype(object).where(events[names].notna(), None).to_dict("records"):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, {"event_id": "x" * ID_CHARS, **row})
        yield body.getvalue()[1 + ID_CHARS :]
