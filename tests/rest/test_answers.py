"""A batch of requests, scored together: each request gets its own rows, whatever the others are."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

import scorer
from scorer.monitor import Health, Metrics, Outages, Watch
from scorer.rest.desk import Job
from scorer.rest.dialects import routes_of
from scorer.rest.messages import Request, Response
from scorer.rest.publishing import Beside
from scorer.rest.routing import Routes
from scorer.rest.server import _scoring, log
from scorer.rest.site import Site
from scorer.rollout import Held
from scorer.sandbox import Redis
from scorer.serving.serving import Serving, prepare
from scorer.settings import load
from scorer.store import Reply
from scorer.store import Request as LookUp
from tests.api.example import row, store, write_example
from tests.rest.served import serving_only
from tests.rest.test_equality import plain

MODEL = "parcels"


class Counter:
    """Answers and routes without a server."""

    def __init__(self, config: Path) -> None:
        settings = load(config, environ={}).settings
        serving = prepare(settings)
        self.metrics, health = Metrics(serving.entities), Health(60)
        watch = Watch(self.metrics.stages, health, Outages(log), [self.metrics])
        self.answers, self._follower = _scoring(serving, Held(), self.metrics, watch, health, Beside(), lambda _: None)
        site = Site(MODEL, lambda: self.answers.lineup, health, self.metrics, settings.serve, {})
        self._routes = Routes(routes_of(site), MODEL)

    def job(self, path: str, body: object) -> Job:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        route, names = self._routes.find("POST", path)
        return Job(Request("POST", path, {}, names, sent), route, cast("Any", None))

    def batch(self, *asked: tuple[str, object]) -> list[Response]:
        """Score requests as one batch."""
        return self.answers.finish(self.answers.begin([self.job(path, body) for path, body in asked]))

    def close(self) -> None:
        self._follower.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        store(server.url)
        yield server


@pytest.fixture
def counter(tmp_path: Path, redis: Redis) -> Iterator[Counter]:
    config = serving_only(write_example(tmp_path, redis.url))
    document = yaml.safe_load(config.read_text())
    document["features"]["timeout_ms"] = 100
    config.write_text(yaml.safe_dump(document))
    with ExitStack() as stack:
        made = Counter(config)
        stack.callback(made.close)
        yield made


def timeless(response: Response) -> Any:
    found = json.loads(response.body)
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, dict):
            each.pop("scored_at", None)
    return found


def test_each_request_of_a_batch_gets_its_own_answer(counter: Counter) -> None:
    """The batch has every kind of request; each answer is the one that it gets alone."""
    event = plain(row())
    line = [0.5 * number for number in range(19)]
    asked: list[tuple[str, object]] = [
        ("/score", event),
        ("/score", [event | {"amount": 1e6}, event | {"size": "XL"}, event | {"country": "US"}]),
        ("/score", b"{"),
        (f"/v1/models/{MODEL}:predict", {"instances": [line, [None] * 19]}),
        (f"/v1/models/{MODEL}/versions/1:predict", {"instances": [event | {"amount": -3.0}]}),
        ("/score", event | {"features": {"shop": {"sales": 3}, "day": None}}),
        ("/score", event | {"id": "other", "features": {"shop": {"sales": 1e9}}}),
        ("/invocations", [[1.0]]),
        (f"/v1/models/{MODEL}/versions/9:predict", {"instances": [event]}),
        ("/score", []),
        (f"/predictions/{MODEL}", line[::-1]),
        ("/score", event | {"amount": 1e300}),
    ]
    together = counter.batch(*asked)
    alone = [counter.batch(each)[0] for each in asked]
    assert [each.status for each in together] == [200, 200, 400, 200, 200, 200, 200, 422, 404, 200, 200, 422]
    assert [each.status for each in alone] == [each.status for each in together]
    assert [timeless(each) for each in together] == [timeless(each) for each in alone]
    scores = {json.dumps(timeless(each)) for each in together if each.status == 200}
    assert len(scores) == 8, "each request has another answer"


def test_a_batch_is_one_look_up(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    core = counter.answers._core()
    assert core.lookups is not None
    fetch, asked = core.lookups._store.fetch, list[list[int]]()

    def counted(requests: Sequence[LookUp], now: float) -> list[Reply]:
        asked.append([len(each.keys) for each in requests])
        return fetch(requests, now)

    monkeypatch.setattr(core.lookups._store, "fetch", counted)
    event = plain(row())
    features = {"shop": {"sales": 3}, "day": {"rain": 1}}
    counter.batch(
        *[("/score", event | {"country": country}) for country in ("DE", "US", "DE")],
        ("/score", event | {"country": "FR", "features": features}),
        ("/score", event | {"country": "FR", "features": {"shop": {"sales": 3}}}),
    )
    assert asked == [[2, 1]]


def test_features_that_came_with_an_event_are_its_own(counter: Counter) -> None:
    """Events of one key, in one request and in others, with features of their own and without."""
    event = plain(row())
    rows = [event | {"features": {"shop": {"sales": sales, "share": sales}}} for sales in (1e9, -1e9, 0.0)] + [event]
    together = [timeless(each) for each in counter.batch(("/score", rows), *[("/score", each) for each in rows])]
    alone = [timeless(counter.batch(("/score", each))[0]) for each in rows]
    assert together == [alone, *alone]
    assert len({each["score"] for each in alone}) > 1


def test_events_without_an_id_are_numbered_within_their_request(tmp_path: Path, redis: Redis) -> None:
    counter = Counter(serving_only(write_example(tmp_path, redis.url, id=None)))
    event = plain(row())
    first, second = counter.batch(("/score", [event, event]), ("/score", [event, event, event]))
    assert [each["event_id"] for each in json.loads(first.body)] == ["0", "1"]
    assert [each["event_id"] for each in json.loads(second.body)] == ["0", "1", "2"]
    counter.close()


def test_while_the_store_is_away_only_requests_that_need_it_fail(counter: Counter, redis: Redis) -> None:
    event = plain(row())
    features = {"shop": {"sales": 3}, "day": {"rain": 1}}
    asked: list[tuple[str, object]] = [
        ("/score", event),
        ("/score", event | {"features": features}),
        (f"/v1/models/{MODEL}:predict", {"instances": [[0.5] * 19]}),
        ("/score", event | {"features": {"shop": {"sales": 3}}}),
    ]
    redis.pause()
    try:
        found = counter.batch(*asked)
    finally:
        redis.resume()
    assert [each.status for each in found] == [503, 200, 200, 503]
    assert found[0].headers == (("Retry-After", "1"),)
    assert "missing" in json.loads(found[1].body)


@pytest.mark.parametrize(
    ("policy", "status"), [({"when_unavailable": "impute"}, 200), ({"when_unavailable": "dead-letter"}, 422)]
)
def test_while_the_store_is_away_a_policy_decides(
    tmp_path: Path, redis: Redis, policy: dict[str, str], status: int
) -> None:
    config = serving_only(write_example(tmp_path, redis.url))
    document = yaml.safe_load(config.read_text())
    document["features"] |= {"timeout_ms": 100} | policy
    config.write_text(yaml.safe_dump(document))
    counter = Counter(config)
    redis.pause()
    try:
        (found,) = counter.batch(("/score", plain(row())))
    finally:
        redis.resume()
        counter.close()
    assert found.status == status
    answer = json.loads(found.body)
    if status == 200:
        assert (answer["degraded"], answer["missing"]) == (True, ["shop", "day"])
    else:
        assert answer["errors"][0]["reason"] == "no-features"


def test_predictions_are_explained_as_the_settings_say(tmp_path: Path, redis: Redis) -> None:
    config = serving_only(write_example(tmp_path, redis.url))
    document = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(document | {"predictions": {"explain": {"top": 2}}}))
    counter = Counter(config)
    (found,) = counter.batch(("/score", plain(row())))
    counter.close()
    with scorer.load(config) as model:
        (expected,) = model.score([row()])
    explanation = json.loads(found.body)["explanation"]
    assert len(explanation) == 2
    assert explanation == expected["explanation"]


def test_a_fault_of_scoring_is_told_to_those_it_concerns(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the booster is broken")

    champion = counter.answers.lineup.champion
    assert isinstance(champion, Serving)
    monkeypatch.setattr(champion.booster, "score", broken)
    found = counter.batch(("/score", plain(row())), ("/score", []), ("/score", b"{"))
    assert [each.status for each in found] == [500, 500, 400]
    assert json.loads(found[0].body)["detail"] == "the request cannot be answered; the log says why"
