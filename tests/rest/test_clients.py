"""Clients with tokens of their own: each has its rates, and nobody else gets in."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scorer.cli import main
from scorer.errors import Misconfigured
from scorer.monitor import Access
from scorer.rest.clients import Client, Clients, Rate, clients_of
from scorer.rest.messages import Refused
from scorer.settings import ClientSettings, ServeSettings
from tests.api.example import row
from tests.rest.served import Served
from tests.rest.test_equality import plain


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(
    a_second=st.floats(0.1, 100),
    asked=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_no_more_than_the_rate_is_let_through(a_second: float, asked: list[tuple[float, int]]) -> None:
    """In any time it is at most the rate, a second's worth, and one request that is as large as it likes."""
    clock = Clock()
    rate, through = Rate(a_second, clock), list[tuple[float, int]]()
    for pause, units in asked:
        clock.now += pause
        if not rate.take(units):
            through.append((clock.now, units))
    for first in range(len(through)):
        for last in range(first, len(through)):
            seconds = through[last][0] - through[first][0]
            taken = sum(units for _, units in through[first:last])
            assert taken <= max(1.0, a_second) + seconds * a_second + 1e-6


def test_who_waits_as_long_as_it_is_told_is_let_through() -> None:
    clock = Clock()
    rate = Rate(4.0, clock)
    assert [rate.take(1) for _ in range(4)] == [0.0] * 4
    assert rate.take(1) == pytest.approx(0.25)
    clock.now += 0.24
    assert rate.take(1) > 0
    clock.now += 0.02
    assert rate.take(41) == 0.0
    assert rate.take(1) == pytest.approx(10.2, abs=0.1)
    assert Rate(None, clock).take(10**9) == 0.0


def admitted(clients: Clients, authorization: str) -> Client | int | None:
    try:
        return clients.admit(authorization)
    except Refused as refused:
        return int(refused.status)


def test_each_token_is_its_clients_alone() -> None:
    one, two = (Client(name, ClientSettings(token=name)) for name in ("one", "two"))
    named = [(one, lambda: "1"), (two, lambda: "2")]
    for anyone, empty in ((None, 401), (Access(lambda: "all"), 401), (Access(), None)):
        clients = Clients(anyone, named)
        assert (admitted(clients, "Bearer 1"), admitted(clients, "bearer 2")) == (one, two)
        assert [admitted(clients, sent) for sent in ("", "Bearer", "Bearer ", "Basic 1", "Bearer 12")] == [empty] * 5
    assert admitted(Clients(Access(lambda: "all"), named), "Bearer all") is None


def test_limits_of_a_server(parcels_config: Path, tmp_path: Path) -> None:
    """A client that asks too often is told when to come again; the others do not notice."""
    (tmp_path / "token").write_text("file-token\n")
    document = yaml.safe_load(parcels_config.read_text())
    document["serve"] = {
        "clients": {
            "web": {"token": "web-token", "requests_per_s": 0.001},
            "batch": {"token_file": str(tmp_path / "token"), "rows_per_s": 0.001},
        }
    }
    config = parcels_config.with_name("clients.yaml")
    config.write_text(yaml.safe_dump(document))
    event = plain(row())
    with Served(config, tmp_path / "log") as server:
        server.until_ready()
        assert server.ask("/score", event).status == 401
        web, batch = "Bearer web-token", "Bearer file-token"
        assert server.ask("/score", event, Authorization=web).status == 200
        refused = server.ask("/score", event, Authorization=web)
        assert (refused.status, refused.headers["content-type"]) == (429, "application/problem+json")
        assert 900 < int(refused.headers["retry-after"]) <= 1_000
        assert "serve.clients.web.requests_per_s" in refused.json["detail"]
        assert len(server.ask("/score", [event] * 3, Authorization=batch).json) == 3
        refused = server.ask("/score", event, Authorization=batch)
        assert (refused.status, "serve.clients.batch.rows_per_s" in refused.json["detail"]) == (429, True)
        assert 2_900 < int(refused.headers["retry-after"]) <= 3_001
        assert server.ask("/openapi.json", Authorization=batch).status == 200
        assert server.ask("/ready").status == 200
        (tmp_path / "token").write_text("another\n")
        assert server.ask("/openapi.json", Authorization="Bearer another").status == 200


def test_tokens_that_are_equal_are_refused(tmp_path: Path) -> None:
    """Otherwise the limits of one client are those of another, or of everyone."""
    (tmp_path / "token").write_text("b\n")
    clients = {"one": {"token": "a"}, "two": {"token": "b"}, "four": {"token": "c"}}
    three = {"three": {"token_file": tmp_path / "token"}}
    with pytest.raises(Misconfigured) as refused:
        clients_of(ServeSettings.model_validate({"token": "a", "clients": clients | three}))
    assert [str(problem).partition(";")[0] for problem in refused.value.problems] == [
        "serve.clients.one: its token is that of serve",
        "serve.clients.three: its token is that of serve.clients.two",
    ]
    clients_of(ServeSettings.model_validate({"token": "d", "clients": clients}))


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({}, "expected one of token and token_file"),
        ({"token": "t", "token_file": "f"}, "expected one of token and token_file"),
        ({"token_file": "absent"}, "serve.clients.web.token_file: "),
        ({"token": "t", "rows_per_s": 0}, "serve.clients.web.rows_per_s"),
    ],
)
def test_a_client_that_cannot_be_told_apart(
    parcels_config: Path, capsys: pytest.CaptureFixture[str], client: dict[str, object], told: str
) -> None:
    document = yaml.safe_load(parcels_config.read_text())
    config = parcels_config.with_name("wrong.yaml")
    config.write_text(yaml.safe_dump(document | {"serve": {"clients": {"web": client}}}))
    for command in (["check", "--offline"], ["serve"]):
        assert main([*command, "-c", str(config)]) == 2
        assert told in capsys.readouterr().err
