"""The page on REST works: its commands are run as they stand there, and it names exactly the routes that there are."""

import json
import re
import shutil
from pathlib import Path

import pytest

from scorer.sandbox import Redis
from tests.docs import rest
from tests.docs.pages import BLOCK, PATIENT, ROOT, run
from tests.docs.ship import masked
from tests.rest.served import Served

PAGE = (ROOT / "docs/rest.md").read_text()
BLOCKS = BLOCK.findall(PAGE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the page, and what they name of the repository."""
    rest.files(tmp_path)
    return tmp_path


def routes_of_the_page() -> set[str]:
    return set(re.findall(r"`((?:GET|POST) /[^`]*)`", PAGE.partition("## Dialects")[2].partition("\n\n**")[0]))


def test_every_command_of_the_page_works(folder: Path) -> None:
    assert shutil.which("curl"), "the page's commands use curl"
    with (
        Redis(folder / "redis") as redis,
        Served(folder / "serve.yaml", folder / "log", SCORER_FEATURES__URL=redis.url, **PATIENT) as server,
    ):
        server.until_ready()
        commands = [
            text.replace("localhost:8080", f"127.0.0.1:{server.port}") for kind, _, text in BLOCKS if kind == "sh"
        ]
        assert sum(text.count("curl ") for text in commands) == 10
        outputs = [run([text], folder, 60).stdout for text in commands]
        (shown,) = (text for kind, _, text in BLOCKS if kind == "text")
        assert outputs[0].startswith(shown.removesuffix(" ...\n"))
        (told,) = (json.loads(text) for kind, file, text in BLOCKS if kind == "json" and not file)
        event = json.loads((folder / "flight.json").read_text())
        assert server.ask("/score", event | {"distance": "far"}).json == told
        paths = server.ask("/openapi.json").json["paths"]
        served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
        named = {
            each.replace("NAME", "flight-delays").replace("/ARM", "/{label}").replace("/V", "/{version}")
            for each in routes_of_the_page()
        }
        assert named - {"GET /", "GET /openapi.json"} == served
        document = server.ask("/openapi.json").json
        assert document["openapi"] == "3.1.0"
        assert set(event) | {"features"} == set(document["components"]["schemas"]["Event"]["properties"])
        page = server.ask("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.search(rb"(?:src|href)=|https?://|@import", page.body), "the page loads nothing"


def test_without_redis_features_come_with_the_events(folder: Path) -> None:
    config = folder / "serve.yaml"
    config.write_text(
        "".join(line for line in config.read_text().splitlines(keepends=True) if not line.startswith("features"))
    )
    golden = [json.loads(line) for line in (ROOT / "models/flight-delays/1/golden.jsonl").read_text().splitlines()]
    with Served(config, folder / "log") as server:
        assert server.ask("/ready").status in {200, 503}
        server.until_ready()
        found = server.ask("/score", [each["event"] | {"features": each["features"]} for each in golden]).json
        assert [each["score"] for each in found] == pytest.approx([each["score"] for each in golden], rel=1e-6)
        assert server.ask("/score", golden[0]["event"]).json["missing"] == ["plane", "route", "weather"]


@pytest.mark.prove
def test_the_picture_shows_what_its_commands_print() -> None:
    assert masked(rest.PICTURE.read_text()) == masked(rest.drawn()), "draw it anew: python -m tests.docs.rest"
