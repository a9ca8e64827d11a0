"""Whatever a client sends, it gets a response, and an error is a problem document: nothing crashes, nothing hangs."""

import http.client
import json
import resource
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.example import row
from tests.rest.served import PATIENCE, Served, ask
from tests.rest.test_equality import plain

MODEL = "parcels"
PATHS = [
    "/score",
    "/invocations",
    f"/v1/models/{MODEL}:predict",
    f"/v1/models/{MODEL}/versions/1:predict",
    f"/v2/models/{MODEL}/infer",
    f"/predictions/{MODEL}",
    "/v2/repository/index",
]
KINDS = ["application/json", "text/csv", "application/jsonlines", "", "x/y; z"]
STATUSES = {200, 400, 404, 405, 413, 415, 422}

NAMES = st.sampled_from(
    [
        "instances",
        "inputs",
        "input_data",
        "data",
        "columns",
        "name",
        "shape",
        "datatype",
        "parameters",
        "outputs",
        "id",
        "dataframe_split",
        "index",
        "dataframe_records",
        "binary_data_size",
        "features",
        "shop",
        "day",
        "sales",
        "amount",
    ]
) | st.text(max_size=4)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, -1, 19, 10**400])
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from(["FP32", "BYTES", "score", "NaN"])
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
EVENT = plain(row())
EVENTS = st.dictionaries(st.sampled_from(sorted(EVENT)), DOCUMENTS, max_size=3).map(lambda wrong: EVENT | wrong)
TENSORS = st.fixed_dictionaries(
    {"name": NAMES, "shape": st.lists(st.integers(-1, 20), max_size=3), "datatype": st.sampled_from(["FP32", "BYTES"])},
    optional={
        "data": st.lists(LEAVES, max_size=20),
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 30)}),
    },
)
BODIES = (
    DOCUMENTS.map(json.dumps).map(str.encode)
    | st.lists(EVENTS, max_size=3).map(json.dumps).map(str.encode)
    | st.fixed_dictionaries({"instances": st.lists(EVENTS | DOCUMENTS, max_size=3)}).map(json.dumps).map(str.encode)
    | st.fixed_dictionaries({"inputs": st.lists(TENSORS, max_size=3)}).map(json.dumps).map(str.encode)
    | st.binary(max_size=60)
    | st.text('0123456789.,-\n"ae ', max_size=60).map(str.encode)
)


def hostile(server: Served, examples: int) -> None:
    connection = server.connect()

    @settings(max_examples=examples)
    @given(
        path=st.sampled_from(PATHS),
        body=BODIES,
        kind=st.sampled_from(KINDS),
        head=st.none() | st.sampled_from(["0", "5", "-1", "x", "9" * 30]),
    )
    def answered(path: str, body: bytes, kind: str, head: str | None) -> None:
        headers: dict[str, Any] = {"Content_Type": kind}
        if head is not None:
            headers["Inference_Header_Content_Length"] = head
        reply = ask(connection, path, body, method="POST", **headers)
        assert reply.status in STATUSES, reply.body
        if reply.status != 200:
            assert reply.headers["content-type"] == "application/problem+json"
            document = reply.json
            assert (document["status"], bool(document["title"]), bool(document["detail"])) == (reply.status, True, True)

    answered()
    connection.close()


def test_malformed_requests_get_problem_documents(parcels: Served) -> None:
    hostile(parcels, 400)
    assert parcels.ask("/score", plain(row())).status == 200
    assert [line for line in parcels.lines if line["event"] == "request failed"] == []


TENSOR = {"name": "rows", "shape": [1, 19], "datatype": "FP32", "data": [1.0] * 19}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"outputs": 5}, "outputs"),
        ({"outputs": True}, "outputs"),
        ({"inputs": [TENSOR | {"datatype": ["FP32"]}]}, "inputs[0].datatype"),
        ({"inputs": [TENSOR | {"datatype": {}}]}, "inputs[0].datatype"),
        ({"inputs": [TENSOR | {"shape": [10**4000, 10**4000]}]}, "inputs[0].shape"),
        ({"inputs": [TENSOR | {"shape": [1] * 1_000}]}, "inputs[0].shape"),
    ],
)
def test_an_infer_request_with_a_value_of_another_kind_is_told_where(
    parcels: Served, wrong: dict[str, Any], field: str
) -> None:
    reply = parcels.ask(f"/v2/models/{MODEL}/infer", {"inputs": [TENSOR]} | wrong)
    assert (reply.status, [error["field"] for error in reply.json["errors"]]) == (400, [field])


@pytest.mark.parametrize("digits", ["0" * 18 + "9" * 5000, "9" * 30])
def test_a_length_of_thousands_of_digits_is_told_where(parcels: Served, digits: str) -> None:
    reply = parcels.ask(f"/v2/models/{MODEL}/infer", {"inputs": [TENSOR]}, Inference_Header_Content_Length=digits)
    assert (reply.status, reply.json["errors"][0]["field"]) == (400, "inference-header-content-length")


@pytest.mark.prove
def test_many_malformed_requests_leave_the_memory_as_it_was(parcels_config: Path, tmp_path: Path) -> None:
    with Served(parcels_config, tmp_path / "log") as server:
        hostile(server, 500)
        before = server.memory
        hostile(server, 2_000)
        assert server.memory < before + 20_000_000
        assert server.ask("/score", plain(row())).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",  # the beginning of TLS
        b"GET /live\r\n\r\n",
        b"POST /score HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /score HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A" * 100_000 + b"\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_end_their_connection_and_nothing_else(parcels: Served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", parcels.port), timeout=PATIENCE) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    assert received == b"" or received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 2")), received
    assert parcels.ask("/score", plain(row())).status == 200


def test_idle_connections_make_room_for_probes(parcels: Served) -> None:
    files = resource.prlimit(parcels.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(parcels.pid, resource.RLIMIT_NOFILE, (256, files[1]))
    kept = parcels.connect()
    try:
        with ExitStack() as stack:
            for number in range(400):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", parcels.port), timeout=PATIENCE))
                # So that it is accepted: otherwise many are at once, and `kept` has waited longest.
                client.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
                if number % 50 == 0:
                    assert ask(kept, "/live").status == 200, "it is in use: others wait longer"
            assert parcels.ask("/live").status == 200
    finally:
        kept.close()
        resource.prlimit(parcels.pid, resource.RLIMIT_NOFILE, files)
    assert parcels.ask("/score", plain(row())).status == 200


def test_a_body_of_100_mb_is_refused_without_being_kept(parcels: Served) -> None:
    before = parcels.memory
    piece = b" " * 1_000_000
    for declared in (True, False):
        connection = parcels.connect()
        headers = {"Content-Length": str(100 * len(piece))} if declared else {"Transfer-Encoding": "chunked"}
        try:
            connection.request("POST", "/score", iter([piece] * 100), headers, encode_chunked=not declared)
            assert connection.getresponse().status == 413
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            pass  # it may close while the client still sends
        connection.close()
    assert parcels.memory < before + 60_000_000
    assert parcels.ask("/score", plain(row())).status == 200
