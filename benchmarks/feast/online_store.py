"""The real Feast, run with the Python of its own environment: it writes features into a Redis and reads them.

It does what it is told line by line on stdin, in JSON, and answers on stdout.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TIME = "at"
TYPES = {
    Int64: pa.int64(), Int32: pa.int32(), Float64: pa.float64(), Float32: pa.float32(), Bool: pa.bool_(),
    String: pa.string(), Bytes: pa.binary(), UnixTimestamp: pa.timestamp("us", "UTC"),
    Array(String): pa.list_(pa.string()),
}  # fmt: skip
KEY_TYPES = {
    ValueType.STRING: pa.string(), ValueType.INT32: pa.int32(), ValueType.INT64: pa.int64(),
    ValueType.BYTES: pa.binary(), ValueType.UNIX_TIMESTAMP: pa.timestamp("us", "UTC"),
}  # fmt: skip
Rows = Sequence[Mapping[str, Any]]


class Repository:
    """A project of Feast whose online store is a Redis.

    Args:
        project: its name.
        redis:   host and port.
        folder:  of the registry and the tables.
    """

    def __init__(self, project: str, redis: str, folder: Path) -> None:
        self._folder = folder
        self.store = FeatureStore(
            config=RepoConfig(
                project=project,
                registry=str(folder / f"{project}.db"),
                provider="local",
                online_store={"type": "redis", "connection_string": redis},
                offline_store={"type": "file"},
                entity_key_serialization_version=3,
            )
        )

    def add(self, view: str, keys: Mapping[str, ValueType], features: Mapping[str, Any], rows: Rows) -> None:
        """Declare a feature view, and write its table."""
        entities = [Entity(name=name, join_keys=[name], value_type=kind) for name, kind in keys.items()]
        columns = {name: KEY_TYPES[kind] for name, kind in keys.items()}
        columns |= {name: TYPES[kind] for name, kind in features.items()} | {TIME: pa.timestamp("us", "UTC")}
        file = self._folder / f"{view}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows), pa.schema(list(columns.items()))), file)
        source = FileSource(name=view, path=str(file), timestamp_field=TIME)
        schema = [Field(name=name, dtype=kind) for name, kind in features.items()]
        declared = FeatureView(name=view, entities=entities, ttl=timedelta(days=1), schema=schema, source=source)
        self.store.apply([*entities, declared])

    def materialize(self) -> None:
        """Write everything into the Redis."""
        self.store.materialize(BEGIN - timedelta(days=1), BEGIN + timedelta(days=30))


def flights(redis: str, folder: Path) -> Repository:
    """Write small views of every type, with nulls, and keys of every type."""
    made = Repository("flights", redis, folder)
    names = [f"N{number}" for number in range(20)] + ["", "é", "a, b", "back\\slash"]
    planes = [{"tailnum": name, TIME: BEGIN + timedelta(minutes=at)} for at, name in enumerate(names)]
    types = {
        "seats": Int64, "engines": Int32, "speed": Float32, "weight": Float64, "active": Bool, "built": UnixTimestamp,
        "model": String, "code": String, "tags": Array(String), "photo": Bytes,
    }  # fmt: skip
    made.add("plane_stats", {"tailnum": ValueType.STRING}, types, [row | _plane(at) for at, row in enumerate(planes)])
    history = {"flights": Int64, "delay": Float64}
    rows = [
        {"tailnum": row["tailnum"], TIME: BEGIN + timedelta(hours=at, microseconds=at), "flights": at << 40}
        | {"delay": at / 7}
        for at, row in enumerate(planes)
        if at % 2 == 0
    ]
    made.add("plane_history", {"tailnum": ValueType.STRING}, history, rows)
    weather = [
        {"origin": origin, "hour": hour, TIME: BEGIN, "temp": hour / 3, "wind": None if hour == 0 else hour / 10}
        for origin in ("JFK", "LGA")
        for hour in (-1, 0, 17, 1 << 40)
    ]
    keys = {"origin": ValueType.STRING, "hour": ValueType.INT64}
    made.add("weather", keys, {"temp": Float64, "wind": Float32}, weather)
    gates = [{"terminal": number, "gates": number * 2, TIME: BEGIN} for number in (-5, 0, 3, (1 << 31) - 1)]
    made.add("terminals", {"terminal": ValueType.INT32}, {"gates": Int64}, gates)
    days = [{"día": BEGIN + timedelta(days=day), "rain": day / 4, TIME: BEGIN} for day in (-30_000, 0, 3)]
    made.add("days", {"día": ValueType.UNIX_TIMESTAMP}, {"rain": Float64}, days)
    badges = [{"badge": badge, "uses": len(badge), TIME: BEGIN} for badge in (b"\x00\xff", b"plain")]
    made.add("badges", {"badge": ValueType.BYTES}, {"uses": Int64}, badges)
    made.materialize()
    return made


def _plane(at: int) -> dict[str, Any]:
    """Return the features of a plane, some of them null."""
    values = {
        "seats": at * 10 - 50,
        "engines": 2 - at,
        "speed": float("nan") if at == 3 else at / 10,  # noqa: PLR2004  any one
        "weight": float("nan") if at == 2 else at * 1e300 / 3,  # noqa: PLR2004  the same
        "active": at % 3 == 0,
        "built": BEGIN - timedelta(days=at * 3_000),
        "model": f"A{at}",
        "code": f"{at}.50",
        "tags": ["old"] * (at % 3),
        "photo": bytes([at]),
    }
    return {name: None if (at + shift) % 6 == 1 else value for shift, (name, value) in enumerate(values.items())}


def payments(redis: str, folder: Path) -> Repository:
    """Write what each of 50 cards spends: three times its number."""
    made = Repository("payments", redis, folder)
    rows = [{"card": str(number), "spend": number * 3.0, TIME: BEGIN} for number in range(50)]
    made.add("card_stats", {"card": ValueType.STRING}, {"spend": Float64}, rows)
    made.materialize()
    return made


def many(redis: str, folder: Path) -> Repository:
    """Write as many keys as the benchmark asks for: two views of planes, and one with a joint key."""
    made = Repository("many", redis, folder)
    key = {"tailnum": ValueType.STRING}
    stats = [
        {"tailnum": f"N{at}", TIME: BEGIN, "seats": at, "speed": at / 8, "weight": at / 3, "active": at % 2 == 0}
        for at in range(5_000)
    ]
    made.add("plane_stats", key, {"seats": Int64, "speed": Float32, "weight": Float64, "active": Bool}, stats)
    history = [{"tailnum": f"N{at}", TIME: BEGIN, "flights": at * 2, "delay": at / 7} for at in range(5_000)]
    made.add("plane_history", key, {"flights": Int64, "delay": Float64}, history)
    weather = [
        {"origin": f"A{at % 50}", "hour": at // 50, TIME: BEGIN, "temp": at / 3, "wind": at / 4, "visib": at / 5}
        for at in range(5_000)
    ]
    keys = {"origin": ValueType.STRING, "hour": ValueType.INT64}
    made.add("weather", keys, {"temp": Float64, "wind": Float32, "visib": Float64}, weather)
    made.materialize()
    return made


REPOSITORIES: dict[str, Callable[[str, Path], Repository]] = {
    "flights": flights,
    "payments": payments,
    "many": many,
}


class Session:
    """Answers requests; each has `do`, the name of a method, and its arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Repository] = {}

    def materialize(self, project: str, redis: str) -> None:
        """Write the features of a project."""
        self._made[project] = REPOSITORIES[project](redis, self._folder)

    def read(self, project: str, features: list[str], rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
        """Return Feast's own answer: the values of each feature, in the order of the rows."""
        answer = self._online(project, features, rows).to_dict()
        return {
            feature: [_plain(value) for value in answer[feature.replace(":", "__")]] for feature in features
        }  # as Feast names them

    def measure(self, project: str, features: list[str], rows: list[dict[str, Any]]) -> dict[str, float]:
        """Return the seconds that one look-up takes."""
        began, cpu = time.perf_counter(), time.process_time()
        self._online(project, features, rows)
        return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}

    def _online(self, project: str, features: list[str], rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401  Feast's
        store = self._made[project].store
        return store.get_online_features(features=features, entity_rows=rows, full_feature_names=True)


def _plain(value: Any) -> Any:  # noqa: ANN401  any of Feast's types
    """Return a value of Feast as JSON has it: times as Unix seconds, bytes as text."""
    if isinstance(value, datetime):
        return int(value.timestamp())
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _keys(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield entity rows with the bytes that JSON has as text."""
    for row in rows:
        yield {name: value.encode("latin-1") if name == "badge" else value for name, value in row.items()}


def main() -> None:
    """Answer until stdin ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # Feast prints
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder))
        for line in sys.stdin:
            request = json.loads(line)
            if "rows" in request:
                request["rows"] = list(_keys(request["rows"]))
            answer = getattr(session, request.pop("do"))(**request)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
