"""Reading from replicas: of a real cluster of three masters with a replica each, and of a master behind a sentinel."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot

from scorer.errors import Unavailable
from scorer.store.protocol import Request, Store
from scorer.store.redis.connect import connect
from tests.store.redis.servers import HASH, Custom, SentinelServer
from tests.store.redis.test_cluster import KEYS, PLENTY_MS, ThreeMasters, asked, eventually, watched

__all__ = ["watched"]  # a fixture


class Replicated:
    """A cluster whose masters have a replica each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.masters = ThreeMasters(folder, stack)
        self.ids = [asked(client, "CLUSTER MYID") for client in self.masters.clients]
        nodes = [
            Custom(folder / f"replica-{number}", cluster_enabled="yes", cluster_node_timeout="1000")
            for number in range(3)
        ]
        self.nodes = [stack.enter_context(node) for node in nodes]
        self.clients = [stack.enter_context(node.client()) for node in self.nodes]
        for client, master in zip(self.clients, self.ids, strict=True):
            asked(client, "CLUSTER MEET", "127.0.0.1", self.masters.nodes[0].port)
            eventually(lambda client=client, master=master: follows(client, master))  # type: ignore[misc]  # mypy: lambda
        for number, key in enumerate(KEYS):
            self.masters.put(key, number)
        eventually(lambda: all(self._knows_all(client) for client in [*self.masters.clients, *self.clients]))
        self.await_copies()

    def await_copies(self) -> None:
        """Wait until the replicas have what the masters have."""
        eventually(lambda: all(client.wait(1, 100) == 1 for client in self.masters.clients))

    @staticmethod
    def _knows_all(client: redis.Redis) -> bool:
        slots = asked(client, "CLUSTER SLOTS")
        return len(slots) == 3 and all(len(of) == 4 for of in slots)  # two bounds, two nodes


def follows(client: redis.Redis, master: str) -> bool:
    """Make a node the replica of a master, once it knows that."""
    try:
        asked(client, "CLUSTER REPLICATE", master)
    except redis.ResponseError:
        return False
    return True


def reads(clients: Sequence[redis.Redis]) -> int:
    """Return how many hashes were read at some servers."""
    return sum(client.info("commandstats").get("cmdstat_hmget", {}).get("calls", 0) for client in clients)


def found(store: Store, keys: Sequence[bytes] = KEYS) -> list[float]:
    seats: list[float] = store.fetch([Request(HASH, keys)], 0.0)[0].values[:, 0].tolist()
    return seats


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    with ExitStack() as stack:
        yield Replicated(tmp_path_factory.mktemp("replicated"), stack)


@pytest.mark.prove
@pytest.mark.parametrize("read_from", ["replica", "master"])
def test_only_the_chosen_nodes_of_a_cluster_are_read(cluster: Replicated, read_from: str) -> None:
    store = connect(cluster.masters.url, PLENTY_MS, read_from)
    before = reads(cluster.masters.clients), reads(cluster.clients)
    store.ping()
    assert found(store) == list(range(len(KEYS)))
    store.prefetch(ahead := [Request(HASH, KEYS)])
    assert store.fetch(ahead, 0.0)[0].values[:, 0].tolist() == list(range(len(KEYS)))
    grown = reads(cluster.masters.clients) - before[0], reads(cluster.clients) - before[1]
    assert grown == ((0, 2 * len(KEYS)) if read_from == "replica" else (2 * len(KEYS), 0))
    store.close()


def test_a_slot_that_has_moved_is_read_at_the_replica_of_its_new_master(cluster: Replicated) -> None:
    masters, key = cluster.masters, KEYS[7]
    slot, source = key_slot(key), masters.owner(key)
    target = (source + 1) % 3
    store = connect(masters.url, PLENTY_MS, "replica")
    assert found(store) == list(range(len(KEYS)))

    def move(source: int, target: int) -> None:
        asked(masters.clients[target], "CLUSTER SETSLOT", slot, "IMPORTING", cluster.ids[source])
        asked(masters.clients[source], "CLUSTER SETSLOT", slot, "MIGRATING", cluster.ids[target])
        for moving in (key, masters.twin(key)):
            asked(masters.clients[source], "MIGRATE", "127.0.0.1", masters.nodes[target].port, moving, 0, 5000)
        for node in (target, source):
            asked(masters.clients[node], "CLUSTER SETSLOT", slot, "NODE", cluster.ids[target])
        cluster.await_copies()
        eventually(lambda: found(store) == list(range(len(KEYS))))  # the replicas hear of it by gossip
        before = reads(cluster.clients[target : target + 1])
        assert found(store, [key]) == [7]
        eventually(lambda: found(store, [key]) == [7] and reads(cluster.clients[target : target + 1]) > before)

    move(source, target)
    move(target, source)
    store.close()


def test_the_master_is_read_while_its_replica_is_away(cluster: Replicated) -> None:
    store = connect(cluster.masters.url, 1_000, "replica")
    assert found(store) == list(range(len(KEYS)))
    cluster.nodes[1].kill()
    eventually(lambda: answers(store))
    before = reads(cluster.masters.clients)
    assert found(store) == list(range(len(KEYS)))
    assert reads(cluster.masters.clients) > before
    cluster.nodes[1].start()
    eventually(lambda: answers(connect(cluster.masters.url, PLENTY_MS, "replica")))
    store.close()


def answers(store: Store) -> bool:
    try:
        return found(store) == list(range(len(KEYS)))
    except Unavailable:
        return False


def test_a_user_without_the_right_to_read_replicas_is_told_what_to_grant(cluster: Replicated) -> None:
    for client in [*cluster.masters.clients, *cluster.clients]:
        asked(client, "ACL SETUSER", "app", "on", ">pw", "~*", "+hmget", "+ping", "+cluster|slots")
    url = cluster.masters.url.replace("://", "://app:pw@")
    connect(url, PLENTY_MS).ping()
    with pytest.raises(Unavailable, match=r"NOPERM.*readonly"):
        connect(url, PLENTY_MS, "replica").ping()


def test_a_replica_that_a_sentinel_knows_is_read_and_the_master_if_there_is_none(
    watched: tuple[Custom, Custom, SentinelServer],
) -> None:
    master, replica, sentinel = watched
    old, new = (redis.Redis(port=server.port, password="pw") for server in (master, replica))  # noqa: S106  of this test
    old.hset("k:0", mapping={"seats": 1})
    with redis.Redis(port=sentinel.port) as client:
        eventually(lambda: client.sentinel_slaves("features")[0]["master-link-status"] == "ok")
    store = connect(f"redis+sentinel://:pw@{sentinel.address}/features/0", PLENTY_MS, "replica")
    eventually(lambda: old.wait(1, 100) == 1)
    assert found(store, [b"k:0"]) == [1]
    assert (reads([old]), reads([new])) == (0, 1)
    replica.kill()

    def reads_the_master() -> bool:
        try:
            return found(store, [b"k:0"]) == [1]
        except Unavailable:
            return False

    eventually(reads_the_master)
    assert reads([old]) >= 1
    store.close()
