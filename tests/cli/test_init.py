"""`scorer init`: the files that it writes, and what it never writes."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis
import xgboost
import yaml

from scorer.cli import main
from tests.registry.stub import serving

NASTY = 'a"b\\\n- {name: evil, event: amount}  # \x1b[31m ü: {x} ${HOME}'


def payment(*more: dict[str, Any]) -> dict[str, Any]:
    fields = [
        {"name": "id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": "double"},
        {"name": "card", "type": ["null", "string"]},
        *more,
    ]
    return {"type": "record", "name": "CardPayment", "namespace": "shop", "fields": fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "payment.avsc").write_text(json.dumps(payment()))
    model(tmp_path / "fraud.ubj", ["amount", "hour", "spend"])
    return tmp_path


def model(file: Path, names: list[str] | None, columns: int = 3) -> None:
    data = np.random.default_rng(0).normal(size=(20, columns)).astype(np.float32)
    matrix = xgboost.DMatrix(data, data[:, 0], feature_names=names)
    xgboost.train({"nthread": 1, "gamma": 1e9}, matrix, 1).save_model(file)


def init(folder: Path, *more: str, code: int = 0, schema: bool = True) -> dict[str, Any]:
    options = ["--model", str(folder / "fraud.ubj"), "--output", str(folder / "draft"), *more]
    options += ["--schema", str(folder / "payment.avsc")] * schema
    assert main(["init", *options]) == code
    if code:
        return {}
    return {name: yaml.safe_load((folder / "draft" / name).read_text()) for name in ("scorer.yaml", "plan.yaml")}


def cards(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        for number in range(5):
            client.hset(f"card:4929-{number}", mapping={"spend": number, "limit": 100})


def test_init_writes_both_files(folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    cards(redis_url)
    files = init(folder, "--redis", redis_url)
    assert files["plan.yaml"] == {
        "entities": {"card": {"key": "card:{card}", "layout": "hash", "fields": ["spend"]}},
        "columns": [
            {"name": "amount", "event": "amount"},
            {"name": "hour", "event": "at", "part": "hour"},
            {"name": "spend", "entity": "card", "field": "spend"},
        ],
    }
    assert files["scorer.yaml"] == {
        "kafka": {
            "bootstrap_servers": "localhost:9092",
            "group_id": "fraud",
            "input_topics": ["card-payment"],
            "output_topic": "fraud-predictions",
            "dead_letter_topic": "card-payment.dead-letters",
        },
        "events": {"schema": "../payment.avsc", "id": "id", "time": "at"},
        "features": {"url": redis_url},
        "model": {"path": "models/fraud"},
    }
    text = (folder / "draft/plan.yaml").read_text()
    assert "4929" not in text, "a key of Redis may be anybody's"
    guesses = [line for line in text.splitlines() if "# guess: " in line]
    assert len([line for line in guesses if line.startswith("  - {name")]) == 3
    assert [line for line in guesses if "key:" in line]
    out, err = capsys.readouterr()
    assert not out
    assert "3 of 3 columns placed, 0 open" in err
    add = re.search(r"^  scorer (models add .*)$", err, re.MULTILINE)
    check = re.search(r"^  scorer (check .*)$", err, re.MULTILINE)
    assert add
    assert check
    assert main(add[1].split()) == 0
    assert main(check[1].split()) == 0


def test_no_file_is_ever_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = folder / "draft"
    draft.mkdir()
    (draft / "plan.yaml").write_text("mine")
    init(folder, code=2)
    assert f"{draft / 'plan.yaml'}: exists already" in capsys.readouterr().err
    assert {file.name: file.read_text() for file in draft.iterdir()} == {"plan.yaml": "mine"}
    (draft / "plan.yaml").unlink()
    (draft / "scorer.yaml").symlink_to(folder / "elsewhere")
    init(folder, code=2)
    assert f"{draft / 'scorer.yaml'}: exists already" in capsys.readouterr().err
    assert not (folder / "elsewhere").exists()
    (draft / "plan.yaml").write_text("mine")
    init(folder, code=2)
    assert capsys.readouterr().err.count("exists already") == 2


def test_a_password_is_in_no_file_and_no_output(
    folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(redis_url)
    encoded = "p4ss%3Aw0rd"
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">p4ss:w0rd", "~*", "+@all")
        address = redis_url.replace("redis://", f"redis://reader:{encoded}@")
        try:
            files = init(folder, "--redis", address)
            said = "".join(capsys.readouterr())
            written = "".join(file.read_text() for file in (folder / "draft").iterdir())
            for text in (encoded, "p4ss:w0rd"):
                assert text not in said + written
            assert files["scorer.yaml"]["features"] == {"url": "${REDIS_URL}"}
            assert main(["check", "--offline", "-c", str(folder / "draft/scorer.yaml")]) == 2
            assert "the variable REDIS_URL is not set" in capsys.readouterr().err
            monkeypatch.setenv("REDIS_URL", address)
            assert main(["config", "-c", str(folder / "draft/scorer.yaml")]) == 0
            assert encoded not in "".join(capsys.readouterr())
        finally:
            client.execute_command("ACL", "DELUSER", "reader")
    init(folder, "--redis", "redis://reader:hush-hush@127.0.0.1:1/0", "--output", str(folder / "other"), code=1)
    assert "hush" not in "".join(capsys.readouterr())


def test_hostile_names_cannot_break_out_of_the_files(
    folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for number in range(5):
            client.hset(f"card:{NASTY}{number}", mapping={"spend": 1, NASTY: 2})
            client.hset(f"{NASTY}:{number}", mapping={"spend": 1})
    model(folder / "fraud.ubj", ["amount", NASTY.replace("[", "("), "spend"])
    files = init(folder, "--redis", redis_url, "--events", str(_events(folder)))
    names = [column["name"] for column in files["plan.yaml"]["columns"]]
    assert names == ["amount", NASTY.replace("[", "("), "spend"]
    assert files["plan.yaml"]["columns"][2] == {"name": "spend"}
    assert "\x1b" not in "".join(capsys.readouterr())


def _events(folder: Path) -> Path:
    (folder / "events.jsonl").write_text('{"id": "a", "at": 0, "amount": 1, "card": "x"}\n')
    return folder / "events.jsonl"


def test_the_columns_of_a_model_without_names_are_open(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model(folder / "fraud.ubj", None)
    assert init(folder)["plan.yaml"]["columns"] == [{"name": "f0"}, {"name": "f1"}, {"name": "f2"}]
    assert "the model has no column names" in capsys.readouterr().err


def test_init_reads_a_schema_from_a_registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as stub:
        stub.version("card.payments-value", 3, 7, payment())
        monkeypatch.setenv("SCORER_REGISTRY__TOKEN", "open-sesame")
        files = init(folder, "--registry", stub.url, "--subject", "card.payments-value", schema=False)
        assert {headers.get("Authorization") for _, headers, _ in stub.asked} == {"Bearer open-sesame"}
    assert files["scorer.yaml"]["events"] == {
        "framing": "confluent",
        "subject": "card.payments-value",
        "id": "id",
        "time": "at",
    }
    assert files["scorer.yaml"]["registry"] == {"url": stub.url}
    assert files["scorer.yaml"]["kafka"]["input_topics"] == ["card.payments"]
    assert "open-sesame" not in (folder / "draft/scorer.yaml").read_text()


def test_a_bundle_is_accepted_as_a_model(tmp_path: Path, folder: Path) -> None:
    version = folder / "models/card-fraud/1"
    version.mkdir(parents=True)
    (folder / "fraud.ubj").rename(version / "model.ubj")
    (version / "plan.yaml").write_text("columns: [{name: amount, event: amount}]")
    options = ["--schema", str(folder / "payment.avsc"), "--model"]
    for number, given in enumerate((folder / "models/card-fraud", version)):
        output = tmp_path / str(number)
        assert main(["init", *options, str(given), "--output", str(output)]) == 0
        assert yaml.safe_load((output / "scorer.yaml").read_text())["kafka"]["group_id"] == "card-fraud"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "none.ubj", "--schema", "payment.avsc"], "no file none.ubj"),
        (["--model", "payment.avsc", "--schema", "payment.avsc"], "--model: 'payment.avsc'"),
        (["--model", "fraud.ubj", "--schema", "none.avsc"], "none.avsc: cannot be read"),
        (["--model", "fraud.ubj", "--schema", "payment.avsc", "--events", "none.jsonl"], "none.jsonl: cannot be read"),
        (["--model", "fraud.ubj", "--schema", "payment.avsc", "--redis", "http://x"], "features.url: unknown form"),
        (["--model", "fraud.ubj", "--registry", "http://127.0.0.1:1"], "--subject"),
        (["--model", "fraud.ubj", "--schema", "payment.avsc", "--subject", "x"], "--subject"),
    ],
)
def test_wrong_inputs_are_refused(
    folder: Path,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert main(["init", *options]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "scorer.yaml").exists()


def test_init_prints_one_json_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(folder, "--json")
    document = json.loads(capsys.readouterr().out)
    assert [column["confidence"] for column in document["columns"]] == ["high", "good", "open"]
    assert document["columns"][1]["source"] == {"event": "at", "part": "hour"}
    assert document["problems"] == []


def test_a_wrong_variable_is_reported_after_the_files_are_written(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORER_NOTHING", "1")
    init(folder)
    assert "wrong   SCORER_NOTHING: unknown variable" in capsys.readouterr().err


def test_an_id_and_a_time_that_are_not_certain_are_open(folder: Path) -> None:
    schema = payment(
        {"name": "card_payment_id", "type": "string"},
        {"name": "booked", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    )
    schema["fields"][1]["name"] = "received"
    (folder / "payment.avsc").write_text(json.dumps(schema))
    assert init(folder)["scorer.yaml"]["events"] == {"schema": "../payment.avsc"}
    text = (folder / "draft/scorer.yaml").read_text()
    assert "# open: id: the field that identifies an event: id or card_payment_id;" in text
    assert "# open: time: the timestamp of an event: received or booked;" in text


def test_an_open_column_is_not_also_reported_as_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """XGBoost keeps no category legibly that is not ASCII, so this one stays open."""
    frame = pd.DataFrame({"amount": range(20), "card": pd.Categorical(["a", "é"] * 10)})
    data = xgboost.DMatrix(frame, np.arange(20) % 2, enable_categorical=True)
    xgboost.train({"nthread": 1, "tree_method": "hist"}, data, 1).save_model(folder / "fraud.ubj")
    init(folder)
    shown = capsys.readouterr().err
    assert "list its categories in the order of training: the model does not keep them legibly" in shown
    assert "wrong" not in shown
