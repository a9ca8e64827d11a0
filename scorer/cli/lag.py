"""`scorer lag`: how far the consumer group is behind."""

import argparse
import sys
from dataclasses import asdict

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned
from scorer.kafka import Admin, GroupLag
from scorer.security.printable import printable_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Show the committed offset, the end offset, the lag and the member of each input partition.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: an input topic is missing.
    """
    kafka = options.load(args).settings.kafka
    admin = Admin(kafka)
    lag = admin.lag(kafka.group_id, admin.required(kafka.input_topics), kafka.start_from)
    if args.json:
        document = {**asdict(lag), "total": lag.total}
        sys.stdout.write(printable_json(document, indent=2) + "\n")
    else:
        console(stderr=False).print(_text(lag))
    return 0


def _text(lag: GroupLag) -> str:
    header = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST")
    rows = [(at.topic, at.partition, at.committed, at.end, at.lag, at.member, at.host) for at in lag.partitions]
    members = len({at.member for at in lag.partitions} - {None})
    readers = f"{members} member{'s' * (members != 1)}"
    return "\n".join([*aligned(header, rows), f"group {lag.group} ({lag.state}), {readers}, total lag {lag.total:,}"])
