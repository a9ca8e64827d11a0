"""What is asked of a registry, how often, and what is made of its answers."""

import base64
import json
import random
import ssl
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme

from scorer.errors import RegistryUnavailable
from scorer.registry import Refusal, Registry, http, patiently, registry
from scorer.settings import RegistrySettings, TlsSettings
from tests.registry.stub import Stub, serving

INT, LONG = {"type": "record", "name": "A", "fields": []}, {"type": "record", "name": "B", "fields": []}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as one:
        yield one


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_LONGEST_PAUSE", 0.0)


def asking(*urls: str, **settings: Any) -> Registry:
    return Registry(RegistrySettings(url=",".join(urls), **settings))


def test_a_schema_id_is_requested_once(stub: Stub) -> None:
    stub.knows(7, INT)
    one = asking(stub.url)
    assert [one.by_id(7), one.by_id(7)] == [one.by_id(7)] * 2
    assert json.loads(one.by_id(7).text) == INT  # type: ignore[union-attr]
    assert stub.paths == ["/schemas/ids/7"]


def test_an_unknown_id_is_remembered_for_some_time(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asking(stub.url)
    assert (one.by_id(7), one.by_id(7), one.by_id(8)) == (None, None, None)
    assert stub.paths == ["/schemas/ids/7", "/schemas/ids/8"]
    stub.knows(7, INT)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + registry.UNKNOWN_SECONDS + 1)
    assert one.by_id(7)


def test_only_a_limited_number_of_unknown_ids_is_remembered(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MOST_UNKNOWN", 2)
    one = asking(stub.url)
    for number in (1, 2, 3, 3, 2, 1):
        one.by_id(number)
    assert stub.paths == [f"/schemas/ids/{number}" for number in (1, 2, 3, 1)]


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 502, 503, 504])
@pytest.mark.usefixtures("no_pause")
def test_an_error_status_is_never_an_unknown_schema(stub: Stub, status: int) -> None:
    stub.answers["/schemas/ids/7"] = (status, {"error_code": status, "message": "too bad"})
    one = asking(stub.url)
    with pytest.raises(RegistryUnavailable, match=rf"at {stub.url} answered with status {status}: too bad"):
        one.by_id(7)
    stub.knows(7, INT)
    assert one.by_id(7)


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"<html>no such page</html>"),  # of a proxy, or of a registry at another path
        (404, {"message": "no such page"}),
        (404, {"error_code": 1, "message": "something else"}),
        (302, b""),
        (400, {"error_code": 42201, "message": "bad"}),
        (200, b"<html>hello</html>"),
        (200, b""),
        (200, []),
        (200, "text"),
        (200, {"schema": "{}", "references": [{"subject": "x"}]}),
        (200, {"nothing": 1}),
        (200, b"[" * 100_000),
    ],
)
def test_an_invalid_response_means_that_the_registry_is_unavailable(stub: Stub, answer: tuple[int, Any]) -> None:
    stub.answers["/schemas/ids/7"] = answer
    with pytest.raises(RegistryUnavailable):
        asking(stub.url).by_id(7)


