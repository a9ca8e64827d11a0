"""Real replicas on a real broker, as the page and `scorer top` show them."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from scorer.cli import main
from scorer.page.feed import Feed
from scorer.page.group import heard
from scorer.sandbox.server import HOST, free_port
from scorer.settings import load
from tests.delivery.conftest import MakeWorld
from tests.delivery.world import World

MODEL = "fraud"


def states(feed: Feed) -> dict[str, str]:
    return {each["name"]: each["state"] for each in feed.document()["replicas"]}


@contextmanager
def command(world: World, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of scorer in a pipe, until the block ends."""
    line = [sys.executable, "-m", "scorer", words[0], "-c", str(world.folder / "scorer.yaml"), *words[1:]]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


def monitored(make_world: MakeWorld, **settings: Any) -> World:
    world = make_world(**settings)
    topic = f"{world.group}.monitor"
    file = world.folder / "scorer.yaml"
    document = yaml.safe_load(file.read_text()) | {"monitor": {"topic": topic}}
    file.write_text(yaml.safe_dump(document))
    assert main(["topics", "-c", str(file), "--create"]) == 0
    return world


@pytest.mark.prove
def test_the_group_is_shown_a_killed_replica_is_gone_and_one_that_leaves_is_no_more(make_world: MakeWorld) -> None:
    port = free_port()
    world = monitored(make_world, http__page=True, http__port=0)
    settings = load(world.folder / "scorer.yaml").settings
    with heard(settings, MODEL) as feed:
        first = world.start(SCORER_KAFKA__INSTANCE_ID="first", SCORER_HTTP__PORT=str(port))
        second = world.start(SCORER_KAFKA__INSTANCE_ID="second")
        world.until(lambda: states(feed) == {"first": "running", "second": "running"}, "both replicas")
        world.send([*range(2_000), b"no event", None])
        world.wait(2_002)
        world.until(lambda: feed.document()["totals"] == {"predicted": 2_000, "dead_letter": 2}, "all outcomes")
        document = feed.document()
        assert {each["reason"] for each in document["dead_letters"]} == {"empty", "truncated"}
        assert all(each["place"].startswith(world.input) for each in document["dead_letters"])
        assert sum(each["events"] for each in document["arms"]) == 2_000
        world.until(lambda: len(feed.document()["partitions"]) == world.partitions, "every partition")
        assert document["recent"]
        assert {each["id"].partition("-")[0] for each in document["recent"]} == {"payment"}
        with urllib.request.urlopen(f"http://{HOST}:{port}/page/view.json", timeout=30) as answer:
            own = json.load(answer)
        assert {each["name"] for each in own["replicas"]} == {"first", "second"}
        for words, expected in ((["page", "--port", "0"], b"live: http://127.0.0.1:"), (["top"], b"2 replicas ready")):
            with command(world, *words) as running:
                assert running.stdout is not None
                line = next(said for said in running.stdout if expected in said)
                if words[0] == "page":
                    address = line.decode().split()[-1]
                    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  ours
                        assert b"<title>scorer</title>" in answer.read()
                running.terminate()
                assert running.wait(30) == 0
        first.kill()
        world.ended(first)
        assert world.stop(second) == 0
        world.until(lambda: states(feed) == {"first": "gone"}, "one to be gone, and the other forgotten")
        assert feed.document()["health"]["words"].startswith("No replica is running")


def test_without_a_topic_top_shows_what_the_brokers_know(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    world.send(list(range(40)))
    file = str(world.folder / "scorer.yaml")
    assert main(["top", "-c", file, "--once", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["lag"], document["replicas"], document["arms"]) == (40, [], [])
    assert [each["lag"] for each in document["partitions"]] == [10] * 4
    assert document["health"]["words"] == "No replica is in the group, 40 events are waiting"
    assert "monitor.topic" in document["notes"]["replicas"]
    assert main(["top", "-c", file, "--once"]) == 0
    assert "no replicas, drift, quality: Set monitor.topic" in capsys.readouterr().out
