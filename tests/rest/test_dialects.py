"""Every dialect, as its clients speak it: the same rows get the same scores whatever they are asked in."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from scorer.avro.json.prediction_json import score_json
from scorer.rest.dialects import oip, tensors
from scorer.rest.exchange import Scored
from scorer.serving.serving import prepare
from scorer.settings import load
from tests.api.example import row, write_example
from tests.rest.served import Reply, Served, serving_only
from tests.rest.test_equality import plain

MODEL = "parcels"


@pytest.fixture(scope="module")
def columns(parcels_config: Path) -> list[str]:
    return list(prepare(load(parcels_config, environ={}).settings).columns)


@pytest.fixture(scope="module")
def lines(columns: list[str]) -> list[list[float | None]]:
    """Rows of the model's columns."""
    rng = np.random.default_rng(3)
    values = (rng.normal(0, 1, (4, len(columns))) * 10 ** rng.uniform(-3, 6, (4, len(columns)))).tolist()
    values[1][3] = values[2][0] = None
    return [[None if value is None else float(np.float32(value)) for value in line] for line in values]


@pytest.fixture(scope="module")
def expected(lines: list[list[float | None]], parcels_config: Path) -> list[float]:
    """Their scores by XGBoost itself."""
    booster = xgboost.Booster(model_file=parcels_config.parent / "models/parcels/1/model.ubj")
    scores: list[float] = booster.inplace_predict(np.array(lines, np.float32), validate_features=False).tolist()
    return scores


@pytest.fixture(scope="module")
def events(parcels: Served) -> tuple[list[dict[str, Any]], list[float]]:
    """Events and their scores, as the own dialect gives them."""
    rows = [plain(row()), plain(row(amount=99.5, country="US")), plain(row(country="Åland") | {"discount": None})]
    return rows, [each["score"] for each in parcels.ask("/score", rows).json]


JSON: dict[str, Any] = {"Content_Type": "application/json"}
CSV: dict[str, Any] = {"Content_Type": "text/csv"}

Rows = list[Any]
Call = Callable[[Served, Rows, list[str]], Any]


def by_column(rows: Rows, names: list[str]) -> dict[str, list[Any]]:
    """Rows of either kind as columns."""
    named = [each if isinstance(each, dict) else dict(zip(names, each, strict=True)) for each in rows]
    return {name: [each[name] for each in named] for name in named[0]}


def split(rows: Rows, names: list[str]) -> dict[str, list[Any]]:
    columns = by_column(rows, names)
    return {"columns": list(columns), "data": [list(each) for each in zip(*columns.values(), strict=True)]}


def member(name: str) -> Callable[[Reply], Any]:
    return lambda reply: reply.json[name]


def whole(reply: Reply) -> Any:
    return reply.json


ASKS: Mapping[str, tuple[str, Callable[[Rows, list[str]], Any], Callable[[Reply], Any]]] = {
    "own": ("/score", lambda rows, _: rows, lambda reply: [each["score"] for each in reply.json]),
    "azure, data": ("/score", lambda rows, _: {"data": rows}, whole),
    "azure, a list": ("/score", lambda rows, _: {"input_data": rows}, whole),
    "azure, a frame": (
        "/score",
        lambda rows, names: {"input_data": split(rows, names) | {"index": list(range(len(rows)))}},
        whole,
    ),
    "tensorflow, rows": (f"/v1/models/{MODEL}:predict", lambda rows, _: {"instances": rows}, member("predictions")),
    "tensorflow, columns": (
        f"/v1/models/{MODEL}/versions/1:predict",
        lambda rows, names: {"inputs": by_column(rows, names)},
        member("outputs"),
    ),
    "tensorflow, a label": (
        f"/v1/models/{MODEL}/labels/champion:predict",
        lambda rows, _: {"signature_name": "serving_default", "instances": rows},
        member("predictions"),
    ),
    "mlflow, split": (
        "/invocations",
        lambda rows, names: {"dataframe_split": split(rows, names)},
        member("predictions"),
    ),
    "mlflow, records": ("/invocations", lambda rows, _: {"dataframe_records": rows}, member("predictions")),
    "mlflow, instances": ("/invocations", lambda rows, _: {"instances": rows}, member("predictions")),
    "mlflow, inputs": (
        "/invocations",
        lambda rows, names: {"inputs": by_column(rows, names)},
        member("predictions"),
    ),
    "sagemaker, a list": ("/invocations", lambda rows, _: rows, member("predictions")),
    "torchserve, a list": (f"/predictions/{MODEL}", lambda rows, _: rows, whole),
    "torchserve, a version": (f"/predictions/{MODEL}/1", lambda rows, _: rows, whole),
}


