"""A server of one model as one writes it with FastAPI: a request is one round trip to Redis and one `inplace_predict`.

It runs in an environment of its own: `python rival.py FOLDER_OF_THE_BUNDLE REDIS_URL PORT`.
"""

import struct
import sys
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import redis
import uvicorn
import xgboost
import yaml
from fastapi import FastAPI
from pydantic import BaseModel

FOLDER, URL, PORT = sys.argv[1:]
PLAN = yaml.safe_load((Path(FOLDER) / "plan.yaml").read_text())
ENTITIES = {name: entity["fields"] for name, entity in PLAN["entities"].items()}
WEATHER = struct.Struct(f"<{len(ENTITIES['weather'])}f")
NAN = float("nan")

booster = xgboost.Booster(model_file=str(Path(FOLDER) / "model.ubj"))
booster.set_param({"nthread": 1})
client = redis.Redis.from_url(URL)
app = FastAPI()


class Flight(BaseModel):
    """An event."""

    flight_id: str
    scheduled_departure: datetime
    local_date: date
    local_time: time
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    distance: int
    scheduled_minutes: int
    dep_delay: int | None


@app.post("/score")  # type: ignore[untyped-decorator]  # FastAPI is not in this environment
async def score(event: Flight) -> dict[str, object]:
    """Score an event."""
    pipe = client.pipeline(transaction=False)
    pipe.hmget(f"plane:{event.tailnum}", ENTITIES["plane"])
    pipe.hmget(f"route:{event.origin}:{event.dest}", ENTITIES["route"])
    pipe.get(f"weather:{event.origin}:{event.scheduled_departure:%Y%m%d%H}")
    plane, route, weather = pipe.execute()
    found: dict[tuple[str, str], Any] = dict(zip((("plane", name) for name in ENTITIES["plane"]), plane, strict=True))
    found |= zip((("route", name) for name in ENTITIES["route"]), route, strict=True)
    numbers = WEATHER.unpack(weather) if weather else [None] * len(ENTITIES["weather"])
    found |= zip((("weather", name) for name in ENTITIES["weather"]), numbers, strict=True)
    parts = {
        "hour": event.local_time.hour,
        "minute": event.local_time.minute,
        "weekday": event.local_date.weekday(),
    }
    values: dict[str, float] = {}
    for column in PLAN["columns"]:
        value: Any
        if "entity" in column:
            value = found[column["entity"], column["field"]]
        elif "part" in column:
            value = parts[column["part"]]
        elif "categories" in column:
            value = column["categories"].index(getattr(event, column["event"]))
        elif "event" in column:
            value = getattr(event, column["event"])
        else:
            continue
        values[column["name"]] = float(column.get("default", NAN) if value is None else value)
    values["expected_delay"] = values["dep_delay"] - values["minutes_gained"]
    values["miles_per_hour"] = 60 * values["distance"] / values["scheduled_minutes"]
    row = np.array([[values[column["name"]] for column in PLAN["columns"]]], np.float32)
    return {"event_id": event.flight_id, "score": float(booster.inplace_predict(row, validate_features=False)[0])}


uvicorn.run(app, host="127.0.0.1", port=int(PORT), loop="uvloop", http="httptools", access_log=False, log_level="error")
