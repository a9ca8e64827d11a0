"""A replica that reloads large models again and again keeps its memory, and its loop hardly notices."""

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xgboost

from benchmarks.reload import large
from scorer.rollout import State
from tests.delivery.test_guarantees import resident_megabytes
from tests.rollout.versions import Place, add, records

SECONDS, MOST, LEAST = 25.0, 10, 5  # of all reloads; their number
WARM = 2  # reloads, after which memory is flat
POLL_SECONDS = 0.02  # between two batches, in which the loop of a replica waits for records
LARGE = ("2", "3")
BATCH = records(range(100))


def large_model() -> bytes:
    """Return a model of 20 MB."""
    chance = np.random.default_rng(0)
    data = xgboost.DMatrix(chance.random((2_000, 1), np.float32), chance.random(2_000), feature_names=["amount"])
    booster = xgboost.train({"objective": "reg:logistic", "nthread": 1, "max_depth": 8}, data, 30)
    return large(bytes(booster.save_raw("ubj")))


@pytest.mark.prove
def test_memory_is_flat_and_the_loop_goes_on_while_large_models_are_reloaded(tmp_path: Path) -> None:
    place, model = Place(tmp_path), large_model()
    for version in LARGE:
        add(tmp_path, version)
        (tmp_path / "models/fraud" / version / "model.ubj").write_bytes(model)
    gc.collect()
    gc.freeze()  # as a replica does: later collections are rare
    kept, switches = list[float](), list[float]()
    end = time.monotonic() + SECONDS
    poll = threading.Event()
    with ThreadPoolExecutor(1) as following:
        while len(kept) < LEAST or (len(kept) < MOST and time.monotonic() < end):
            state = State(champion=LARGE[len(kept) % 2])
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
    gc.unfreeze()
    place.follower.close()
    flat = kept[WARM:]
    growth = (np.median(flat[-2:]) - np.median(flat[:2])) / (len(flat) - 2)
    assert growth < len(model) / 1e6 / 2, f"MB after each reload: {[round(each) for each in kept]}"
    assert max(switches) < 1, "seconds that the loop spends on a switch"