@pytest.mark.parametrize("name", ASKS)
def test_events_get_their_scores_in_every_dialect(
    parcels: Served, events: tuple[list[dict[str, Any]], list[float]], columns: list[str], name: str
) -> None:
    path, write, read = ASKS[name]
    rows, scores = events
    reply = parcels.ask(path, write(rows, columns), **JSON)
    assert (reply.status, read(reply)) == (200, scores)


@pytest.mark.parametrize("name", ASKS)
def test_rows_of_columns_get_the_scores_of_xgboost_in_every_dialect(
    parcels: Served, lines: Rows, expected: list[float], columns: list[str], name: str
) -> None:
    path, write, read = ASKS[name]
    reply = parcels.ask(path, write(lines, columns), **JSON)
    assert (reply.status, read(reply)) == (200, expected)


def test_columns_are_found_by_name_in_any_order(
    parcels: Served, lines: Rows, expected: list[float], columns: list[str]
) -> None:
    backwards = [dict(reversed(list(zip(columns, line, strict=True)))) for line in lines]
    assert [each["score"] for each in parcels.ask("/score", backwards).json] == expected


@pytest.mark.parametrize("name", ASKS)
def test_a_bad_row_is_named_in_every_dialect(parcels: Served, columns: list[str], name: str) -> None:
    """A dialect without a place for the reason refuses the request, so that nobody takes a null for a score."""
    path, write, _ = ASKS[name]
    rows = [plain(row()), plain(row()) | {"pieces": "three"}]
    reply = parcels.ask(path, write(rows, columns), **JSON)
    if name == "own":
        assert (reply.status, reply.json[1]["detail"]) == (200, 'pieces: "three"; expected a whole number of 32 bits')
    else:
        assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
        assert [(each["row"], each["field"]) for each in reply.json["errors"]] == [(1, "pieces")]
        assert reply.json["error"] == reply.json["detail"]


@pytest.mark.parametrize("name", ASKS)
def test_a_wrong_value_of_a_column_is_named_in_every_dialect(
    parcels: Served, lines: Rows, columns: list[str], name: str
) -> None:
    path, write, read = ASKS[name]
    wrong = [lines[0], [*lines[1][:-1], "much"]]
    reply = parcels.ask(path, write(wrong, columns), **JSON)
    if name == "own":
        assert read(reply)[1] is None
    else:
        (error,) = reply.json["errors"]
        assert (error["row"], error["field"], error["value"]) == (1, columns[-1], '"much"')


# SageMaker


def as_csv(lines: Rows) -> str:
    return "".join(",".join("" if value is None else repr(value) for value in line) + "\n" for line in lines)


def test_sagemaker_csv(parcels: Served, lines: Rows, expected: list[float], columns: list[str]) -> None:
    reply = parcels.ask("/invocations", as_csv(lines), **CSV)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert [float(line) for line in reply.body.decode().splitlines()] == expected
    order = sorted(range(len(columns)), key=lambda at: columns[at])
    named = [[columns[at] for at in order], *([line[at] for at in order] for line in lines)]
    text = ",".join(map(str, named[0])) + "\n" + as_csv(named[1:])
    reply = parcels.ask("/invocations", text, Accept="application/json", **CSV)
    assert reply.json == {"predictions": expected}


def test_sagemaker_json_lines(
    parcels: Served, lines: Rows, expected: list[float], events: tuple[list[dict[str, Any]], list[float]]
) -> None:
    for rows, scores in ((lines, expected), events, ([{"features": line} for line in lines], expected)):
        text = "\n".join(map(json.dumps, rows))
        reply = parcels.ask("/invocations", text, Content_Type="application/jsonlines")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/jsonlines")
        assert [json.loads(line) for line in reply.body.splitlines()] == [{"score": score} for score in scores]


