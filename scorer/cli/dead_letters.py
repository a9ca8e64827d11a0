"""`scorer dead-letters`: the events that could not be scored, as a list, in full, and back to their input topics."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter

from scorer.avro import SCHEMA_HEADER, Salvage
from scorer.batch import Reason
from scorer.cli import options
from scorer.cli.console import console
from scorer.cli.letters import HEADER, document, full_document, full_text, row
from scorer.cli.progress import counting
from scorer.cli.table import aligned
from scorer.cli.views import Document
from scorer.errors import Fatal
from scorer.formats import open_formats
from scorer.kafka import (
    Admin,
    Due,
    Letter,
    Letterbox,
    Replay,
    Replayed,
    Topic,
    header_reader,
    memory_of,
    read_replayed,
)
from scorer.monitor import configure_logging
from scorer.printable import printable_json
from scorer.settings import KafkaSettings, Settings

PAGE = 10_000  # lines that are sorted and aligned together, so that a list of any length takes little memory

Place = tuple[int, int]  # partition and offset of a dead letter


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = _action(actions, "list", "one line a dead letter, and how many there are of each reason")
    show = _action(actions, "show", "dead letters in full: headers, bytes, and the event as far as it can be read")
    replay = _action(actions, "replay", "write events to their input topics again, each that was not yet replayed")
    listing.set_defaults(act=_list)
    show.set_defaults(act=_show)
    replay.set_defaults(act=_replay)
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
        help="forget what was replayed, of the chosen reason and partition, and replay all of it; if that is "
        "interrupted, go on without --again",
    )
    replay.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(args: argparse.Namespace) -> int:
    """Do the action; return 1 where events were left out that should have been replayed.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: a topic or a dead letter is not there, or the brokers refused a write.
    """
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)
    code: int = args.act(settings, args)
    return code


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    one = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
    options.add_config(one)
    one.add_argument("--reason", type=_reason, metavar="R", help=f"only: {', '.join(Reason)}")
    one.add_argument("--partition", type=_number, metavar="P", help="only this partition of the dead-letter topic")
    one.add_argument("--traceback", action="store_true", help="show where in the code an error comes from")
    return one


def _list(settings: Settings, args: argparse.Namespace) -> int:
    admin, show = Admin(settings.kafka), console(stderr=False).print
    replayed = read_replayed(settings.kafka, admin, _letters_topic(admin, settings.kafka))
    box = Letterbox(settings.kafka, args.reason, args.partition)
    # Documents, which unlike letters do not hold the events.
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
        raise Fatal(f"no dead letter at {absent}; `scorer dead-letters list` shows where there are some")
    return 0


def _at(box: Letterbox, places: set[Place]) -> Iterator[Letter]:
    """Yield the letters at some places, each of which is then taken off."""
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
    replay = None if args.dry_run else Replay(kafka, admin, topic)
    replayed = replay.replayed if replay else read_replayed(kafka, admin, topic)
    if args.again:
        replayed.forget(args.reason, args.partition)
    due = Due(box, replayed, inputs)
    if replay is None:
        number = sum(1 for _ in islice(due, args.limit))
        console().print(f"would replay {number:,} events{_parts(due.taken)}")
    else:
        _write_back(replay, islice(due, args.limit))
    _tell(due, kafka)
    _report_unrecognised(kafka, box, replayed)
    return int(bool(due.elsewhere or due.nowhere))


def _write_back(replay: Replay, letters: Iterable[Letter]) -> None:
    """Replay letters, and say how many it were, whatever ends it."""
    say = console().print
    try:
        with counting("events replayed") as show:
            for letter in letters:
                replay.add(letter)
                show(replay.done)
            replay.commit()
    finally:
        say(f"{replay.done:,} events replayed")


def _tell(due: Due, kafka: KafkaSettings) -> None:
    """Say what was not replayed and why, and what may be lost."""
    say = console().print
    if due.before:
        say(f"{due.before:,} were replayed before; --again replays them once more")
    if due.old:
        say(
            f"warning: {due.old:,} of the events are older than their topic's retention.ms: the brokers may delete "
            "them before they are read",
            style="yellow",
        )
    if due.cut:
        say(
            f"not replayed: {due.cut:,} dead letters that hold a part of their event only (header scorer.cut); the "
            "whole event is in its input topic, for as long as that keeps it",
            style="yellow",
        )
    for topic, letters in due.elsewhere.items():
        say(
            f"not replayed: {letters:,} events of topic {topic}, which is none of kafka.input_topics "
            f"({', '.join(kafka.input_topics)}): use the configuration of the replicas that read it",
            style="red",
        )
    for topic, letters in due.nowhere.items():
        say(
            f"not replayed: {letters:,} events of partitions that topic {topic} does not have: it was made anew with "
            "fewer, or the dead letters are forged; `scorer dead-letters list` shows them, and once the topic has "
            "their partitions they can be replayed",
            style="red",
        )


def _report_unrecognised(kafka: KafkaSettings, box: Letterbox, replayed: Replayed) -> None:
    say = console().print
    if box.unrecognised:
        text = (
            f"left out: {box.unrecognised:,} records of {kafka.dead_letter_topic} that are no dead letters, the first "
        )
        say(text + box.first_unrecognised, style="yellow")
    if replayed.unreadable:
        text = f"left out: {replayed.unreadable:,} records of {memory_of(kafka)} that scorer did not write"
        say(f"{text}; what was replayed is known from the others", style="yellow")


def _letters_topic(admin: Admin, kafka: KafkaSettings) -> Topic:
    return _existing(admin, [kafka.dead_letter_topic])[kafka.dead_letter_topic]


def _existing(admin: Admin, names: Sequence[str]) -> Mapping[str, Topic]:
    topics = admin.topics(names)
    if missing := [name for name in names if name not in topics]:
        raise Fatal(f"missing topics: {', '.join(missing)}; `scorer topics --create` makes them")
    return topics


def _parts(counts: Counter[str]) -> str:
    return f": {', '.join(f'{number:,} {name}' for name, number in counts.most_common())}" if counts else ""


def _write(documents: Iterable[Document]) -> None:
    for one in documents:
        sys.stdout.write(printable_json(one) + "\n")


def _reason(text: str) -> Reason:
    if text not in set(Reason):
        raise argparse.ArgumentTypeError(f"{text!r} is no reason; expected one of {', '.join(Reason)}")
    return Reason(text)


def _place(text: str) -> Place:
    partition, at, offset = text.partition("@")
    if not (at and partition.isdecimal() and offset.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no place of a dead letter, such as 0@17")
    return int(partition), int(offset)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a partition")
    return int(text)
