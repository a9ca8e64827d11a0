"""Kafka: where records come from, where predictions and dead letters go, and what may be committed."""

from scorer.kafka.admin import HEADER_BYTES, Admin, Topic
from scorer.kafka.checkpoint import Checkpoint
from scorer.kafka.dead_letters import DeadLetters
from scorer.kafka.sink import Sink
from scorer.kafka.source import Source

__all__ = ["HEADER_BYTES", "Admin", "Checkpoint", "DeadLetters", "Sink", "Source", "Topic"]
