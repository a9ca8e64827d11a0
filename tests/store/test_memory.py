"""A mapping answers what Redis answers that holds the same."""

import struct
from contextlib import closing

import numpy as np
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.plan import Plan
from scorer.store import MemoryStore, Request, connect
from scorer.store.memory import Record

ENTITIES = Plan.parse(
    """
entities:
  shop: {key: "shop:{id}", layout: hash, fields: [sales, share], max_age: 100, updated: at}
  plain: {key: "plain:{id}", layout: hash, fields: [sales]}
  day: {key: "day:{id}", layout: packed, fields: [rain, heat]}
columns:
  - {name: sales, entity: shop, field: sales}
  - {name: share, entity: shop, field: share}
  - {name: plain, entity: plain, field: sales}
  - {name: rain, entity: day, field: rain}
  - {name: heat, entity: day, field: heat}
""",
    "plan.yaml",
).entities
NOW = 1_000.0
VALUES = st.none() | st.floats() | st.integers(-(2**70), 2**70) | st.sampled_from(["1.5", " 2 ", "1e400", "", "none"])
TIMES = st.sampled_from([None, 1_000, 900.0, 899.9, 2_000, "950", "soon", float("nan"), float("inf")])
FLOATS = st.floats(width=32) | st.floats(-1e38, 1e38) | st.just(0.1)
RECORDS = {
    "shop": st.fixed_dictionaries({}, optional={"sales": VALUES, "share": VALUES, "at": TIMES, "other": VALUES}),
    "plain": st.fixed_dictionaries({}, optional={"sales": VALUES}),
    "day": st.fixed_dictionaries({"rain": FLOATS, "heat": FLOATS}),
}
FEATURES = st.fixed_dictionaries(
    {name: st.dictionaries(st.sampled_from([f"{name}:1", f"{name}:ä"]), record) for name, record in RECORDS.items()}
)


def test_a_mapping_returns_the_same_features_as_redis(redis_url: str) -> None:
    requests = [Request(entity, [f"{entity.name}:{key}".encode() for key in ("1", "ä", "3")]) for entity in ENTITIES]

    with redis.Redis.from_url(redis_url) as client, closing(connect(redis_url, 10_000)) as store:

        @settings(max_examples=200)
        @given(features=FEATURES)
        def alike(features: dict[str, dict[str, Record]]) -> None:
            client.flushdb()
            for entity, records in features.items():
                for key, record in records.items():
                    put(client, entity, key, record)
            mine, theirs = MemoryStore(ENTITIES, features).fetch(requests, NOW), store.fetch(requests, NOW)
            for one, other in zip(mine, theirs, strict=True):
                assert one.results.tolist() == other.results.tolist()
                assert one.absent.tolist() == other.absent.tolist()
                assert bits(one.values[~one.absent]) == bits(other.values[~other.absent])
                assert np.isnan(one.values[one.absent]).all()

        alike()


def bits(values: np.ndarray) -> bytes:
    """Return the bits of the values; text has one NaN, so all NaNs are one."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


def put(client: redis.Redis, entity: str, key: str, record: Record) -> None:
    if entity == "day":
        client.set(key, struct.pack("<2f", *(float(str(record[name])) for name in ("rain", "heat"))))
        return
    for name, value in record.items():
        if value is not None:
            client.hset(key, name, str(value))
