"""Replicas follow a roll-out state that is kept in an object store, beside the versions."""

from contextlib import closing
from pathlib import Path

import pytest

from scorer.model import repository_at
from scorer.rollout import State
from scorer.sandbox.proxy import Network, Proxy
from tests.delivery.conftest import MakeWorld
from tests.delivery.test_guarantees import load as under_load
from tests.delivery.test_rollout import add_versions, models, verified, wait_served
from tests.model.s3 import BUCKET, serving

URL = f"s3://{BUCKET}/fraud"


@pytest.mark.prove
def test_replicas_follow_the_state_in_an_object_store_and_serve_on_without_it(
    make_world: MakeWorld, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path_factory.mktemp("s3")) as server, closing(Proxy(server.address)) as network:
        server.introduce(monkeypatch, tmp_path_factory.mktemp("cache"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{network.address}")
        world = make_world(model__path=URL, model__version="1", model__rollout="file")
        add_versions(world, 2)
        for version in "12":
            files = {name: Path(world.folder, f"models/fraud/{version}", name) for name in ("model.ubj", "plan.yaml")}
            repository_at(URL).add(version, files, "binary:logistic")
        world.start()
        with under_load(world, 500):
            world.wait(500)
            models(world, "promote", "2")
            wait_served(world, State(champion="2"), 1)
            network.set(Network.RESET)
            reason = f"cannot read {URL}/rollout.yaml: the models at {URL}/rollout.yaml cannot be read now"
            world.until(lambda: reason in world.log(), "the replica to say so")
            published = world.published()
            world.wait(published + 500)
            network.set(Network.PASS)
            models(world, "rollback")
            wait_served(world, State(champion="1"), 1)
        world.wait_committed()
        world.stop(world.replicas[0])
    assert {each["version"] for each in verified(world).values()} == {"1", "2"}
