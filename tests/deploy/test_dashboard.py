"""The dashboard and the rules show and find something on a real Prometheus that has scraped a real replica."""

import importlib.util
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from scorer.kafka import Admin, monitor_topic
from scorer.labels.joining import QualityMetrics
from scorer.sandbox.server import free_port
from scorer.settings import load
from tests.delivery.conftest import MakeWorld, make_world
from tests.deploy.tools import as_grafana_reads
from tests.once import debian

__all__ = ["make_world"]

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy/grafana/scorer.json"
PATIENCE_SECONDS = 90.0
EVENTS = 14_000  # more than a baseline needs, and some windows
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DOCUMENT["panels"] if panel["type"] != "row"]


def test_the_committed_dashboard_is_that_of_the_script() -> None:
    spec = importlib.util.spec_from_file_location("dashboard", ROOT / "deploy/dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.document() == DOCUMENT


def test_panels_do_not_overlap_and_say_what_they_show() -> None:
    taken = set[tuple[int, int]]()
    for panel in DOCUMENT["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DOCUMENT["panels"]}) == len(DOCUMENT["panels"])
    assert all(panel["description"] for panel in panels())


def unknown(ours: object, theirs: object, where: str = "") -> Iterator[str]:
    """Yield the places in our document that are not in theirs, or differ there."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from unknown(value, theirs.get(key), f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from unknown(*pair, f"{where}[{at}]")
    elif ours != theirs:
        yield where


def test_grafana_knows_every_key_of_the_dashboard() -> None:
    assert [*unknown(DOCUMENT, as_grafana_reads(DOCUMENT))] == []
    first, *rest = DOCUMENT["panels"]
    wrong = DOCUMENT | {"panels": [{**first, "gridpos": first["gridPos"]}, *rest]}
    assert [*unknown(wrong, as_grafana_reads(wrong))] == [".panels[0].gridpos"]


@contextmanager
def quality() -> Iterator[int]:
    """The metrics of `scorer labels run`."""
    registry = CollectorRegistry()
    QualityMetrics(registry).show({("auc", "1", "champion"): 0.9})

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(generate_latest(registry))

        def log_message(self, *_: object) -> None:
            """Into the void."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def prometheus(folder: Path, *ports: int) -> Iterator[Callable[[str], Any]]:
    """Run Prometheus with the rules, and return what asks it."""
    folder.mkdir()
    targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    config = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "scrape_configs": [{"job_name": "scorer", "static_configs": targets}],
        "rule_files": [str(ROOT / "deploy/prometheus/rules.yaml")],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    words = [
        str(debian("prometheus-2", "prometheus") / "usr/bin/prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(words, stdout=log, stderr=log, cwd=folder) as process,
    ):
        try:
            yield ask
        finally:
            process.kill()


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if holds():
                return
        except OSError:  # it is starting
            pass
        assert time.monotonic() < end, what
        time.sleep(0.2)


@pytest.mark.prove
def test_every_panel_shows_something_and_every_rule_can_be_evaluated(make_world: MakeWorld, tmp_path: Path) -> None:
    port, topic = free_port(), f"monitor-{free_port()}"
    with make_world(http__port=port, monitor__topic=topic, partitions=2) as world, quality() as other:
        Admin(load(world.folder / "scorer.yaml").settings.kafka).create([monitor_topic(topic)])
        world.start()
        world.send([*range(EVENTS), b"no event"])
        with prometheus(tmp_path / "prometheus", port, other) as ask:

            def values(expr: str) -> list[Any]:
                query = urllib.parse.quote(expr.replace("$__rate_interval", "5s"))
                found: list[Any] = ask(f"query?query={query}")["result"]
                return [each for each in found if each["value"][1] != "NaN"]

            world.wait(EVENTS + 1)
            world.send(range(EVENTS, EVENTS + 500))  # so that rates see a change
            empty = [target["expr"] for panel in panels() for target in panel["targets"]]

            def all_shown() -> bool:
                world.send(range(20))
                empty[:] = [expr for expr in empty if not values(expr)]
                return not empty

            until(all_shown, f"no data for {empty}")
            rules = ask("rules")["groups"][0]["rules"]
            assert {rule["name"]: rule["health"] for rule in rules} == {rule["name"]: "ok" for rule in rules}

            def alerted() -> bool:
                world.send([b"no event"])
                return any(alert["labels"]["alertname"] == "ScorerDeadLetters" for alert in ask("alerts")["alerts"])

            until(alerted, "no alert")
