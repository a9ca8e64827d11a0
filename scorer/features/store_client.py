"""redis-py's own clients, for what is not the path of events: loading features, and looking at samples of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisCluster, RedisError
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import ConnectionPool, SSLConnection
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from scorer.errors import Unavailable
from scorer.features.store_dial import connecting, server_name, why
from scorer.features.store_link import Deadline
from scorer.features.store_sentinel import find_master
from scorer.features.store_url import Target

Client = Redis | RedisCluster


@contextmanager
def client(target: Target, seconds: float) -> Iterator[Client]:
    """Give a client that is closed at the end, whose errors within are Unavailable.

    Args:
        target:  where Redis is.
        seconds: for each step of connecting and for each answer.
    """
    deadline = Deadline(seconds, f"{seconds:g} s")
    name = server_name(target, target.seeds[0] if target.seeds else None)
    try:
        made = _cluster(target, seconds) if target.form == "cluster" else _single(target, seconds, deadline)
        with made:
            yield made
    except (RedisError, RedisClusterException, OSError) as error:
        raise Unavailable(target.masked(why(name, error, deadline))) from None


def masters(made: Client) -> list[Redis]:
    """Return a client for each server that holds keys of its own."""
    if isinstance(made, Redis):
        return [made]
    return [made.get_redis_connection(node) for node in made.get_primaries()]  # type: ignore[no-untyped-call]


def _single(target: Target, seconds: float, deadline: Deadline) -> Redis:
    address = target.seeds[0] if target.seeds else None
    if target.form == "sentinel":
        address = find_master(target, deadline)
    pool = ConnectionPool(connection_class=target.kind, **connecting(target.options, address, seconds))
    return Redis.from_pool(pool)


def _cluster(target: Target, seconds: float) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in target.seeds]  # type: ignore[no-untyped-call]
    options = connecting(target.options, None, seconds)
    return RedisCluster(startup_nodes=nodes, ssl=target.kind is SSLConnection, retry=Retry(NoBackoff(), 1), **options)
