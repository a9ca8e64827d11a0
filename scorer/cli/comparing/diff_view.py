"""The differences between two versions, as text for a terminal and as pictures."""

from collections.abc import Iterator, Sequence

import yaml
from rich.text import Text

from scorer.cli.shown.answers import Answer
from scorer.cli.shown.console import console
from scorer.cli.shown.picture import Picture, box, text
from scorer.cli.shown.table import aligned

Row = tuple[str, float | None, float | None]  # a label, and the share of each version

WIDTH = 20  # characters of a bar on a terminal
SHOWN = 12  # columns whose importance is drawn
_STYLES = ("cyan", "yellow")  # of the versions, on a terminal
_COLOURS = ("#2a9d8f", "#e9a23b")  # and in a picture
_CHARACTER, _BAR, _LINE, _LEGEND = 8, 480, 26, 24  # pixels of the parts of a picture
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def show(answer: Answer) -> None:
    """Print the differences for people."""
    people = console(stderr=False)
    block = "█" if people.encoding.lower().startswith("utf") else "#"
    for line in _lines(answer, block):
        people.print(line)


def pictures(answer: Answer) -> list[Picture]:
    """Return the distribution of each output's scores, where there are any, and the importance of the columns."""
    names = _names(answer)
    found = score_pictures(answer, names)
    title = "importance: the share of each column in the gain of all splits"
    return [*found, _bars(title, [], _important(answer), names)]


def score_pictures(answer: Answer, names: Sequence[str]) -> list[Picture]:
    """Return the distribution of each output's scores under both names."""
    return [
        _bars(title, _summary(output), _bins(output), names) for title, output in _outputs(answer) if output["events"]
    ]


def _names(answer: Answer) -> tuple[str, str]:
    return f"version {answer['before']['version']}", f"version {answer['after']['version']}"


def _lines(answer: Answer, block: str) -> Iterator[Text]:
    names = _names(answer)
    yield Text(f"{answer['model']}: {' and '.join(names)}", "bold")
    yield from _facts(answer, names)
    yield from _plan(answer["plan"])
    yield from _headed("importance: the share of each column in the gain of all splits")
    yield from _two_bars(_important(answer), names, block)
    hidden = len(answer["importance"]) - SHOWN
    if hidden > 0:
        yield Text(f"  and {hidden} more columns", "dim")
    if "scores" in answer:
        yield from score_lines(answer, names, block)


def _headed(title: str) -> Iterator[Text]:
    """Yield the head of a section."""
    yield Text()
    yield Text(title, "bold")


def _facts(answer: Answer, names: Sequence[str]) -> Iterator[Text]:
    """Yield a table of what describes the models; what differs is highlighted."""
    before, after = answer["before"], answer["after"]
    facts = [name for name in before if name != "version"]
    rows = [(name.replace("_", " "), before[name], after[name]) for name in facts]
    head, *lines = aligned(("", *names), rows)
    yield Text(f"  {head}", "dim")
    for name, line in zip(facts, lines, strict=True):
        yield Text(f"  {line}", "yellow" if before[name] != after[name] else "")


def _plan(changes: Sequence[Answer]) -> Iterator[Text]:
    yield from _headed("plan" if changes else "plan: no difference")
    width = max((len(f"{each['kind']} {each['name']}") for each in changes), default=0)
    for each in changes:
        sign, style = _SIGNS[each["change"]]
        name = f"{each['kind']} {each['name']}"
        yield Text(f"  {sign} {name:<{width}}  {_said(each)}", style)


def _said(each: Answer) -> str:
    if each["kind"] == "order":
        return "those that both have are in another order"
    if each["change"] != "changed":
        return _flow(each["before"] or each["after"])
    before, after = each["before"], each["after"]
    keys = dict.fromkeys([*before, *after])
    return "; ".join(f"{key}: {_flow(before.get(key))} is now {_flow(after.get(key))}" for key in keys)


