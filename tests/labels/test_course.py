"""Labels and predictions on a real broker are joined once each, whatever becomes of those who join them."""

import json
import random
import time
from pathlib import Path

import pytest

from scorer.sandbox import Kafka
from tests.conftest import mainly
from tests.labels.world import World, traffic, without_scores


@pytest.mark.parametrize("field", mainly("origin", ("origin", "carrier")))
def test_labels_and_predictions_are_joined(tmp_path: Path, kafka: Kafka, field: str) -> None:
    with World(kafka.bootstrap, tmp_path, partitions=2, segments=[field]) as world:
        course = traffic(world.settings, 500, seed=1, field=field)
        replica = world.start()
        world.send(course.records)
        world.until(without_scores(course.expected), course.unmatched, course.bad)
        report = json.loads(world.scorer("labels", "report", "--json"))
        assert report["without_prediction"] == course.unmatched
        assert {reason: bad["count"] for reason, bad in report["bad_labels"].items()} == course.bad
        champion, canary = sorted(report["arms"], key=lambda each: str(each["version"]))
        assert (champion["arm"], canary["arm"]) == ("champion", "canary")
        assert 0 < champion["metrics"]["auc"]["low"] < champion["metrics"]["auc"]["value"] < 1
        assert report["differences"][0]["than"] == {"version": "1", "arm": "champion"}
        people = world.scorer("labels", "report", "--last", "3")
        assert "champion 1  auc" in people
        assert "JFK" in people or field == "carrier"
        assert world.stop(replica) == 0


@pytest.mark.prove
def test_twenty_kills_change_nothing(tmp_path: Path, kafka: Kafka) -> None:
    chance = random.Random(5)  # noqa: S311  a test
    with World(kafka.bootstrap, tmp_path, partitions=4, segments=["origin"]) as world:
        course = traffic(world.settings, 6_000, seed=2, field="origin")
        names = [{"SCORER_KAFKA__INSTANCE_ID": name} for name in ("a", "b")]
        replicas = [world.start(**name) for name in names]
        step = len(course.records) // 20
        for kill in range(20):
            world.send(course.records[kill * step : (kill + 1) * step if kill < 19 else None])
            world.wait_for_work()
            time.sleep(chance.uniform(0, 0.3))
            world.kill(replicas[kill % 2])
            replicas[kill % 2] = world.start(**names[kill % 2])
        third = world.start()
        world.until(without_scores(course.expected), course.unmatched, course.bad)
        assert world.stop(third) == 0  # its partitions move to the others, who read them again
        world.until(without_scores(course.expected), course.unmatched, course.bad)
