"""`scorer dead-letters`: list, show and replay the events that could not be scored."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter

from scorer.avro import SCHEMA_HEADER, Salvage
from scorer.batch import Reason
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.letters import HEADER, document, full_document, full_text, row
from scorer.cli.shown.progress import counting
from scorer.cli.shown.table import aligned
from scorer.cli.shown.views import Document
from scorer.errors import Fatal
from scorer.kafka import (
    Admin,
    Due,
    Letter,
    Letterbox,
    Replay,
    Replayed,
    Topic,
    header_reader,
    read_replayed,
    replayed_topic,
)
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json
from scorer.serving.formats import open_formats
from scorer.settings import KafkaSettings, Settings

PAGE = 10_000  # lines that are sorted and aligned together, so that a long list takes little memory

Place = tuple[int, int]  # partition and offset of a dead letter


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = options.add_action(actions, "list", "print one line for each dead letter, and the number for each reason")
    show = options.add_action(
        actions, "show", "print dead letters in full: headers, bytes, and as much of the event as decodes"
    )
    replay = options.add_action(actions, "replay", "write events that were not replayed yet to their input topics")
    listing.set_defaults(act=_list)
    show.set_defaults(act=_show)
    replay.set_defaults(act=_replay)
    for action in (listing, show, replay):
        action.add_argument("--reason", type=_reason, metavar="R", help=f"only: {', '.join(Reason)}")
        action.add_argument(
            "--partition", type=_number, metavar="P", help="only this partition of the dead-letter topic"
        )
    for action in (listing, show):
        action.add_argument("--limit", type=options.positive, metavar="N", help="stop after N dead letters")
        action.add_argument("--json", action="store_true", help="print one JSON document a line")
    show.add_argument(
        "places", nargs="*", type=_place, metavar="PARTITION@OFFSET", help="which, as `list` shows it (default: all)"
    )
    extent = replay.add_mutually_exclusive_group()
    extent.add_argument("--limit", type=options.positive, metavar="N", help="stop after N events")
    extent.add_argument(
        "--again",
        action="store_true",
        help="replay everything that matches, even if already replayed; if interrupted, continue without --again",
    )
    replay.add_argument("--dry-run", action="store_true", help="print what would be replayed, and replay nothing")


def run(args: argparse.Namespace) -> int:
    """Do the action; return 1 if events were skipped that should have been replayed.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: a topic or a dead letter does not exist, or the brokers refused a write.
    """
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)
    code: int = args.act(settings, args)
    return code


def _list(settings: Settings, args: argparse.Namespace) -> int:
    admin, show = Admin(settings.kafka), console(stderr=False).print
    replayed = read_replayed(settings.kafka, admin, _letters_topic(admin, settings.kafka))
    box = Letterbox(settings.kafka, args.reason, args.partition)
    # Unlike letters, documents do not hold the events.
    documents = (document(letter, replayed) for letter in islice(box, args.limit))
    reasons, done = Counter[str](), 0
    while page := sorted(islice(documents, PAGE), key=itemgetter("partition", "offset")):
        reasons.update(each["reason"] for each in page)
        done += sum(each["replayed"] for each in page)
        if args.json:
            _write(page)
        else:
            show("\n".join(aligned(HEADER, map(row, page))))
    if not args.json:
        show(f"{reasons.total():,} dead letters{_parts(reasons)}; {done:,} replayed")
    _report_unrecognised(settings.kafka, box, replayed)
    return 0


def _show(settings: Settings, args: argparse.Namespace) -> int:
    formats = open_formats(settings)
    salvage = Salvage(formats.schema, formats.framing(header_reader(SCHEMA_HEADER)))
    admin, show = Admin(settings.kafka), console(stderr=False).print
    replayed = read_replayed(settings.kafka, admin, _letters_topic(admin, settings.kafka))
    box = Letterbox(settings.kafka, args.reason, args.partition)
    places = set(args.places)
    for letter in islice(_at(box, places) if places else box, args.limit):
        if args.json:
            _write([full_document(letter, replayed, salvage)])
        else:
            show(full_text(letter, replayed, salvage))
    _report_unrecognised(settings.kafka, box, replayed)
    if places:
        absent = ", ".join(f"{partition}@{offset}" for partition, offset in sorted(places))
        raise Fatal(f"no dead letter at {absent}; `scorer dead-letters list` shows where they are")
    return 0


def _at(box: Letterbox, places: set[Place]) -> Iterator[Letter]:
    """Yield the letters at the given places, and remove each place that was found."""
    for letter in box:
        place = letter.record.partition, letter.record.offset
        if place in places:
            places.remove(place)
            yield letter
        if not places:
            return


def _replay(settings: Settings, args: argparse.Namespace) -> int:
    kafka, admin = settings.kafka, Admin(settings.kafka)
    topic, inputs = _letters_topic(admin, kafka), _existing(admin, kafka.input_topics)
    box = Letterbox(kafka, args.reason, args.partition)
    replay = None if args.dry_run else Replay(kafka, admin, topic, inputs)
    replayed = replay.replayed if replay else read_replayed(kafka, admin, topic)
    if args.again:
        replayed.forget(args.reason, args.partition)
    due = Due(box, replayed, inputs)
    if replay is None:
        number = sum(1 for _ in islice(due, args.limit))
        console().print(f"would replay {number:,} events{_parts(due.taken)}")
    else:
        _write_back(replay, due, args.limit)
    _tell(due, kafka)
    _report_unrecognised(kafka, box, replayed)
    return int(bool(due.elsewhere or due.nowhere or (replay and replay.refused)))


def _write_back(replay: Replay, letters: Iterable[Letter], limit: int | None) -> None:
    """Replay letters, at most `limit` of them, and print how many, even after an error."""
    say = console().print
    try:
        with counting("events replayed") as show:
            for letter in letters:
                replay.add(letter)
                if replay.done + replay.waiting == limit:  # those that are refused now do not count
                    replay.commit()
                show(replay.done)
                if replay.done == limit:
                    break
            replay.commit()
    finally:
        say(f"{replay.done:,} events replayed")
        for text in replay.refused.texts():
            say(f"not replayed: {text}; then run replay again, which writes only these and new ones", style="red")


def _tell(due: Due, kafka: KafkaSettings) -> None:
    """Print which letters were not replayed and why, and which events may be deleted again."""
    say = console().print
    if due.before:
        say(f"{due.before:,} were replayed before; --again replays them again")
    if due.old:
        say(
            f"warning: {due.old:,} of the events are older than their topic's retention.ms: the brokers may delete "
            "them before they are read",
            style="yellow",
        )
    if due.cut:
        say(
            f"not replayed: {due.cut:,} dead letters with only part of their event (header scorer.cut); the whole "
            "event is in its input topic until retention deletes it",
            style="yellow",
        )
    for topic, letters in due.elsewhere.items():
        say(
            f"not replayed: {letters:,} events of topic {topic}, which is not in kafka.input_topics "
            f"({', '.join(kafka.input_topics)}): use the configuration of the replicas that read it",
            style="red",
        )
    for topic, letters in due.nowhere.items():
        say(
            f"not replayed: {letters:,} events of partitions that topic {topic} does not have: it was recreated with "
            "fewer, or the dead letters are forged; `scorer dead-letters list` shows them, and they can be replayed "
            "once the topic has their partitions",
            style="red",
        )


def _report_unrecognised(kafka: KafkaSettings, box: Letterbox, replayed: Replayed) -> None:
    say = console().print
    if box.unrecognised:
        text = f"skipped {box.unrecognised:,} records of {kafka.dead_letter_topic} that are not dead letters"
        say(f"{text}; the first is {box.first_unrecognised}", style="yellow")
    if replayed.unreadable:
        text = f"skipped {replayed.unreadable:,} records of {replayed_topic(kafka)} that scorer did not write"
        say(f"{text}; the other records were used", style="yellow")


def _letters_topic(admin: Admin, kafka: KafkaSettings) -> Topic:
    return _existing(admin, [kafka.dead_letter_topic])[kafka.dead_letter_topic]


def _existing(admin: Admin, names: Sequence[str]) -> Mapping[str, Topic]:
    topics = admin.topics(names)
    if missing := [name for name in names if name not in topics]:
        raise Fatal(f"missing topics: {', '.join(missing)}; `scorer topics --create` creates them")
    return topics


def _parts(counts: Counter[str]) -> str:
    return f": {', '.join(f'{number:,} {name}' for name, number in counts.most_common())}" if counts else ""


def _write(documents: Iterable[Document]) -> None:
    for one in documents:
        sys.stdout.write(printable_json(one) + "\n")


def _reason(text: str) -> Reason:
    if text not in set(Reason):
        raise argparse.ArgumentTypeError(f"unknown reason {text!r}; expected one of {', '.join(Reason)}")
    return Reason(text)


def _place(text: str) -> Place:
    partition, at, offset = text.partition("@")
    if not (at and partition.isdecimal() and offset.isdecimal()):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected PARTITION@OFFSET, such as 0@17")
    return int(partition), int(offset)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a partition number")
    return int(text)
