"""A real replica scores a stream with features that the real Feast wrote: every score is that of the offline join."""

import pytest
import redis
import yaml

from tests.conftest import mainly
from tests.delivery.conftest import MakeWorld, make_world
from tests.delivery.world import World, known
from tests.feast.proof import Recording

__all__ = ["make_world"]
ENTITY = {
    "layout": "feast",
    "project": "payments",
    "key": {"card": "string"},
    "fields": ["card_stats:spend"],
}
COLUMNS = [{"name": "amount", "event": "amount"}, {"name": "spend", "entity": "card", "field": "card_stats:spend"}]


def fill(world: World, redis_url: str, **more: object) -> None:
    """Replace the features of a world by those of Feast, and its plan by one that reads them."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    Recording.load().restore(redis_url)
    plan = {"entities": {"card": ENTITY | more}, "columns": COLUMNS}
    (world.folder / "models/fraud/1/plan.yaml").write_text(yaml.safe_dump(plan))


@pytest.mark.parametrize("delivery", mainly("at-least-once"))
def test_streamed_scores_equal_those_of_the_offline_join(delivery: str, make_world: MakeWorld, redis_url: str) -> None:
    world = make_world(kafka__delivery=delivery)
    fill(world, redis_url)
    world.send(range(400))
    replica = world.start()
    world.wait(400)
    world.wait_committed()
    assert world.stop(replica) == 0
    ledger = world.verify()
    assert not ledger.dead_letters
    missing = {each["event_id"] for copies in ledger.predictions.values() for each in copies if each["missing"]}
    assert missing == {f"payment-{number}" for number in range(400) if not known(number)}
