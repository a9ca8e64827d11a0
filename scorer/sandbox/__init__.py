"""Real servers as child processes, for the demo, tests and benchmarks: no Docker, no installed Java or Redis."""

from scorer.sandbox.kafka import Kafka, cluster
from scorer.sandbox.proxy import Network, Proxy
from scorer.sandbox.redis import Redis
from scorer.sandbox.sandbox import Sandbox, is_environment_file
from scorer.sandbox.server import freeze

__all__ = ["Kafka", "Network", "Proxy", "Redis", "Sandbox", "cluster", "freeze", "is_environment_file"]
