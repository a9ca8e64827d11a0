"""A look-up that is sent ahead: its replies are those of the next fetch of the same requests, and of no other."""

import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.store import Cache, Lookups
from scorer.store.protocol import Request, Store
from scorer.store.redis import dial
from scorer.store.redis.connect import connect
from tests.scoring.batches import Table
from tests.store.redis.servers import HASH, Custom
from tests.store.redis.test_cluster import ThreeMasters, eventually

PLENTY_MS = 30_000
KEYS = [b"k:%d" % number for number in range(60)]
OTHERS = [b"o:%d" % number for number in range(60)]


class Servers:
    """The servers of a store, one or several."""

    def __init__(self, url: str, nodes: Sequence[Custom], node_of: Callable[[bytes], int]) -> None:
        self.url, self.nodes, self._node_of = url, nodes, node_of
        self.clients = [node.client() for node in nodes]
        self.put(0)

    def put(self, plus: int) -> None:
        """Set the number of seats of each key to its own number and some more."""
        for keys in (KEYS, OTHERS):
            for number, key in enumerate(keys):
                self.clients[self._node_of(key)].hset(key, mapping={"seats": number + plus})

    def asked(self) -> int:
        """Return how many keys were asked for."""
        calls: list[dict[str, Any]] = [client.info("commandstats") for client in self.clients]
        return sum(each.get("cmdstat_hmget", {}).get("calls", 0) for each in calls)

    def disconnect(self) -> None:
        """Close all other connections."""
        for client in self.clients:
            client.client_kill_filter(_type="normal", skipme=True)


@pytest.fixture(scope="module", params=["single", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("ahead")
    with ExitStack() as stack:
        if request.param == "single":
            node = stack.enter_context(Custom(folder))
            yield Servers(f"redis://{node.address}", [node], lambda _: 0)
        else:
            cluster = ThreeMasters(folder, stack)
            yield Servers(cluster.url, cluster.nodes, cluster.owner)


@pytest.fixture
def store(servers: Servers) -> Iterator[Store]:
    servers.put(0)
    store = connect(servers.url, PLENTY_MS)
    found(store, requests(KEYS))
    yield store
    store.close()


def requests(keys: Sequence[bytes]) -> list[Request]:
    return [Request(HASH, keys)]


def found(store: Store, asked: Sequence[Request]) -> list[float]:
    (reply,) = store.fetch(asked, 0.0)
    assert (reply.results == Lookup.HIT).all()
    seats: list[float] = reply.values[:, 0].tolist()
    return seats


def numbers(plus: int = 0) -> list[int]:
    return [number + plus for number in range(len(KEYS))]


def prefetch(servers: Servers, store: Store, asked: Sequence[Request]) -> None:
    """Send a look-up, and wait until the servers have answered it."""
    before = servers.asked()
    store.prefetch(asked)
    eventually(lambda: servers.asked() == before + len(asked[0].keys))


def test_the_replies_are_those_of_the_time_when_it_was_sent(servers: Servers, store: Store) -> None:
    asked, before = requests(KEYS), servers.asked()
    prefetch(servers, store, asked)
    store.prefetch(asked)
    servers.put(1_000)
    assert found(store, asked) == numbers()
    assert servers.asked() == before + len(KEYS), "each key was asked for once"
    assert found(store, asked) == numbers(1_000), "replies are used once"


def test_it_is_told_where_the_replies_arrive(servers: Servers, store: Store) -> None:
    """The socket is readable once they are there; those of a cluster arrive on several."""
    asked = requests(KEYS)
    socket = store.prefetch(asked)
    assert (socket is not None) == (len(servers.nodes) == 1)
    if socket is not None:
        assert select.select([socket], [], [], 60)[0] == [socket]
    assert found(store, asked) == numbers()
    store.close()
    assert store.prefetch(requests(KEYS)) is None, "without a connection nothing is sent"


def test_other_requests_never_get_the_replies(servers: Servers, store: Store) -> None:
    asked = requests(KEYS)
    prefetch(servers, store, asked)
    servers.put(1_000)
    assert found(store, requests(OTHERS[::-1])) == numbers(1_000)[::-1]
    assert found(store, asked) == numbers(1_000), "they were dropped"
    prefetch(servers, store, asked)
    store.ping()
    servers.put(2_000)
    assert found(store, asked) == numbers(2_000)


def test_a_later_look_up_takes_the_place_of_one_that_was_sent_ahead(servers: Servers, store: Store) -> None:
    prefetch(servers, store, requests(OTHERS))
    store.prefetch(last := requests(KEYS))
    assert found(store, last) == numbers()


def test_replies_that_are_too_old_are_asked_for_again(
    servers: Servers, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "PREFETCH_SECONDS", 0.05)
    asked = requests(KEYS)
    prefetch(servers, store, asked)
    servers.put(1_000)
    time.sleep(0.05)
    assert found(store, asked) == numbers(1_000)


def test_a_connection_that_breaks_meanwhile_is_replaced(servers: Servers, store: Store) -> None:
    asked = requests(KEYS)
    prefetch(servers, store, asked)
    servers.disconnect()
    servers.put(1_000)
    assert found(store, asked) in (numbers(), numbers(1_000)), "it may have read the replies before it noticed"
    servers.disconnect()
    store.prefetch(asked)
    assert found(store, asked) == numbers(1_000)


def test_nothing_is_sent_where_it_would_have_to_wait_for_a_connection(servers: Servers) -> None:
    store, before = connect(servers.url, PLENTY_MS), servers.asked()
    store.prefetch(asked := requests(KEYS))
    assert servers.asked() == before
    servers.put(3_000)
    assert found(store, asked) == numbers(3_000)
    store.prefetch(nothing := requests([]))
    assert store.fetch(nothing, 0.0)[0].values.shape == (0, 3)
    store.close()


def test_a_server_that_hangs_meanwhile_is_unavailable_in_time(servers: Servers) -> None:
    servers.put(0)
    store = connect(servers.url, 1_000)
    found(store, asked := requests(KEYS))
    servers.nodes[-1].pause()
    try:
        store.prefetch(asked)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer within 1000 ms"):
            store.fetch(asked, 0.0)
        assert time.monotonic() - began < 5
    finally:
        servers.nodes[-1].resume()
    eventually(lambda: answers(store, asked))
    store.close()


def answers(store: Store, asked: Sequence[Request]) -> bool:
    try:
        return found(store, asked) == numbers()
    except Unavailable:
        return False


class Recorder(Table):
    """Notes what is sent ahead."""

    def __init__(self) -> None:
        super().__init__({"plane": {}})
        self.sent: list[Sequence[Request]] = []

    def prefetch(self, requests: Sequence[Request]) -> None:
        self.sent.append(requests)


def test_nothing_is_sent_ahead_while_the_store_fails_or_if_a_cache_may_have_it() -> None:
    store, asked = Recorder(), requests(KEYS)
    lookups = Lookups(store, "impute")
    lookups.prefetch(asked)
    assert store.sent == [asked]
    store.down = True
    lookups.fetch(asked, 0.0)
    lookups.prefetch(asked)
    Lookups(store, "wait", Cache([HASH], 1_000, 100)).prefetch(asked)
    assert store.sent == [asked]
