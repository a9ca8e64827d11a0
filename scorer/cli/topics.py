"""`scorer topics`: show the topics of the configuration, or create missing ones."""

import argparse
from collections.abc import Mapping

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned
from scorer.kafka import (
    Admin,
    Topic,
    control_concerns,
    control_topic,
    dead_letter_concerns,
    dead_letter_topic,
    monitor_concerns,
    monitor_topic,
)
from scorer.labels.topics import state_concerns, state_topic, state_topic_to_create
from scorer.settings import Settings

PARTITIONS = 4
DAY_MS = 86_400_000
CAPTURE_DAYS = 90  # that captured rows are kept


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
    roles = _roles(settings)
    admin, show = Admin(settings.kafka), console(stderr=False).print
    found = admin.topics(roles)
    if args.create:
        for name in _create(admin, settings, found, args.partitions or PARTITIONS):
            show(f"created {name}", style="green")
        found = admin.topics(roles)
    header = ("TOPIC", "FOR", "PARTITIONS", "REPLICAS", "KEPT", "LARGEST MESSAGE")
    show("\n".join(aligned(header, [_row(name, role, found.get(name)) for name, role in roles.items()])))
    for concern in _concerns(settings, found, args.partitions):
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
    roles |= {kafka.control_topic: "roll-out state"} if kafka.control_topic else {}
    roles |= {settings.monitor.topic: "monitoring"} if settings.monitor.topic else {}
    labels, capture = settings.labels, settings.monitor.capture
    roles |= {capture.topic: "captured rows"} if capture else {}
    return roles | ({labels.topic: "labels", state_topic(settings): "waiting for labels"} if labels else {})


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
    if settings.monitor.topic is not None and settings.monitor.topic not in found:
        created += admin.create([monitor_topic(settings.monitor.topic)])
    if (capture := settings.monitor.capture) is not None and capture.topic not in found:
        kept = {"retention.ms": str(CAPTURE_DAYS * DAY_MS), "compression.type": "zstd"}
        created += admin.create([Topic(capture.topic, partitions, config=kept)])
    if settings.labels is not None:
        wanted = [Topic(settings.labels.topic, partitions), state_topic_to_create(settings, partitions)]
        created += admin.create(topic for topic in wanted if topic.name not in found)
    return created


def _concerns(settings: Settings, found: Mapping[str, Topic], partitions: int | None) -> list[str]:
    kafka = settings.kafka
    dead, inputs = found.get(kafka.dead_letter_topic), [found[name] for name in kafka.input_topics if name in found]
    concerns = dead_letter_concerns(dead, inputs) if dead and inputs else []
    control = found.get(kafka.control_topic or "")
    concerns += control_concerns(control) if control else []
    monitor = found.get(settings.monitor.topic or "")
    concerns += monitor_concerns(monitor) if monitor else []
    if settings.labels is not None and (state := found.get(state_topic(settings))) is not None:
        concerns += state_concerns(settings, state)
    few = [
        f"{topic.name} ({topic.partitions})"
        for topic in found.values()
        if topic.partitions < (partitions or 0) and topic is not control and topic is not monitor
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
