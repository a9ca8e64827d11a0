"""Kafka: consuming events, delivering predictions and dead letters, committing offsets, and operating topics."""

from scorer.kafka.brokers.admin import Admin, GroupLag
from scorer.kafka.brokers.cluster import Cluster, durability_concerns, transaction_problems
from scorer.kafka.brokers.topics import Topic, dead_letter_concerns, dead_letter_topic, output_concerns, write_concerns
from scorer.kafka.carried import TRACEPARENT, Carried, Carry, nothing_carried, trace_headers
from scorer.kafka.consume.source import Source
from scorer.kafka.consume.span import Ending
from scorer.kafka.control import ControlTopic, control_concerns, control_topic
from scorer.kafka.dead_letters.due import Due
from scorer.kafka.dead_letters.read import Letter, Letterbox
from scorer.kafka.dead_letters.replay import Replay
from scorer.kafka.dead_letters.replayed import Replayed, read_replayed, replayed_topic
from scorer.kafka.dead_letters.write import DeadLetterLimit, DeadLetters
from scorer.kafka.delivery.at_least_once import AtLeastOnce
from scorer.kafka.delivery.checkpoint import Checkpoint, Limits
from scorer.kafka.delivery.delivery import Delivery
from scorer.kafka.delivery.exactly_once import ExactlyOnce
from scorer.kafka.delivery.leaving import commit_before_leaving
from scorer.kafka.delivery.sink import Sink
from scorer.kafka.delivery.transactions import Transactions
from scorer.kafka.headers import header_reader
from scorer.kafka.monitoring import MonitorListener, MonitorTopic, monitor_concerns, monitor_topic
from scorer.kafka.observer import Observer, Observers
from scorer.kafka.operate.client_check import membership_concerns, property_problems
from scorer.kafka.operate.feed import Feed
from scorer.kafka.operate.reader import Reader, Record
from scorer.kafka.operate.rights import Rights, examine_rights
from scorer.kafka.operate.spans import Span, fix_span
from scorer.kafka.renewal import Renewal
from scorer.kafka.spare import SpareWriter
from scorer.kafka.writes import Write

__all__ = [
    "TRACEPARENT",
    "Admin",
    "AtLeastOnce",
    "Carried",
    "Carry",
    "Checkpoint",
    "Cluster",
    "ControlTopic",
    "DeadLetterLimit",
    "DeadLetters",
    "Delivery",
    "Due",
    "Ending",
    "ExactlyOnce",
    "Feed",
    "GroupLag",
    "Letter",
    "Letterbox",
    "Limits",
    "MonitorListener",
    "MonitorTopic",
    "Observer",
    "Observers",
    "Reader",
    "Record",
    "Renewal",
    "Replay",
    "Replayed",
    "Rights",
    "Sink",
    "Source",
    "Span",
    "SpareWriter",
    "Topic",
    "Transactions",
    "Write",
    "commit_before_leaving",
    "control_concerns",
    "control_topic",
    "dead_letter_concerns",
    "dead_letter_topic",
    "durability_concerns",
    "examine_rights",
    "fix_span",
    "header_reader",
    "membership_concerns",
    "monitor_concerns",
    "monitor_topic",
    "nothing_carried",
    "output_concerns",
    "property_problems",
    "read_replayed",
    "replayed_topic",
    "trace_headers",
    "transaction_problems",
    "write_concerns",
]
