"""`scorer topics`: show the topics of the configuration, or create missing ones."""

import argparse
from collections.abc import Mapping

from scorer.cli import options
from scorer.cli.console import console
from scorer.cli.table import aligned
from scorer.kafka import (
    Admin,
    Topic,
    control_concerns,
    control_topic,
    dead_letter_concerns,
    dead_letter_topic,
)
from scorer.settings import KafkaSettings, Settings

PARTITIONS = 4
DAY_MS = 86_400_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--create", action="store_true", help="create missing topics; existing ones stay as they are")
    parser.add_argument(
        "--partitions",
        type=options.positive,
        metavar="N",
        help=f"partitions of created topics (default: {PARTITIONS}); one replica at a time reads an input partition",
    )


def run(args: argparse.Namespace) -> int:
    """Show the topics; return 1 if one is missing."""
    settings = options.load(args).settings
    kafka, roles = settings.kafka, _roles(settings)
    admin, show = Admin(kafka), console(stderr=False).print
    found = admin.topics(roles)
    if args.create:
        for name in _create(admin, settings, found, args.partitions or PARTITIONS):
            show(f"created {name}", style="green")
        found = admin.topics(roles)
    header = ("TOPIC", "FOR", "PARTITIONS", "REPLICAS", "KEPT", "LARGEST MESSAGE")
    show("\n".join(aligned(header, [_row(name, role, found.get(name)) for name, role in roles.items()])))
    for concern in _concerns(kafka, found, args.partitions):
        show(f"warning: {concern}", style="yellow")
    missing = [name for name in roles if name not in found]
    if missing:
        show(f"missing: {', '.join(missing)}; `scorer topics --create` creates them", style="red")
    return int(bool(missing))


def _roles(settings: Settings) -> dict[str, str]:
    kafka, shadows = settings.kafka, settings.predictions.shadow_topic
    inputs = dict.fromkeys(kafka.input_topics, "events")
    roles = inputs | {kafka.output_topic: "predictions", kafka.dead_letter_topic: "dead letters"}
    roles |= {shadows: "shadows' predictions"} if shadows else {}
    return roles | ({kafka.control_topic: "roll-out state"} if kafka.control_topic else {})


def _create(admin: Admin, settings: Settings, found: Mapping[str, Topic], partitions: int) -> list[str]:
    """Create missing topics; the dead-letter topic last, since its size limit depends on those of the inputs."""
    kafka, shadows = settings.kafka, settings.predictions.shadow_topic
    others = [*kafka.input_topics, kafka.output_topic, *([shadows] if shadows else [])]
    created = admin.create(Topic(name, partitions) for name in others if name not in found)
    if kafka.dead_letter_topic not in found:
        inputs = admin.topics(kafka.input_topics).values()
        created += admin.create([dead_letter_topic(kafka.dead_letter_topic, partitions, inputs)])
    if kafka.control_topic is not None and kafka.control_topic not in found:
        created += admin.create([control_topic(kafka.control_topic)])
    return created


def _concerns(kafka: KafkaSettings, found: Mapping[str, Topic], partitions: int | None) -> list[str]:
    dead, inputs = found.get(kafka.dead_letter_topic), [found[name] for name in kafka.input_topics if name in found]
    concerns = dead_letter_concerns(dead, inputs) if dead and inputs else []
    control = found.get(kafka.control_topic or "")
    concerns += control_concerns(control) if control else []
    few = [
        f"{topic.name} ({topic.partitions})"
        for topic in found.values()
        if topic.partitions < (partitions or 0) and topic is not control
    ]
    if few:
        advice = "add some with Kafka's own tools, unless something relies on the partition of a key"
        concerns.append(f"fewer partitions than {partitions}: {', '.join(few)}; {advice}")
    return concerns


def _row(name: str, role: str, topic: Topic | None) -> tuple[object, ...]:
    if topic is None:
        return (name, role, None, None, "missing", None)
    kept, largest = topic.config.get("retention.ms"), topic.config.get("max.message.bytes")
    days = None if kept is None else "for ever" if kept == "-1" else f"{int(kept) / DAY_MS:g} days"
    return (name, role, topic.partitions, topic.replicas, days, f"{int(largest) / 1e6:.1f} MB" if largest else None)