def _flow(words: object) -> str:
    """Return a part of a plan on one line, as a plan has it; `none` for a key that is not there."""
    if words is None:
        return "none"
    text = yaml.safe_dump(words, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _important(answer: Answer) -> list[Row]:
    return [(row["column"], row["before"], row["after"]) for row in answer["importance"][:SHOWN]]


def _bins(output: Answer) -> list[Row]:
    """Return the bins of a histogram; the outermost ones have no outer end."""
    edges, each = output["histogram"]["edges"], output["histogram"]
    labels = [f"below {edges[1]:.4g}", *(f"{edge:.4g}" for edge in edges[1:-2]), f"{edges[-2]:.4g} or more"]
    return list(zip(labels, each["before"], each["after"], strict=True))


def _two_bars(rows: Sequence[Row], names: Sequence[str], block: str) -> Iterator[Text]:
    """Yield a line for each row, with a bar for each version."""
    width = max((len(label) for label, *_ in rows), default=0)
    most = max((share for _, *shares in rows for share in shares if share is not None), default=0) or 1.0
    yield Text(f"  {'':<{width}}  {names[0]:<{WIDTH + 8}}  {names[1]}", "dim")
    for label, *shares in rows:
        line = Text(f"  {label:<{width}}")
        for share, style in zip(shares, _STYLES, strict=True):
            length = 0 if share is None else round(WIDTH * share / most)
            number = "-" if share is None else f"{share:.1%}"
            line.append("  ").append(f"{block * length:<{WIDTH}}", style).append(f"{number:>8}")
        line.rstrip()
        yield line


def _outputs(answer: Answer) -> Iterator[tuple[str, Answer]]:
    """Yield the title and the shift of each output."""
    outputs = answer["scores"]["outputs"] if "scores" in answer else []
    for number, output in enumerate(outputs):
        of_output = f" of output {number}" if len(outputs) > 1 else ""
        yield f"scores{of_output} of {output['events']:,} events of {answer['scores']['input']}", output


def score_lines(answer: Answer, names: Sequence[str], block: str) -> Iterator[Text]:
    """Yield how the scores of the same events differ under both names."""
    scores = answer["scores"]
    if not scores["outputs"]:
        yield from _headed(f"scores: {scores['input']} have no event that both versions scored")
    for title, output in _outputs(answer):
        yield from _headed(title)
        if output["events"]:
            yield from _two_bars(_bins(output), names, block)
            levels = [(f"{each['level']:.0%}", *_four(each)) for each in output["quantiles"]]
            yield from _table(("quantile", *names), [*levels, ("mean", *_four(output["mean"]))])
        for note in _summary(output):
            yield Text(f"  {note}", "dim")
    yield from map(Text, _fates(scores, names))
    if scores["largest"]:
        yield from _headed("largest differences")
        rows = [(each["event_id"], *_four(each), _number(each["difference"])) for each in scores["largest"]]
        yield from _table(("event", *names, "difference"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[Text]:
    head, *lines = aligned(header, rows)
    yield Text(f"  {head}", "dim")
    yield from (Text(f"  {line}") for line in lines)


def _fates(scores: Answer, names: Sequence[str]) -> Iterator[str]:
    """Yield the counts of events that were not compared, by reason."""
    if scores["compared"] < scores["events"]:
        yield f"  {scores['compared']:,} of {scores['events']:,} events were scored by both"
    for side, name in zip(("before", "after"), names, strict=True):
        for reason, number in scores.get(side, {"rejected": {}})["rejected"].items():
            yield f"  {name} rejected {number:,} of {scores['events']:,} events: {reason}"
    if scores.get("degraded"):
        yield f"  {scores['degraded']:,} events were scored without features: the store did not answer"


def _summary(output: Answer) -> list[str]:
    events = output["events"]
    notes = [f"{output['not_finite']:,} events have a score that is not finite"] if output["not_finite"] else []
    if events:
        related = [("correlation", output["correlation"]), ("of ranks", output["rank_correlation"])]
        shown = ", ".join(f"{name} {'none' if value is None else f'{value:.4f}'}" for name, value in related)
        notes = [
            f"PSI {output['psi']:.4f}, {shown}, mean absolute difference {output['mean_absolute_difference']:.4g}",
            f"{output['equal']:,} of {events:,} scores are equal",
            *notes,
        ]
    return notes


def _four(pair: Answer) -> tuple[str, str]:
    return _number(pair["before"]), _number(pair["after"])


def _number(value: float | Sequence[float | None] | None) -> str:
    if isinstance(value, Sequence):
        return ", ".join(map(_number, value))
    return "-" if value is None else f"{value:.4g}"


def _bars(title: str, notes: Sequence[str], rows: Sequence[Row], names: Sequence[str]) -> Picture:
    """Return a picture with two bars for each row, below a legend."""
    most = max((share for _, *shares in rows for share in shares if share is not None), default=0) or 1.0
    left = _CHARACTER * max((len(label) for label, *_ in rows), default=0) + 8
    shapes, at = list[str](), left
    for name, colour in zip(names, _COLOURS, strict=True):
        shapes += [box(at, 2, 12, 12, colour), text(at + 18, 12, name)]
        at += _CHARACTER * len(name) + 48
    for line, (label, *shares) in enumerate(rows):
        top = _LEGEND + line * _LINE
        shapes.append(text(left - 8, top + 15, label, "end"))
        for row, (share, colour) in enumerate(zip(shares, _COLOURS, strict=True)):
            if share is not None:
                length = max(1.0, _BAR * share / most)
                shapes.append(box(left, top + row * 11, length, 10, colour))
                shapes.append(text(left + length + 6, top + row * 11 + 9, f"{share:.1%}", style="font-size:10px"))
    return Picture(title, notes, left + _BAR + 60, _LEGEND + _LINE * len(rows), shapes)
