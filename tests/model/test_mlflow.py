"""Versions in MLflow's registry, on a real server: which are opened, what is refused, and when it is unavailable."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from scorer.cli import main
from scorer.errors import Misconfigured, RepositoryUnavailable
from scorer.model import AliasHome, MlflowRepository, repository_at
from scorer.model.repositories.mlflow import http
from scorer.rollout import State
from scorer.sandbox.proxy import Network, Proxy
from scorer.security import redaction
from scorer.serving.homes import home_of
from scorer.settings import load
from tests.delivery.world import SCHEMA
from tests.model import s3
from tests.model.mlflow import LoginMLflow, MLflow, serving

URL = "mlflow:/fraud"
AWAY = (Network.RESET, Network.HOLE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    with serving(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    with s3.serving(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(autouse=True)
def known(server: MLflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server.introduce(monkeypatch, tmp_path / "cache")
    yield
    server.move("champion", "2")


@pytest.fixture
def network(server: MLflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to the server, which a test may break."""
    with server.behind_a_proxy(monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that follows the alias, in the working folder."""
    topics = {"input_topics": ["i"], "output_topic": "o", "dead_letter_topic": "d"}
    document = {
        "kafka": {"bootstrap_servers": "localhost:9", "group_id": "g"} | topics,
        "events": {"schema": "payment.avsc", "id": "id"},
        "model": {"path": URL, "version": "@champion"},
    }
    (tmp_path / "payment.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "scorer.yaml"


def downloads(server: MLflow) -> int:
    return len(re.findall(r"GET /api/2\.0/mlflow-artifacts/artifacts/\S+/model\.", server.log.read_text()))


@pytest.mark.prove
def test_an_alias_a_number_and_latest_choose_versions(server: MLflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer.model.repositories.mlflow.repository.PAGE", "2")
    repository = repository_at(URL)
    assert (repository.name, repository.location) == ("fraud", URL)
    assert repository.versions() == ["1", "2", "3", "4", "5"]
    assert [repository.resolve(version) for version in ("@champion", "3", "latest")] == ["2", "3", "5"]
    server.move("champion", "4")
    assert repository.resolve("@champion") == "4"


def test_a_version_is_downloaded_once_and_again_if_the_download_was_changed(server: MLflow) -> None:
    before = downloads(server)
    first = repository_at(URL).find("@champion")
    assert (first.name, first.version, first.verified, first.model_file.name) == ("fraud", "2", False, "model.ubj")
    assert first.golden_file is not None
    assert (repository_at(URL).find("2"), downloads(server) - before) == (first, 1)
    first.plan_file.write_text("columns: []\n")
    assert "doubled" in repository_at(URL).find("2").plan_file.read_text()
    assert downloads(server) - before == 2
    assert repository_at(URL).find("4").model_file.name == "model.json"


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1", r"mlflow:/fraud/1: has no plan\.yaml; `scorer models plan 1 --output plan\.yaml` writes a first one"),
        ("3", r"mlflow:/fraud/3: plan\.yaml: has the columns amount, doubled; the model's signature has doubled, amou"),
        ("5", r"mlflow:/fraud/5: MLmodel: has no model of xgboost, lightgbm, onnx \(its flavors: python_function\)"),
        ("9", r"model\.version: no version '9'; mlflow:/fraud has 1, 2, 3, 4, 5"),
        ("@champoin", r"no alias '@champoin'; did you mean '@champion'\?; mlflow:/fraud has @champion"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_reason(version: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        repository_at(URL).find(version)


def test_a_model_that_is_not_there_and_an_address_that_is_none() -> None:
    with pytest.raises(Misconfigured, match=r"cannot read mlflow:/frauds: Registered Model with name=frauds not found"):
        repository_at("mlflow:/frauds").find()
    with pytest.raises(Misconfigured, match=r"expected mlflow:/NAME with model\.version: '@champion'"):
        repository_at("mlflow:/fraud@champion")
    with pytest.raises(Misconfigured, match=r"cannot add to mlflow:/fraud; a version is logged by MLflow: "):
        repository_at(URL).next_version()


@pytest.mark.parametrize("away", AWAY)
def test_without_the_server_a_numbered_version_comes_from_the_cache_and_an_alias_is_unknown(
    network: Proxy, away: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = repository_at(URL).find("@champion")
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 0.5)  # from now on nothing answers
    network.set(away)
    with capture_logs() as logs:
        assert repository_at(URL).find("2") == whole
    assert "model repository is unavailable, using the downloaded version" in [line["event"] for line in logs]
    for version in ("@champion", "latest", "4"):
        with pytest.raises(RepositoryUnavailable, match=f"MLflow at http://{network.address} cannot be reached: "):
            repository_at(URL).find(version)


def test_replicas_follow_the_alias(server: MLflow, config: Path) -> None:
    home = home_of(load(config).settings)
    assert isinstance(home, AliasHome)
    assert home.location == "mlflow:/fraud@champion"
    assert home.read().state == State(champion="2")
    server.move("champion", "4")
    assert home.wait(30).state == State(champion="4")


def test_an_alias_is_not_known_until_the_server_answers_again(
    network: Proxy, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.rollout.paced.LOOK_SECONDS", 0.2)
    home = home_of(load(config).settings)
    assert home is not None
    before = home.read()
    network.set(Network.RESET)
    with pytest.raises(RepositoryUnavailable):
        home.wait(1)
    with pytest.raises(RepositoryUnavailable):  # nobody asked again
        home.wait(0)
    network.set(Network.PASS)
    assert home.wait(1) is before


def test_commands_say_that_the_alias_is_the_state_and_what_moves_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del config
    move = "MlflowClient().set_registered_model_alias('fraud', 'champion', '{}')"
    assert main(["models", "promote", "4"]) == 2
    said = capsys.readouterr().err
    assert "mlflow:/fraud@champion is the roll-out state, and MLflow's own tools move it; python -c" in said
    assert move.format("4") in said
    assert main(["models", "rollback"]) == 2
    assert move.format("VERSION") in capsys.readouterr().err
    assert main(["models", "canary", "4", "--percent", "1"]) == 2
    assert "canaries and shadows need model.rollout: topic" in capsys.readouterr().err
    assert main(["models", "promote", "3"]) == 2  # checked first
    assert "signature" in capsys.readouterr().err
    assert main(["models", "history", "--json"]) == 0
    history = json.loads(capsys.readouterr().out)
    assert (history["now"], history["kept_in"], history["changes"]) == ("2", "mlflow:/fraud@champion", [])
    assert move.format("VERSION") in history["moved_by"]
    assert main(["check", "--offline"]) == 0
    assert "ignored" not in capsys.readouterr().err


def test_a_model_without_a_plan_is_mended_by_the_two_commands_that_the_error_names(
    server: MLflow, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.move("champion", "1")
    assert main(["check", "--offline"]) == 2
    commands = re.findall(r"`scorer (.*?)`", capsys.readouterr().err)
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)) == 0
    capsys.readouterr()
    assert main(["models", "verify", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["version"], facts["state"]) == ("1", "verified")
    shutil.rmtree(config.parent / "cache")
    assert repository_at(URL).find("@champion").verified, "the manifest is beside the model"
    (config.parent / "plan.yaml").unlink()
    for command in commands:  # a version never changes
        assert main(shlex.split(command)) == 2
    assert "has a plan.yaml already" in capsys.readouterr().err


def test_a_version_whose_files_differ_from_its_manifest_is_refused(server: MLflow) -> None:
    (folder,) = [
        path.parent for path in server.folder.glob("artifacts/**/extra_files") if (path.parent / "model.json").exists()
    ]
    whole = (folder / "extra_files/plan.yaml").read_bytes()
    sums = {"model.json": "0" * 64, "plan.yaml": "1" * 64}
    (folder / "manifest.json").write_text(json.dumps({"files": sums}))
    try:
        with pytest.raises(Misconfigured, match=r"mlflow:/fraud/4/model\.json: was changed since it was added"):
            repository_at(URL).find("4")
    finally:
        (folder / "manifest.json").unlink()
    assert (folder / "extra_files/plan.yaml").read_bytes() == whole


def test_a_name_that_the_server_does_not_expect_is_explained(server: MLflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.1:{server.port}")  # the same, by another name
    with pytest.raises(Misconfigured, match=r"Invalid Host header.*--allowed-hosts"):
        repository_at(URL).find()


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "databricks", "http://"])
def test_without_a_server_to_ask_the_variable_is_named(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(Misconfigured, match="MLFLOW_TRACKING_URI is"):
        repository_at(URL).find()


def test_a_name_may_contain_a_quote(server: MLflow) -> None:
    server.ask("POST", "registered-models/create", {"name": "o'fraud"})
    assert repository_at("mlflow:/o'fraud").versions() == []
    with pytest.raises(Misconfigured, match="mlflow:/o'fraud has no versions"):
        repository_at("mlflow:/o'fraud").find()


def test_a_server_that_is_none_of_mlflow_is_named(server: MLflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server.url}/elsewhere")
    with pytest.raises(Misconfigured, match=r"answered with status 404.*; check MLFLOW_TRACKING_URI"):
        repository_at(URL).find()


@pytest.mark.prove
def test_files_that_the_server_does_not_keep_are_read_from_their_object_store(
    server: MLflow, store: s3.S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    bundle = repository_at(URL).find("4")
    store.introduce(monkeypatch, tmp_path / "other")
    for file in bundle.folder.iterdir():
        if not file.name.startswith("."):
            store.files().put_file(str(file), f"{s3.BUCKET}/stored/{file.name}")
    server.ask("POST", "registered-models/create", {"name": "stored"})
    server.ask("POST", "model-versions/create", {"name": "stored", "source": f"s3://{s3.BUCKET}/stored"})
    found = repository_at("mlflow:/stored").find()
    assert found.model_file.read_bytes() == bundle.model_file.read_bytes()
    store.files().rm_file(f"{s3.BUCKET}/stored/plan.yaml")
    config.write_text(config.read_text().replace(URL, "mlflow:/stored").replace("'@champion'", "latest"))
    assert main(["models", "attach", "1", "--plan", str(found.plan_file)]) == 0
    assert store.files().exists(f"{s3.BUCKET}/stored/plan.yaml")
    assert repository_at("mlflow:/stored").find("1").verified


@pytest.mark.prove
def test_a_server_that_asks_for_a_login_is_given_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "login", LoginMLflow) as server:
        server.introduce(monkeypatch, tmp_path / "other")
        for password in ("", "wrong"):
            monkeypatch.setenv(http.USER, "admin")
            monkeypatch.setenv(http.PASSWORD, password)
            with pytest.raises(Misconfigured, match=rf"status 401.*check {http.USER}"):
                repository_at(URL).find("2")
        monkeypatch.setenv(http.PASSWORD, LoginMLflow.PASSWORD)
        assert repository_at(URL).find("2").version == "2"


def test_the_login_is_that_of_mlflows_client_and_is_never_shown() -> None:
    both = {http.USER: "jane", http.PASSWORD: "pa55word", http.TOKEN: "t0ken-of-jane"}
    where = {http.URI: "https://models.example/mlflow/"}
    assert http.Server(where | both)._headers == {"Authorization": "Basic amFuZTpwYTU1d29yZA=="}
    assert http.Server(where | {http.TOKEN: "t0ken-of-jane"})._headers == {"Authorization": "Bearer t0ken-of-jane"}
    inside = http.Server({http.URI: "https://jane:pa55word@models.example/mlflow/"})
    assert inside.url == "https://models.example/mlflow"
    assert inside._headers == {"Authorization": "Basic amFuZTpwYTU1d29yZA=="}
    assert http.Server(where)._headers == {}
    assert "pa55word" not in redaction.redact("pa55word and t0ken-of-jane")
    assert "t0ken" not in redaction.redact("pa55word and t0ken-of-jane")


def test_folders_need_no_server() -> None:
    assert not isinstance(repository_at(Path("models/fraud")), MlflowRepository)