def test_sagemaker_one_row(
    parcels: Served, lines: Rows, expected: list[float], events: tuple[list[dict[str, Any]], list[float]]
) -> None:
    assert parcels.ask("/invocations", lines[0]).json == {"predictions": expected[:1]}
    assert parcels.ask("/invocations", events[0][0]).json == {"predictions": events[1][:1]}
    features = {"instances": [{"features": line} for line in lines]}
    assert parcels.ask("/invocations", features).json == {"predictions": expected}


@pytest.mark.parametrize(
    ("body", "kind", "status", "told"),
    [
        ("1,2\n", "text/csv", 422, "2 values; expected 19, one for each column of the model"),
        ("amount,much\n1,2\n", "text/csv", 400, "the first line: found"),
        (f"{'1,' * 18}2\n{'1,' * 18}1_0\n", "text/csv", 422, '1 of 2 rows cannot be scored; row 1: ratio: "1_0"'),
        (b"\xff", "text/csv", 400, "the body is not CSV in UTF-8"),
        ('"', "text/csv", 400, "the body is not CSV in UTF-8"),
        ("{}\n[", "application/jsonlines", 400, "line 2 is not JSON"),
        ("x", "application/x-protobuf", 415, "Content-Type: found application/x-protobuf; expected one of"),
        ({"instances": [], "inputs": []}, "application/json", 400, "the body: found"),
        ({"dataframe_split": {"columns": ["a"]}}, "application/json", 400, "dataframe_split: found"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "application/json", 400, "dataframe_split.columns"),
        ({"dataframe_split": {"columns": ["a"], "data": [[]]}}, "application/json", 400, "dataframe_split.data[0]"),
        ({"dataframe_records": {}}, "application/json", 400, "dataframe_records: found {}; expected a list of rows"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "application/json", 400, "inputs.b: found 2; expected 1 values"),
    ],
)
def test_invocations_that_are_wrong(parcels: Served, body: object, kind: str, status: int, told: str) -> None:
    reply = parcels.ask("/invocations", body, Content_Type=kind)
    assert reply.status == status
    assert told in reply.json["detail"]


def test_nothing_to_score(parcels: Served) -> None:
    assert parcels.ask("/invocations", [], **JSON).json == {"predictions": []}
    assert parcels.ask("/invocations", "", **CSV).body == b""
    assert parcels.ask(f"/v1/models/{MODEL}:predict", {"instances": []}).json == {"predictions": []}


# Open Inference Protocol

INFER = f"/v2/models/{MODEL}/infer"


def tensor(lines: Rows) -> dict[str, Any]:
    data = [value for line in lines for value in line]
    return {"name": "rows", "shape": [len(lines), len(lines[0])], "datatype": "FP32", "data": data}


def test_infer_one_tensor(parcels: Served, lines: Rows, expected: list[float]) -> None:
    output = {"name": "score", "shape": [4], "datatype": "FP32", "data": expected}
    reply = parcels.ask(INFER, {"id": "7", "inputs": [tensor(lines)], "outputs": [{"name": "score"}]})
    assert reply.json == {"model_name": MODEL, "model_version": "1", "id": "7", "outputs": [output]}
    nested = tensor(lines) | {"data": lines}
    reply = parcels.ask(f"/v2/models/{MODEL}/versions/1/infer", {"inputs": [nested]})
    assert reply.json["outputs"] == [output]


def test_infer_binary_tensors(parcels: Served, lines: Rows, expected: list[float]) -> None:
    values = np.array(lines, np.float32).tobytes()
    inputs = [tensor(lines) | {"parameters": {"binary_data_size": len(values)}}]
    del inputs[0]["data"]
    head = json.dumps({"inputs": inputs}).encode()
    reply = parcels.ask(INFER, head + values, Inference_Header_Content_Length=str(len(head)))
    assert reply.json["outputs"][0]["data"] == expected


