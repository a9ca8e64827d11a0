"""The store on a real cluster of three masters and behind a real sentinel."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from redis.crc import key_slot

from scorer.batch import Lookup
from scorer.errors import Unavailable
from scorer.plan.feast import FeastKey, JoinKey
from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity
from scorer.sandbox import Redis
from scorer.store.protocol import Request, Store
from scorer.store.redis.connect import connect
from scorer.store.redis.explore import Stored, exploring
from scorer.store.redis.layouts.feast import field_of
from scorer.store.redis.sample import sample_problems
from tests.plan.test_feast import feast_key
from tests.store.redis.feast_bytes import timestamp, value
from tests.store.redis.servers import HASH, PACKED, Custom, Fake, SentinelServer, proof

PLENTY_MS = 30_000
SLOTS = 16384
KEYS = [b"k:%d" % number for number in range(300)]


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until the servers agree."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to hold within 30 s")


def asked(client: redis.Redis, *command: str | bytes | int) -> Any:
    """Return a server's reply to a command for which redis-py has no method."""
    return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's gap


class ThreeMasters:
    """A cluster whose masters serve a third of the slots each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        nodes = [
            Custom(folder / str(number), cluster_enabled="yes", cluster_node_timeout="1000") for number in range(3)
        ]
        self.nodes = [stack.enter_context(node) for node in nodes]
        self.clients = [stack.enter_context(node.client()) for node in self.nodes]
        bounds = np.linspace(0, SLOTS, len(nodes) + 1).astype(int).tolist()
        for client, first, end in zip(self.clients, bounds, bounds[1:], strict=False):
            asked(client, "CLUSTER ADDSLOTSRANGE", first, end - 1)
            asked(client, "CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        eventually(lambda: all(self._settled(client) for client in self.clients))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.address for node in self.nodes)

    def owner(self, key: bytes) -> int:
        slot = key_slot(key)
        return slot * len(self.nodes) // SLOTS

    def put(self, key: bytes, number: int) -> None:
        client = self.clients[self.owner(key)]
        client.hset(key, mapping={"seats": number})
        client.set(self.twin(key), struct.pack("<2f", number, -number))

    @staticmethod
    def twin(key: bytes) -> bytes:
        """Another key of the same slot."""
        return b"p{%b}" % key

    @staticmethod
    def _settled(client: redis.Redis) -> bool:
        info = asked(client, "CLUSTER INFO")
        return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeMasters]:
    with ExitStack() as stack:
        made = ThreeMasters(tmp_path_factory.mktemp("cluster"), stack)
        for number, key in enumerate(KEYS):
            made.put(key, number)
        yield made


def both(cluster: ThreeMasters, keys: list[bytes]) -> list[Request]:
    return [Request(HASH, keys), Request(PACKED, [cluster.twin(key) for key in keys])]


def test_values_from_all_nodes_are_in_the_order_of_their_keys(cluster: ThreeMasters) -> None:
    assert {cluster.owner(key) for key in KEYS} == {0, 1, 2}
    store = connect(cluster.url, PLENTY_MS)
    store.ping()
    keys = [*KEYS[::-1], b"nowhere"]
    hashes, packed, nothing = store.fetch([*both(cluster, keys), Request(HASH, [])], 0.0)
    numbers = np.arange(len(KEYS))[::-1]
    np.testing.assert_array_equal(hashes.values[:-1, 0], numbers)
    np.testing.assert_array_equal(packed.values[:-1], np.stack([numbers, -numbers], 1))
    assert hashes.absent[0].tolist() == [False, True, True]
    for reply in (hashes, packed):
        assert (reply.results[:-1] == Lookup.HIT).all()
        assert reply.results[-1] == Lookup.MISSING
    assert nothing.values.shape == (0, 3)
    store.close()


def test_feast_hashes_are_read_from_all_nodes(cluster: ThreeMasters) -> None:
    template = FeastKey.of("flights", [JoinKey("tailnum", "string", "tailnum")])
    entity = Entity("plane", template, "feast", ("stats:seats",), max_age=60.0)
    keys = [feast_key("flights", {"tailnum": ("string", f"{{N{number}}}")}) for number in range(60)]
    assert {cluster.owner(key) for key in keys} == {0, 1, 2}
    for number, key in enumerate(keys):
        written = {field_of("stats:seats"): value("int64", number), "_ts:stats": timestamp(1_000 - number)}
        cluster.clients[cluster.owner(key)].hset(key, mapping=written)
    store = connect(cluster.url, PLENTY_MS)
    (reply,) = store.fetch([Request(entity, keys[::-1])], 1_010.0)
    fresh = [number <= 50 for number in range(60)][::-1]
    assert [state == Lookup.HIT for state in reply.results.tolist()] == fresh
    np.testing.assert_array_equal(reply.values[:, 0], np.where(fresh, np.arange(60)[::-1], np.nan))
    store.close()
    for key in keys:
        cluster.clients[cluster.owner(key)].delete(key)


def test_another_type_is_invalid_in_a_cluster_too(cluster: ThreeMasters) -> None:
    store = connect(cluster.url, PLENTY_MS)
    hashes, packed = store.fetch([Request(HASH, [cluster.twin(KEYS[0])]), Request(PACKED, [KEYS[0]])], 0.0)
    assert hashes.results.tolist() == packed.results.tolist() == [Lookup.INVALID]


def test_the_other_nodes_are_discovered_through_any_node(cluster: ThreeMasters) -> None:
    store = connect(f"redis+cluster://127.0.0.1:1,{cluster.nodes[2].address}", PLENTY_MS)
    assert store.fetch([Request(HASH, KEYS)], 0.0)[0].values[:, 0].tolist() == list(range(len(KEYS)))


def test_a_search_for_keys_covers_every_node(cluster: ThreeMasters) -> None:
    texts = [key.decode() for key in KEYS]
    with exploring(cluster.url, PLENTY_MS) as explorer:
        search = explorer.search()
        assert set(texts) <= set(search.keys)
        assert search.total == 2 * len(KEYS)
        looked = explorer.look(texts)
        assert [looked[text] for text in texts] == [
            Stored("hash", fields={"seats": str(number)}) for number in range(len(KEYS))
        ]
        assert explorer.existing([*KEYS, b"nowhere"]) == len(KEYS)


def test_a_key_in_a_migrating_slot_is_looked_up_at_its_new_node(cluster: ThreeMasters) -> None:
    key = KEYS[7]
    slot, source = key_slot(key), cluster.owner(key)
    target = (source + 1) % 3
    ids = [asked(client, "CLUSTER MYID") for client in cluster.clients]
    store = connect(cluster.url, PLENTY_MS)
    store.ping()
    requests = both(cluster, KEYS)

    def assert_all_there() -> None:
        hashes, packed = store.fetch(requests, 0.0)
        assert hashes.values[:, 0].tolist() == packed.values[:, 0].tolist() == list(range(len(KEYS)))

    def move(slot: int, source: int, target: int, *keys: bytes) -> None:
        asked(cluster.clients[target], "CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        asked(cluster.clients[source], "CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        assert_all_there()
        for moving in keys:
            asked(cluster.clients[source], "MIGRATE", "127.0.0.1", cluster.nodes[target].port, moving, 0, 5000)
        assert_all_there()  # by ASK
        for node in (target, source):
            asked(cluster.clients[node], "CLUSTER SETSLOT", slot, "NODE", ids[target])
        for _ in range(2):
            assert_all_there()  # by MOVED, then by what was learned

    move(slot, source, target, key, cluster.twin(key))
    move(slot, target, source, key, cluster.twin(key))


def test_an_endlessly_redirected_key_is_unavailable() -> None:
    def script(connection: socket.socket) -> None:
        slots = b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$0\r\n\r\n:%d\r\n$1\r\ni\r\n" % node.port
        while question := connection.recv(1 << 16):
            moved = b"-MOVED 1 :%d\r\n" % node.port + proof(question)
            connection.sendall(slots if b"SLOTS" in question else moved)

    with Fake(script) as node:
        store = connect(f"redis+cluster://127.0.0.1:{node.port}", PLENTY_MS)
        with pytest.raises(Unavailable, match="keeps redirecting look-ups"):
            store.fetch([Request(HASH, [b"a"])], 0.0)


def test_idle_connections_that_were_closed_are_replaced(cluster: ThreeMasters) -> None:
    store = connect(cluster.url, PLENTY_MS)
    for _ in range(2):
        assert store.fetch([Request(HASH, KEYS)], 0.0)[0].values[:, 0].tolist() == list(range(len(KEYS)))
        for client in cluster.clients:
            client.client_kill_filter(_type="normal", skipme=True)


def test_a_hanging_node_is_named_and_used_again_once_it_recovers(cluster: ThreeMasters) -> None:
    store = connect(cluster.url, 300)
    eventually(lambda: answers(store))
    cluster.nodes[1].pause()
    try:
        with pytest.raises(Unavailable, match=cluster.nodes[1].address):
            store.ping()
        with pytest.raises(Unavailable):
            store.fetch([Request(HASH, KEYS)], 0.0)
    finally:
        cluster.nodes[1].resume()
    eventually(lambda: answers(store))
    assert store.fetch([Request(HASH, KEYS)], 0.0)[0].values[:, 0].tolist() == list(range(len(KEYS)))


def answers(store: Store) -> bool:
    try:
        store.ping()
    except Unavailable:
        return False
    return True


def test_wrong_forms_of_the_url_are_explained(cluster: ThreeMasters, redis_server: Redis) -> None:
    single = connect(f"redis://{cluster.nodes[0].address}", PLENTY_MS)
    with pytest.raises(Unavailable, match=r"MOVED .* start features.url with redis\+cluster"):
        single.fetch([Request(HASH, KEYS)], 0.0)
    with pytest.raises(Unavailable, match="cluster support disabled"):
        connect(f"redis+cluster://{redis_server.address}", PLENTY_MS).ping()
    with pytest.raises(Unavailable, match=r"no node of the cluster answers CLUSTER SLOTS: .*127.0.0.1:1\b.*refused"):
        connect("redis+cluster://127.0.0.1:1", PLENTY_MS).ping()


def test_samples_are_taken_from_all_nodes(cluster: ThreeMasters) -> None:
    entity = replace(PACKED, key=KeyTemplate.parse("p{{{k}}}"))
    assert sample_problems(cluster.url, PLENTY_MS, entity) == ([], [])
    ((problem, *_), _) = sample_problems(cluster.url, PLENTY_MS, replace(entity, layout="hash"))
    assert "is a string, but layout hash needs a hash" in str(problem)
    assert "(18 of 18 samples" in str(problem)


def test_an_unserved_slot_is_unavailable(tmp_path: Path) -> None:
    unserved = f"no node of the cluster serves slot {key_slot(b'a')}: see CLUSTER INFO"
    with Custom(tmp_path, cluster_enabled="yes") as node, pytest.raises(Unavailable, match=unserved):
        connect(f"redis+cluster://{node.address}", PLENTY_MS).fetch([Request(HASH, [b"a"])], 0.0)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Custom, Custom, SentinelServer]]:
    """A master, its replica and the sentinel of both."""
    with ExitStack() as stack:
        master = stack.enter_context(Custom(tmp_path / "a", requirepass="pw", masterauth="pw"))
        replica_of = {"replicaof": f"127.0.0.1 {master.port}", "requirepass": "pw", "masterauth": "pw"}
        replica = stack.enter_context(Custom(tmp_path / "b", **replica_of))
        sentinel = stack.enter_context(SentinelServer(tmp_path / "c", master, "pw"))
        with redis.Redis(port=sentinel.port) as client:
            eventually(lambda: len(client.sentinel_slaves("features")) == 1)
            yield master, replica, sentinel


def test_a_failover_to_a_new_master_is_followed(watched: tuple[Custom, Custom, SentinelServer]) -> None:
    master, replica, sentinel = watched
    old, new = (redis.Redis(port=server.port, password="pw") for server in (master, replica))  # noqa: S106  of this test
    old.hset("a", mapping={"seats": 1})
    url = f"redis+sentinel://:pw@127.0.0.1:1,{sentinel.address}/features/0"
    store = connect(url, PLENTY_MS)
    store.ping()
    assert store.fetch([Request(HASH, [b"a"])], 0.0)[0].values[0, 0] == 1

    eventually(lambda: old.wait(1, 100) == 1)
    master.kill()
    eventually(lambda: new.info("replication")["role"] == "master")
    new.hset("a", mapping={"seats": 2})
    eventually(lambda: answers(store) and store.fetch([Request(HASH, [b"a"])], 0.0)[0].values[0, 0] == 2)

    with pytest.raises(Unavailable, match=r"does not know that service: correct features.url"):
        connect(url.replace("features", "other"), PLENTY_MS).ping()
    sentinel.kill()
    with pytest.raises(Unavailable, match=f"no sentinel knows the master of 'features': .*{sentinel.address}"):
        connect(url, PLENTY_MS).ping()
