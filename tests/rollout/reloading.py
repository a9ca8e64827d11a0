"""Reloads large models again and again, alone in a process: `python -m tests.rollout.reloading FOLDER`."""

import gc
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import xgboost

from benchmarks.reload import large
from scorer.rollout import State
from tests.delivery.test_guarantees import resident_megabytes
from tests.rollout.versions import Place, add, records

RELOADS = 9
POLL_SECONDS = 0.02  # between two batches, in which the loop of a replica waits for records
LARGE = ("2", "3")
BATCH = records(range(100))


def large_model() -> bytes:
    """Return a model of 20 MB."""
    chance = np.random.default_rng(0)
    data = xgboost.DMatrix(chance.random((2_000, 1), np.float32), chance.random(2_000), feature_names=["amount"])
    booster = xgboost.train({"objective": "reg:logistic", "nthread": 1, "max_depth": 8}, data, 30)
    return large(bytes(booster.save_raw("ubj")))


def reload(folder: Path) -> dict[str, object]:
    """Return the megabytes after each reload, and the seconds that the loop spent on it."""
    place, model = Place(folder), large_model()
    for version in LARGE:
        add(folder, version)
        (folder / "models/fraud" / version / "model.ubj").write_bytes(model)
    gc.collect()
    gc.freeze()  # as a replica does: later collections are rare
    kept, switches = list[float](), list[float]()
    poll = threading.Event()
    with ThreadPoolExecutor(1) as following:
        for number in range(RELOADS):
            state = State(champion=LARGE[number % 2])
            loading = following.submit(place.take, state)
            while not loading.done() or place.served[-1] != str(state):
                poll.wait(POLL_SECONDS)
                began = time.perf_counter()
                core = place.follower.core()
                taken = time.perf_counter()
                core.scorer.score(core.decoder.decode(BATCH), 0.0)
            del core  # it would keep the version alive
            switches.append(taken - began)
            following.submit(place.take, state).result()
            kept.append(resident_megabytes(os.getpid()))
    place.follower.close()
    return {"model": len(model) / 1e6, "kept": kept, "switches": switches}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(reload(Path(sys.argv[1]))))
