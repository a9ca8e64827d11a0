"""The differences between two plans."""

from scorer.plan import Plan
from scorer.plan.difference import Difference, differences

OLD = """
entities:
  card: {key: "card:{card}", layout: hash, fields: [spend]}
  shop: {key: "shop:{shop}", layout: hash, fields: [age]}
  feast:
    layout: feast
    project: p
    key: {a: int64}
    fields: ["v:x"]
columns:
  - {name: amount, event: amount}
  - {name: country, event: country, categories: [DE, FR]}
  - {name: hour, event: at, part: hour}
  - {name: spend, entity: card, field: spend}
  - {name: ratio, expression: "amount / spend"}
  - {name: x, entity: feast, field: "v:x"}
"""


def changed(before: str, after: str) -> list[Difference]:
    return differences(Plan.parse(before, "old"), Plan.parse(after, "new"))


def test_a_plan_does_not_differ_from_itself() -> None:
    assert changed(OLD, OLD) == []
    assert changed(OLD, OLD.replace("{name: amount,", "{name:   amount,   default: .nan,")) == []


def test_only_the_keys_that_changed_are_named() -> None:
    new = OLD.replace("[DE, FR]", "[FR, DE]").replace("part: hour", "part: day").replace("amount / spend", "amount")
    assert changed(OLD, new) == [
        Difference("column", "country", {"categories": ["DE", "FR"]}, {"categories": ["FR", "DE"]}),
        Difference("column", "hour", {"part": "hour"}, {"part": "day"}),
        Difference("column", "ratio", {"expression": "amount / spend"}, {"expression": "amount"}),
    ]


def test_another_default_and_another_source_are_changes() -> None:
    new = OLD.replace("field: spend}", "field: spend, default: 0}").replace(
        "{name: amount, event: amount}", "{name: amount, event: at, part: day}"
    )
    first, second = changed(OLD, new)
    assert (first.before, first.after) == ({"event": "amount"}, {"event": "at", "part": "day"})
    assert (second.before, second.after) == ({}, {"default": 0.0})


def test_entities_are_compared_by_all_that_they_say() -> None:
    new = OLD.replace("fields: [spend]}", "fields: [spend, age], max_age: 60, updated: at}").replace(
        "project: p", "project: q"
    )
    new = new.replace("{a: int64}", "{a: {type: int64, event: b}}").replace(
        '  shop: {key: "shop:{shop}", layout: hash, fields: [age]}\n', ""
    )
    card, shop, feast = changed(OLD, new)
    assert (card.change, card.before) == ("changed", {"fields": ["spend"]})
    assert card.after == {"fields": ["spend", "age"], "max_age": 60, "updated": "at"}
    assert (shop.change, shop.name, shop.after) == ("removed", "shop", None)
    assert (feast.before, feast.after) == (
        {"key": {"a": {"type": "int64", "event": "a"}}, "project": "p"},
        {"key": {"a": {"type": "int64", "event": "b"}}, "project": "q"},
    )


def test_an_added_column_is_no_other_order_but_a_moved_one_is() -> None:
    new = OLD.replace("columns:\n", "columns:\n  - {name: first, event: first}\n")
    (added,) = changed(OLD, new)
    assert (added.change, added.name, added.before, added.after) == ("added", "first", None, {"event": "first"})
    line = "  - {name: amount, event: amount}\n"
    (moved,) = changed(
        OLD.replace("  - {name: ratio", "  - {name: other").replace("amount / spend", "spend"),
        OLD.replace(line, "").replace("amount / spend", "spend").replace("name: ratio", "name: other") + line,
    )
    assert (moved.kind, moved.change) == ("order", "changed")
