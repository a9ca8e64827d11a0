"""A server watches the events of its requests: a column that is not as in training becomes an alarm."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry

from scorer.batch import Records
from scorer.drift import make_baseline
from scorer.group.drifting import Subject, rules_of
from scorer.monitor import DriftMetrics
from scorer.rest.publishing import Beside
from scorer.rest.watching import Echo, RequestDrift
from scorer.settings import MonitorSettings
from tests.docs.pages import ROOT
from tests.replica.test_capturing import outcome
from tests.rest.served import Served

PATIENCE_SECONDS = 60.0
ROWS = 200


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_every_event_of_a_request_is_counted_once() -> None:
    _, scored = outcome(ROWS)
    columns = dict.fromkeys(map(str, range(scored.matrix.values.shape[1])), -1)
    rng = np.random.default_rng(1)
    trained = rng.normal(size=(1_000, len(columns))).astype(np.float32), rng.random(1_000).astype(np.float32)
    monitor = MonitorSettings.model_validate({"window": {"events": 2 * ROWS}})
    drifting = RequestDrift(rules_of(monitor), DriftMetrics(CollectorRegistry()))
    echo = Echo([drifting])
    echo.read()
    drifting._subject = Subject(columns, 1, make_baseline(columns, *trained))
    drifting.ledger.use(drifting._subject.baseline)
    beside = Beside(None, [drifting])
    for batch in range(4):
        records, scored = outcome(ROWS)
        beside.scored(records, scored, [])
        for name, document in [*drifting.due(time.monotonic() + 10 * batch)]:
            echo.tell(name, document)
    assert [window.events for window in drifting.board.windows] == [2 * ROWS, 2 * ROWS]
    assert drifting.board.tracks.uncounted == 0
    beside.scored(Records.of([]), outcome(0)[1], [])


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    messages = list[dict[str, Any]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", messages
    server.shutdown()
    server.server_close()


def test_a_column_that_is_not_as_in_training_is_told(tmp_path: Path, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    address, messages = webhook
    document = {
        "events": {"schema": str(ROOT / "schemas/flight.avsc"), "id": "flight_id"},
        "model": {"path": str(ROOT / "models/flight-delays")},
        "serve": {"drift": True},
        "monitor": {"window": {"events": ROWS}, "drift": {"confirm": {"windows": 1, "of": 1}}},
        "alerts": {"webhook": address},
    }
    config = tmp_path / "scorer.yaml"
    config.write_text(yaml.safe_dump(document))
    golden = json.loads((ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()[0])
    events = [golden["event"] | {"flight_id": f"F{at}", "distance": 9_000, "features": {}} for at in range(ROWS)]
    with Served(config, tmp_path / "log") as server:
        assert "scorer_drift_windows 0.0" in server.ask("/metrics").body.decode()
        assert server.ask("/score", events).status == 200
        until(lambda: 'scorer_drift_alarm{column="distance"} 1.0' in server.ask("/metrics").body.decode())
        until(lambda: any("distance" in message["text"] for message in messages))
        told = [line for line in server.lines if line["event"] == "column drifts"]
        assert "distance" in {line["column"] for line in told}
    assert messages[0]["model"] == "flight-delays"


def test_nothing_is_watched_unless_it_is_asked_for(parcels: Served) -> None:
    assert "scorer_drift" not in parcels.ask("/metrics").body.decode()
