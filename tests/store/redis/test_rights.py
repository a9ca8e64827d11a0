"""Missing rights of a user of a real Redis are found by `check`, and named by a running replica."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from scorer.errors import Unavailable
from scorer.plan.plan import Entity, Plan
from scorer.scoring.features import Features
from scorer.store.load.load import load_file
from scorer.store.protocol import Request
from scorer.store.redis.connect import connect
from scorer.store.redis.sample import sample_problems
from tests.scoring.batches import FIELDS, events
from tests.store.redis.servers import HASH, PACKED
from tests.store.redis.test_cluster import ThreeMasters, asked

PLENTY_MS = 30_000
PLAN = """
entities:
  plane: {key: "plane:{tailnum}", layout: hash, fields: [seats]}
  route: {key: "route:{origin}", layout: packed, fields: [mean]}
columns:
  - {name: seats, entity: plane, field: seats}
  - {name: mean, entity: route, field: mean}
"""


class User:
    """A user with chosen rights, of one Redis or of all nodes of a cluster."""

    def __init__(self, url: str, admins: list[redis.Redis]) -> None:
        self._admins = admins
        form, _, at = url.partition("://")
        self.url = f"{form}://app:pw@{at}"

    def may(self, *rules: str) -> None:
        for admin in self._admins:
            asked(admin, "ACL", "SETUSER", "app", "reset", "on", ">pw", *rules)

    def problems(self, entity: Entity) -> list[str]:
        problems, warnings = sample_problems(self.url, PLENTY_MS, entity)
        return [*map(str, problems), *warnings]


@pytest.fixture
def user(redis_url: str) -> Iterator[User]:
    with redis.Redis.from_url(redis_url) as admin:
        yield User(redis_url, [admin])
        asked(admin, "ACL", "DELUSER", "app")


@pytest.mark.parametrize(
    ("entity", "rules", "grant"),
    [
        (HASH, ["~*", "+@all", "-hmget"], r"ACL SETUSER app \+hmget"),
        (HASH, ["~*", "+ping", "+get"], r"ACL SETUSER app \+hmget"),
        (PACKED, ["~*", "+@all", "-mget"], r"ACL SETUSER app \+mget"),
        (HASH, ["~route:*", "+@all"], r"key 'plane:0' of entity 'plane': .*ACL SETUSER app ~plane:\*"),
        (PACKED, ["~plane:*", "+@all"], r"key 'route:0' of entity 'route': .*ACL SETUSER app ~route:\*"),
        (PACKED, ["~route:1*", "+mget", "+ping"], r"key 'route:0' .*ACL SETUSER app ~route:\*"),
    ],
)
def test_a_missing_redis_right_is_reported_before_a_replica_runs(
    user: User, entity: Entity, rules: list[str], grant: str
) -> None:
    user.may(*rules)
    with pytest.raises(Unavailable, match=grant):
        user.problems(entity)


def test_an_existing_key_that_may_not_be_read_is_named(user: User, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        admin.mset({"route:1": b"x" * 8, "route:2": b"x" * 8})
    user.may("~route:0", "~route:1", "+@all")
    with pytest.raises(Unavailable, match="key 'route:2' of entity 'route'"):
        user.problems(PACKED)


def test_a_user_limited_to_the_existing_keys_causes_a_warning(user: User, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        admin.mset({"route:de-1": b"x" * 8})
    user.may("~route:de-*", "+@all")
    (warning,) = user.problems(PACKED)
    assert "key 'route:0'" in warning
    assert "the existing keys may be read" in warning


@pytest.mark.parametrize("rules", [["+hmget", "+mget"], ["+@read"], ["+hmget", "+mget", "+ping", "+select"]])
def test_a_user_with_only_look_up_rights_is_sufficient(user: User, rules: list[str]) -> None:
    user.may("~plane:*", "~route:*", *rules)
    for entity in (HASH, PACKED):
        for said in user.problems(entity):
            assert "no samples were taken" in said or "Redis has no key like" in said


def test_the_error_of_a_forbidden_look_up_names_the_key_and_the_event(user: User) -> None:
    user.may("~plane:*", "~route:L*", "+hmget", "+mget")
    store = connect(user.url, PLENTY_MS)
    features = Features(Plan.parse(PLAN, "plan.yaml"), FIELDS, store.fetch, "impute", "wait")
    batch = events(
        [{"tailnum": "N1", "origin": "LGA"}, {"tailnum": "N2", "origin": "JFK"}, {"tailnum": "N3", "origin": "JFK"}]
    )
    ids = batch.columns["tailnum"]
    assert ids.starts is not None
    assert ids.ends is not None
    batch = replace(batch, id_starts=ids.starts, id_ends=ids.ends)
    with pytest.raises(
        Unavailable, match=r"key 'route:JFK' of entity 'route': .*ACL SETUSER app ~route:\*; event 'N2'"
    ) as denied:
        features.look_up(features.keys(batch), batch, 0.0)
    # /ready may be read by anyone, so it has no data of events.
    assert "for a key of entity 'route': grant the user its keys, with ACL SETUSER app ~route:*" in denied.value.shown
    assert not any(text in denied.value.shown for text in ("JFK", "N2"))
    user.may("~plane:N2", "~route:*", "+hmget", "+mget")
    with pytest.raises(Unavailable, match=r"key 'plane:N1' of entity 'plane': .*ACL SETUSER app ~plane:\*; event 'N1'"):
        features.look_up(features.keys(batch), batch, 0.0)
    user.may("~plane:*", "~route:*", "+hmget", "+mget")
    features.look_up(features.keys(batch), batch, 0.0)
    store.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeMasters]:
    with ExitStack() as stack:
        yield ThreeMasters(tmp_path_factory.mktemp("cluster"), stack)


def test_a_cluster_requires_no_rights_beyond_those_of_a_replica(cluster: ThreeMasters, tmp_path: Path) -> None:
    user = User(cluster.url, cluster.clients)
    user.may("~plane:*", "~route:*", "+hmget", "+get", "+cluster|slots")  # and no COMMAND
    for entity in (HASH, PACKED):
        (warning,) = user.problems(entity)
        assert "no samples were taken" in warning
    user.may("~plane:*", "+hset", "+hdel", "+cluster|slots")
    file = tmp_path / "planes.csv"
    file.write_text("tailnum,seats,engines,year\n" + "".join(f"N{number},{number},2,\n" for number in range(50)))
    assert load_file(HASH, FIELDS, file, user.url, lambda _: None).lines == 50
    user.may("~plane:*", "+hmget", "+cluster|slots")
    store = connect(user.url, PLENTY_MS)
    (reply,) = store.fetch([Request(HASH, [b"plane:N%d" % number for number in range(50)])], 0.0)
    assert reply.values[:, 0].tolist() == list(range(50))
    store.close()


@pytest.mark.parametrize(
    ("entity", "rules", "grant"),
    [
        (HASH, ["~*", "+hmget"], r"ACL SETUSER app \+cluster\|slots"),
        (PACKED, ["~*", "+mget", "+cluster"], r"ACL SETUSER app \+get"),
        (PACKED, ["~plane:*", "+get", "+cluster"], r"key 'route:0' .*ACL SETUSER app ~route:\*"),
    ],
)
def test_a_missing_right_on_a_cluster_is_named(
    cluster: ThreeMasters, entity: Entity, rules: list[str], grant: str
) -> None:
    user = User(cluster.url, cluster.clients)
    user.may(*rules)
    with pytest.raises(Unavailable, match=grant):
        user.problems(entity)