def test_the_backoff_grows_between_failed_requests(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(random, "uniform", lambda _, high: high)
    stub.answers["/schemas/ids/7"] = (503, {"message": "starting"})
    one, asked_at = asking(stub.url), []
    for _ in range(400):
        before = len(stub.asked)
        with pytest.raises(RegistryUnavailable, match="503: starting"):
            one.by_id(7)
        asked_at += [clock[0]] * (len(stub.asked) - before)
        clock[0] += 0.1
    pauses = [round(after - before) for before, after in pairwise(asked_at)]
    assert pauses in ([1, 1, 2, 4, 8, 10, 10], [0, 1, 2, 4, 8, 10, 10])


def test_the_retry_after_header_of_the_registry_is_respected(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stub.answers["/schemas/ids/7"] = (429, {"message": "slowly"})
    stub.headers["Retry-After"] = "5"
    one = asking(stub.url)
    for _ in range(49):
        with pytest.raises(RegistryUnavailable):
            one.by_id(7)
        clock[0] += 0.1
    assert len(stub.asked) == 1


@pytest.mark.parametrize("how", ["delay", "drip"])
def test_a_slow_response_has_a_deadline(stub: Stub, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.5)
    stub.knows(7, INT)
    setattr(stub, how, 2.0 if how == "delay" else 0.2)
    before = time.monotonic()
    with pytest.raises(RegistryUnavailable, match=r"did not answer within 0\.5 seconds|timed out"):
        asking(stub.url).by_id(7)
    assert time.monotonic() - before < 1.9


def test_the_next_address_is_tried_if_one_does_not_answer(stub: Stub) -> None:
    with serving() as broken:
        broken.answers["/schemas/ids/7"] = (503, {"message": "no leader"})
        stub.knows(7, INT)
        assert asking("http://127.0.0.1:1", broken.url, stub.url).by_id(7)
        assert len(broken.asked) == 1
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1:1 cannot be reached: .*; .*127\.0\.0\.1:2 cannot"):
        asking("http://127.0.0.1:1", "http://127.0.0.1:2").by_id(8)


def test_a_response_from_the_first_address_is_final(stub: Stub) -> None:
    with serving() as other:
        assert asking(stub.url, other.url).by_id(7) is None
        assert other.asked == []


def login(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"user": "svc:p:w"}, login("svc:p:w")),
        ({"token": "t0k"}, "Bearer t0k"),
        ({}, None),
    ],
)
def test_the_login_is_in_every_request(stub: Stub, settings: dict[str, str], expected: str | None) -> None:
    asking(stub.url, **settings).by_id(7)
    assert stub.asked[0][1].get("Authorization") == expected


def test_a_login_in_the_url_is_sent_and_never_shown(stub: Stub) -> None:
    url = stub.url.replace("://", "://svc:p%40w@")
    one = asking(url)
    one.by_id(7)
    assert stub.asked[0][1]["Authorization"] == login("svc:p@w")
    assert one.name == stub.url


def test_an_oauth_token_is_fetched_once_and_sent(stub: Stub) -> None:
    stub.answers["/token"] = (200, {"access_token": "abc", "expires_in": 3600})
    oauth = {
        "bearer.auth.client.id": "me",
        "bearer.auth.client.secret": "shh",
        "bearer.auth.issuer.endpoint.url": f"{stub.url}/token",
        "bearer.auth.logical.cluster": "lsrc-1",
    }
    one = asking(stub.url, oauth=oauth)
    one.by_id(7)
    one.by_id(8)
    assert stub.paths == ["/token", "/schemas/ids/7", "/schemas/ids/8"]
    assert stub.asked[0][2] == "grant_type=client_credentials&client_id=me&client_secret=shh&scope="
    sent = {name.lower(): value for name, value in stub.asked[2][1].items()}
    assert (sent["authorization"], sent["target-sr-cluster"]) == ("Bearer abc", "lsrc-1")


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000,
        [],
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "abc\r\nX-Evil: 1"},
        {"access_token": "abc\u0130"},
        {"access_token": "abc", "expires_in": 10**400},
        b'{"access_token": "abc", "expires_in": NaN}',
        b'{"access_token": "abc", "expires_in": Infinity}',
    ],
)
def test_an_issuer_whose_answer_is_odd_gives_no_token(stub: Stub, answer: object) -> None:
    stub.answers["/token"] = (200, answer)
    names = ["client.id", "client.secret", "issuer.endpoint.url"]
    oauth = dict(zip([f"bearer.auth.{name}" for name in names], ["me", "shh", f"{stub.url}/token"], strict=True))
    with pytest.raises(RegistryUnavailable, match=r"/token gave no token \(status 200\)") as refused:
        asking(stub.url, oauth=oauth).by_id(7)
    assert "abc" not in str(refused.value)


def test_an_issuer_that_returns_no_token_is_an_error(stub: Stub) -> None:
    stub.answers["/token"] = (401, {"error": "invalid_client"})
    names = ("client.id", "client.secret", "issuer.endpoint.url")
    oauth = dict(zip([f"bearer.auth.{name}" for name in names], ["me", "shh", f"{stub.url}/token"], strict=True))
    with pytest.raises(RegistryUnavailable, match=r"/token gave no token \(status 401\)"):
        asking(stub.url, oauth=oauth).by_id(7)


