"""Requests to MLflow in what a real server does not do when a test wants it: a redirect, a cut-off file, and TLS."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from scorer.errors import Misconfigured, RepositoryUnavailable, ScorerError
from scorer.model import AliasHome, MlflowRepository
from scorer.model.repositories.mlflow import repository
from scorer.model.repositories.mlflow.http import CA, CLIENT, PASSWORD, URI, USER, Server
from tests.registry.stub import Answer, serving

LOGIN = {USER: "svc", PASSWORD: "s3cret-of-tests"}
PATH = "/api/2.0/mlflow/registered-models/get?name=fraud"


def test_a_redirect_is_not_followed_with_the_login() -> None:
    with serving() as stub, serving() as elsewhere:
        stub.answers[PATH] = (302, b"")
        stub.headers["Location"] = elsewhere.url
        with pytest.raises(Misconfigured, match="status 302"):
            Server({URI: stub.url} | LOGIN).get("mlflow/registered-models/get", name="fraud")
        assert (stub.paths, elsewhere.asked) == ([PATH], [])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_fails_for_now_is_unavailable(status: int) -> None:
    with serving() as stub:
        stub.answers[PATH] = (status, {"error_code": "INTERNAL_ERROR", "message": "later"})
        with pytest.raises(RepositoryUnavailable, match=f"status {status}: later"):
            Server({URI: stub.url}).get("mlflow/registered-models/get", name="fraud")


class Always(dict[str, Answer]):
    """The same answer to every question."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, _path: str, _otherwise: object = None) -> Answer:
        return self._answer


KINDS: list[object] = [None, {}, [], 5]
NUMBERS: list[object] = ["../../x", "", [], -1]
ALIASES: list[object] = [None, [], {"aliases": 5}, {"aliases": [{}]}, {"aliases": [[]]}]
ODD: list[object] = [*KINDS, "x", b"[" * 100_000, b"9" * 5_000, b"\xff", {"model_versions": 5, "model_version": 5}]
ODD += [{"model_versions": [each], "model_version": each, "artifact_uri": []} for each in KINDS]
ODD += [{"model_versions": [{"version": each}], "model_version": {"version": each}} for each in NUMBERS]
ODD += [{"artifact_uri": each} for each in ("relative", "http://[", "", "\0")]
ODD += [{"registered_model": each} for each in ALIASES]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("answer", ODD)
def test_an_answer_of_another_form_says_what_to_check(
    status: int, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as stub:
        monkeypatch.setenv(URI, stub.url)
        stub.answers = Always((status, answer))
        for version in ("@champion", "1"):
            with pytest.raises(Misconfigured, match=URI):
                MlflowRepository("mlflow:/fraud").find(version)


@pytest.mark.parametrize("last", [b"{" * 100_000, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": []}])
def test_an_alias_that_is_odd_never_ends_who_follows_it(last: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as stub:
        monkeypatch.setenv(URI, stub.url)
        stub.answers = Always((404, last))
        with pytest.raises(ScorerError):
            AliasHome(MlflowRepository("mlflow:/fraud"), "@champion").read()


def test_a_list_of_versions_without_an_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MOST_PAGES", 20)
    with serving() as stub:
        monkeypatch.setenv(URI, stub.url)
        stub.answers = Always((200, {"model_versions": [{"version": "1"}], "next_page_token": "more"}))
        with pytest.raises(Misconfigured, match="does not answer as MLflow does"):
            MlflowRepository("mlflow:/fraud").versions()
        assert len(stub.asked) == 21


@contextmanager
def answering(text: bytes) -> Iterator[str]:
    """A server that answers one request with a text, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(text)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf of it",
        b"HTTP/1.1 20",
        b"",
    ],
)
def test_a_file_that_is_cut_off_is_no_file(tmp_path: Path, text: bytes) -> None:
    with answering(text) as url, pytest.raises(RepositoryUnavailable, match=f"MLflow at {url} cannot be reached: "):
        Server({URI: url}).download("0/models/m-1/artifacts/model.ubj", tmp_path / "model.ubj")


def test_certificates_are_those_that_the_variables_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca, own = tmp_path / "ca.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("svc@example.org").private_key_and_cert_chain_pem.write_to_path(str(own))
    with serving(context) as stub:
        stub.answers[PATH] = (200, {"registered_model": {}})
        url = {URI: stub.url.replace("http:", "https:")}
        for lacking in ({CLIENT: str(own)}, {CA: str(ca)}):
            with pytest.raises(RepositoryUnavailable):
                Server(url | lacking).get("mlflow/registered-models/get", name="fraud")
        found = Server(url | {CA: str(ca), CLIENT: str(own)}).get("mlflow/registered-models/get", name="fraud")
        assert found == {"registered_model": {}}