@pytest.mark.parametrize(
    ("asked", "binary"),
    [
        ({"parameters": {"binary_data_output": True}}, True),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": True}}]}, True),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "score", "parameters": {"binary_data": False}}],
            },
            False,
        ),
        ({"parameters": {"binary_data_output": False}, "outputs": [{"name": "score"}]}, False),
        ({"parameters": {"priority": 1}}, False),
    ],
)
def test_infer_answers_with_bytes_if_it_is_asked_to(
    parcels: Served,
    lines: Rows,
    expected: list[float],
    asked: dict[str, Any],
    binary: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    reply = parcels.ask(INFER, {"id": "7", "inputs": [tensor(lines)], **asked})
    if not binary:
        assert reply.json["outputs"][0]["data"] == expected
        return
    assert reply.headers["content-type"] == "application/octet-stream"
    size = int(reply.headers["inference-header-content-length"])
    values = np.array(expected, np.float32).tobytes()
    assert reply.body[size:] == values
    output = {"name": "score", "shape": [4], "datatype": "FP32", "parameters": {"binary_data_size": len(values)}}
    assert json.loads(reply.body[:size]) == {"model_name": MODEL, "model_version": "1", "id": "7", "outputs": [output]}


@pytest.mark.parametrize(("datatype", "numbers"), [("FP32", np.float32), ("FP64", np.float64)])
def test_scores_of_classes_and_those_that_are_not_finite_are_bytes_as_well(datatype: str, numbers: type[Any]) -> None:
    scores = np.array([[0.1, np.nan], [np.inf, -np.inf]], numbers)
    rows = [{"score": score_json(row.tolist())} for row in scores]
    reply = oip._write(None, datatype, Scored("m", "1", rows, {}), binary=True)
    size = int(dict(reply.headers)[tensors.HEADER])
    assert reply.body[size:] == scores.tobytes()
    assert json.loads(reply.body[:size])["outputs"][0]["shape"] == [2, 2]


def test_infer_a_tensor_for_each_field(parcels: Served, events: tuple[list[dict[str, Any]], list[float]]) -> None:
    rows, scores = events
    types = {str: "BYTES", bool: "BOOL", int: "INT64", float: "FP64"}
    fields = by_column([each | {"discount": 0.5} for each in rows], [])
    flat = {name: values for name, values in fields.items() if type(values[0]) in types}
    inputs: list[dict[str, Any]] = [
        {"name": name, "shape": [3, 1], "datatype": types[type(values[0])], "data": values}
        for name, values in flat.items()
    ]
    names = parcels.ask("/score", [dict(zip(flat, line, strict=True)) for line in zip(*flat.values(), strict=True)])
    assert parcels.ask(INFER, {"inputs": inputs}).json["outputs"][0]["data"] == [each["score"] for each in names.json]
    assert len(scores) == len(names.json)
    texts = [value.encode() for value in flat["country"]]
    binary = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    for each in inputs:
        if each["name"] == "country":
            del each["data"]
            each["parameters"] = {"binary_data_size": len(binary)}
    head = json.dumps({"inputs": inputs}).encode()
    reply = parcels.ask(INFER, head + binary, Inference_Header_Content_Length=str(len(head)))
    assert reply.json["outputs"][0]["data"] == [each["score"] for each in names.json]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": []}, "inputs: found []"),
        ({"inputs": 3}, "inputs: found 3"),
        ({"inputs": [3]}, "inputs[0]: found 3"),
        ({"inputs": [{"name": 1}]}, "inputs[0].name: found 1"),
        ({"inputs": [{"name": "a", "shape": [-1]}]}, "inputs[0].shape: found [-1]"),
        ({"inputs": [{"name": "a", "shape": [1], "datatype": "X"}]}, "inputs[0].datatype: found"),
        ({"inputs": [{"name": "a", "shape": [2], "datatype": "FP32", "data": [1]}]}, "inputs[0].data: found 1"),
        ({"inputs": [{"name": "a", "shape": [1], "datatype": "FP32"}]}, "inputs[0].data: found null"),
        (
            {
                "inputs": [
                    {"name": "a", "shape": [1], "datatype": "FP32", "data": [1]},
                    {"name": "b", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
                ]
            },
            "inputs[1].shape: found [1, 2]",
        ),
        (
            {
                "inputs": [
                    {"name": "a", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}},
                ]
            },
            "inputs[0].parameters.binary_data_size: found 4",
        ),
        (
            {
                "inputs": [{"name": "a", "shape": [1], "datatype": "FP32", "data": [1]}],
                "outputs": [{"name": "score", "parameters": {"binary_data": 1}}],
            },
            "outputs[0].parameters.binary_data: found 1",
        ),
        (
            {"inputs": [{"name": "a", "shape": [1], "datatype": "FP32", "data": [1]}], "parameters": 3},
            "parameters: found 3",
        ),
        (
            {"inputs": [{"name": "a", "shape": [0], "datatype": "BYTES", "data": []}], "outputs": [{}]},
            "outputs[0].name",
        ),
    ],
)
def test_inference_requests_that_are_wrong(parcels: Served, change: dict[str, Any], told: str) -> None:
    reply = parcels.ask(INFER, change)
    assert (reply.status, reply.json["error"].startswith(told)) == (400, True), reply.json