def test_a_redirect_is_not_followed_with_the_login(stub: Stub) -> None:
    with serving() as elsewhere:
        stub.answers["/schemas/ids/7"] = (302, b"")
        stub.headers["Location"] = elsewhere.url
        with pytest.raises(RegistryUnavailable, match="status 302"):
            asking(stub.url, user="svc:pw").by_id(7)
        assert elsewhere.asked == []


@pytest.mark.usefixtures("no_pause")
def test_tls_certificates_are_read_again(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca, own = tmp_path / "ca.pem", tmp_path / "client.pem"
    other.cert_pem.write_to_path(ca)
    client = authority.issue_cert("svc@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(own)
    with serving(context) as stub:
        stub.knows(7, INT)
        url = stub.url.replace("http:", "https:")
        one = asking(url, tls=TlsSettings(ca=ca, certificate=own))
        with pytest.raises(RegistryUnavailable, match="certificate verify failed"):
            one.by_id(7)
        authority.cert_pem.write_to_path(ca)
        assert one.by_id(7)
        with pytest.raises(RegistryUnavailable):
            asking(url, tls=TlsSettings(ca=ca)).by_id(7)
        with pytest.raises(RegistryUnavailable, match="No such file"):
            asking(url, tls=TlsSettings(ca=tmp_path / "none.pem")).by_id(7)


def test_references_come_before_the_schemas_that_use_them(stub: Stub) -> None:
    refer = [{"name": "B", "subject": "b", "version": 2}]
    stub.version("c", 1, 1, "c")
    stub.version("b", 2, 2, "b", references=[{"name": "C", "subject": "c", "version": 1}])
    stub.knows(7, "a", references=[*refer, {"name": "C", "subject": "c", "version": 1}])
    found = asking(stub.url).by_id(7)
    assert found is not None
    assert found.references == ('"c"', '"b"')
    stub.version("b", 2, 2, "b", references=refer)  # no registry lets it
    assert asking(stub.url).by_id(7)


def test_prefetched_versions_are_known_by_their_ids(stub: Stub) -> None:
    stub.answers["/subjects/pay%2Fment-value/versions"] = (200, [1, 2])
    stub.answers["/subjects/pay%2Fment-value/versions/1"] = (200, {"id": 4, "version": 1, "schema": "{}", "guid": "g"})
    stub.answers["/subjects/pay%2Fment-value/versions/2"] = (200, {"id": 9, "version": 2, "schema": "{}"})
    one = asking(stub.url)
    assert one.prefetch(["pay/ment-value", "none-value"]) == 2
    before = len(stub.asked)
    assert one.by_id(4) is one.by_guid("g")
    assert one.by_id(9)
    assert len(stub.asked) == before


def test_a_refusal_has_the_message_of_the_registry(stub: Stub) -> None:
    stub.answers["/subjects/s-value/versions"] = (409, {"error_code": 409, "message": "INT not compatible"})
    with pytest.raises(Refusal, match="INT not compatible"):
        asking(stub.url).register("s-value", "{}")


def test_a_registry_that_is_starting_is_waited_for(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            stub.version("s", 1, 1, INT)

    stub.answers["/subjects/s/versions/latest"] = (503, {"message": "starting"})
    monkeypatch.setattr(time, "sleep", sleep)
    one = asking(stub.url)
    assert patiently(lambda: one.latest("s"))
    assert slept == [0.5, 1.0, 2.0]


def test_a_refused_login_is_reported_without_retries(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it would not help"))
    stub.answers["/subjects/s/versions/latest"] = (401, {"message": "Unauthorized"})
    one = asking(stub.url)
    with pytest.raises(RegistryUnavailable, match=r"401: Unauthorized; check registry\.user or registry\.token"):
        patiently(lambda: one.latest("s"))
    assert len(stub.asked) == 1
