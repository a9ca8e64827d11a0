"""Kafka: where records come from, where predictions and dead letters go, and what may be committed."""

from scorer.kafka.admin import Admin, GroupLag
from scorer.kafka.checkpoint import Checkpoint, Limits
from scorer.kafka.cluster import Cluster, durability_concerns, transaction_problems
from scorer.kafka.dead_letters import DeadLetterLimit, DeadLetters
from scorer.kafka.feed import Feed
from scorer.kafka.leaving import commit_before_leaving
from scorer.kafka.letters import Letter, Letterbox
from scorer.kafka.positions import PositionCommits
from scorer.kafka.reader import Reader, Record
from scorer.kafka.rehearsal import membership_concerns, property_problems
from scorer.kafka.replay import Due, Replay
from scorer.kafka.replayed import Replayed, memory_of, read_replayed
from scorer.kafka.rights import Rights, examine_rights
from scorer.kafka.sink import Sink
from scorer.kafka.source import Source
from scorer.kafka.topics import Topic, dead_letter_concerns, dead_letter_topic, output_concerns, write_concerns
from scorer.kafka.transactions import TransactionalSink, TransactionCheckpoint

__all__ = [
    "Admin",
    "Checkpoint",
    "Cluster",
    "DeadLetterLimit",
    "DeadLetters",
    "Due",
    "Feed",
    "GroupLag",
    "Letter",
    "Letterbox",
    "Limits",
    "PositionCommits",
    "Reader",
    "Record",
    "Replay",
    "Replayed",
    "Rights",
    "Sink",
    "Source",
    "Topic",
    "TransactionCheckpoint",
    "TransactionalSink",
    "commit_before_leaving",
    "dead_letter_concerns",
    "dead_letter_topic",
    "durability_concerns",
    "examine_rights",
    "membership_concerns",
    "memory_of",
    "output_concerns",
    "property_problems",
    "read_replayed",
    "transaction_problems",
    "write_concerns",
]