# What each dialect tells of the server


def test_pages_of_the_dialects(parcels: Served, columns: list[str]) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready", "/ping", "/health"):
        assert parcels.ask(path).status == 200, path
    assert parcels.ask(f"/v2/models/{MODEL}/versions/1/ready").status == 200
    assert parcels.ask(f"/v2/models/{MODEL}/versions/2/ready").status == 503
    assert parcels.ask("/v2").json["name"] == "scorer"
    for path in (f"/v2/models/{MODEL}", f"/v2/models/{MODEL}/versions/1"):
        metadata = parcels.ask(path).json
        assert (metadata["name"], metadata["versions"]) == (MODEL, ["1"])
        assert metadata["inputs"] == [{"name": "rows", "datatype": "FP32", "shape": [-1, len(columns)]}]
    assert parcels.ask("/v2/repository/index", {}).json[0]["state"] == "READY"
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in (f"/v1/models/{MODEL}", f"/v1/models/{MODEL}/versions/1", f"/v1/models/{MODEL}/labels/champion"):
        assert parcels.ask(path).json == {"name": MODEL, "ready": True, "model_version_status": [state]}
        assert parcels.ask(f"{path}/metadata").json["model_spec"] == {
            "name": MODEL,
            "signature_name": "",
            "version": "1",
        }
    assert parcels.ask("/v1/models").json == {"models": [MODEL]}
    assert parcels.ask("/models").json == {"models": [{"modelName": MODEL, "modelUrl": MODEL}]}
    for path in (f"/models/{MODEL}", f"/models/{MODEL}/1", f"/models/{MODEL}/all"):
        assert [each["modelVersion"] for each in parcels.ask(path).json] == ["1"]
    assert parcels.ask("/execution-parameters").json["MaxPayloadInMB"] == 10


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/other:predict",
        f"/v1/models/{MODEL}/versions/2:predict",
        f"/v1/models/{MODEL}/labels/canary:predict",
        f"/v2/models/{MODEL}/versions/2/infer",
        f"/predictions/{MODEL}/2",
        "/predictions/other",
    ],
)
def test_a_model_or_version_that_is_not_served(parcels: Served, lines: Rows, path: str) -> None:
    body = {"instances": lines, "inputs": [tensor(lines)]}
    assert parcels.ask(path, lines if path.startswith("/pred") else body).status == 404


@pytest.mark.prove
def test_vertex_chooses_routes_and_port_by_variables(parcels_config: Path, tmp_path: Path) -> None:
    variables = {"AIP_HEALTH_ROUTE": "/healthy", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict", "AIP_HTTP_PORT": "0"}
    with Served(parcels_config, tmp_path / "log", **variables) as server:
        assert server.ask("/healthy").status == 200
        server.until_ready()
        reply = server.ask("/v1/endpoints/7:predict", {"instances": [plain(row())], "parameters": {}})
        assert len(reply.json["predictions"]) == 1


@pytest.mark.prove
def test_a_model_with_several_scores(tmp_path: Path, redis_url: str) -> None:
    config = serving_only(write_example(tmp_path, redis_url, classes=3))
    event = plain(row())
    with Served(config, tmp_path / "log") as server:
        server.until_ready()
        scores = server.ask("/score", event).json["score"]
        assert len(scores) == 3
        assert server.ask(f"/v1/models/{MODEL}:predict", {"instances": [event]}).json == {"predictions": [scores]}
        reply = server.ask(INFER, {"inputs": [tensor([[0.5] * 19] * 2)]})
        assert reply.json["outputs"][0]["shape"] == [2, 3]
        values = reply.json["outputs"][0]["data"]
        text = server.ask("/invocations", as_csv([[0.5] * 19]), **CSV).body.decode()
        assert [float(value) for value in text.split(",")] == values[:3] == values[3:]
