import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import Misconfigured
from scorer.settings import load
from scorer.settings.catalogue import CATALOGUE
from tests.settings.conftest import Problems


@pytest.mark.parametrize(
    ("key", "value", "what", "expected"),
    [
        ("batch.max_records", "abc", "found 'abc'", "expected a whole number from 1 to 100000"),
        ("batch.max_records", True, "found 'true'", "expected a whole number from 1 to 100000"),
        ("batch.max_records", 1.5, "found '1.5'", "expected a whole number from 1 to 100000"),
        ("batch.max_records", 0, "found '0'", "expected a whole number from 1 to 100000"),
        ("batch.max_records", 100_001, "found '100001'", "expected a whole number from 1 to 100000"),
        ("batch.max_records", None, "found null", "expected a whole number from 1 to 100000"),
        ("batch.max_records", {"a": 1}, "found a map", "expected a whole number from 1 to 100000"),
        ("batch.max_wait_ms", -1, "found '-1'", "expected a whole number from 0 to 60000"),
        ("events.max_bytes", 0, "found '0'", "expected a whole number from 1 to 1000000000"),
        ("http.port", 65_536, "found '65536'", "expected a whole number from 0 to 65535"),
        ("features.timeout_ms", 0, "found '0'", "expected a whole number from 1 to 60000"),
        ("features.read_from", "slave", "found 'slave'", "expected master or replica"),
        ("features.read_from", "replica", "found 'replica'", "expected master, unless features.url starts with"),
        ("shutdown.deadline_s", 0, "found '0'", "expected a number above 0 to 3600"),
        ("shutdown.deadline_s", ".nan", "found '.nan'", "expected a number above 0 to 3600"),
        ("shutdown.deadline_s", "nan", "found 'nan'", "expected a number above 0 to 3600"),
        ("log.level", "INFO", "found 'INFO'", "expected debug, info, warning or error"),
        ("kafka.start_from", "end", "found 'end'", "expected earliest or latest"),
        ("kafka.group_id", "", "found ''", "expected text"),
        ("kafka.group_id", ["a"], "found a list", "expected text"),
        ("kafka.instance_id", "", "found ''", "expected text or null"),
        ("kafka.bootstrap_servers", "a:1, b:2", "found 'a:1, b:2'", "expected host:port, or several with commas"),
        ("kafka.input_topics", "flights", "found 'flights'", 'expected a list of topic names, such as ["flights"]'),
        ("kafka.input_topics", [], "found an empty list", 'expected a list of topic names, such as ["flights"]'),
        ("kafka.input_topics", ["a", "a"], "found a list", "expected each topic once, but a is listed more than once"),
        ("kafka.output_topic", "a b", "found 'a b'", "expected a topic name"),
        ("kafka.output_topic", "..", "found '..'", "expected a topic name"),
        ("kafka.output_topic", "t" * 250, f"found '{'t' * 75}...'", "expected a topic name"),
        ("kafka.output_topic", "flights", "found 'flights'", "expected a topic that is not one of kafka.input_topics"),
        ("kafka.dead_letter_topic", "flights", "found 'flights'", "expected a topic that is not one of kafka.input_"),
        ("kafka.dead_letter_topic", "delays", "found 'delays'", "expected a topic that is not kafka.output_topic"),
        ("kafka.delivery", "at-most-once", "found 'at-most-once'", "expected at-least-once or exactly-once"),
        ("events.framing", "json", "found 'json'", "expected none, confluent or single-object"),
        ("predictions.framing", "json", "found 'json'", "expected none, confluent or single-object"),
        ("events.schema", "", "found ''", "expected a path"),
        ("events.schema", None, "found null", "expected a path"),
        ("model.version", "../x", "found '../x'", "expected latest, or the name of a version's folder"),
        ("features.url", "localhost:6379", "found 'localhost:6379'", "expected a URL such as redis://"),
        ("features.when_missing", "wait", "found 'wait'", "expected impute or dead-letter"),
        ("kafka.properties", "x", "found text that is not JSON", "expected a map of librdkafka properties"),
        ("kafka.properties", None, "found null", "expected a map of librdkafka properties"),
        ("batch", None, "found null", "expected a group with the keys max_records, max_wait_ms, max_bytes, mode"),
        ("batch.mode", "quick", "found 'quick'", "expected adaptive or fixed"),
        ("batch", ["a"], "found a list", "expected a group with the keys max_records, max_wait_ms, max_bytes, mode"),
        ("kafka", 5, "found '5'", "expected a group with the keys bootstrap_servers, group_id, "),
        ("model", None, "found null", "expected a group with the keys path, version, rollout"),
        ("http", 5, "found '5'", "expected a group with the keys host, port, token, token_file, tls, page or null"),
    ],
)
def test_a_wrong_value_is_reported_with_its_key_line_and_expectation(
    problems: Problems, key: str, value: object, what: str, expected: str
) -> None:
    (problem,) = problems({key: value})
    assert re.fullmatch(re.escape(key) + r" \(scorer\.yaml line \d+\)", problem.where)
    assert problem.what == what
    assert problem.expected.startswith(expected)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batch.max_record", "did you mean 'max_records'?"),
        ("kafka.groupid", "did you mean 'group_id'?"),
        ("kafak", "did you mean 'kafka'?"),
        ("group_id", "did you mean 'kafka.group_id'?"),
        ("events.max_records", "did you mean 'batch.max_records'?"),
        ("log.zzz", "known keys: level, format"),
        ("features.ur", "did you mean 'url'?"),
    ],
)
def test_the_error_for_an_unknown_key_in_the_file_names_the_nearest(problems: Problems, key: str, hint: str) -> None:
    (problem,) = problems({key: 1})
    assert problem.where.startswith(f"{key} (scorer.yaml line ")
    assert problem.what == f"unknown key '{key.rpartition('.')[2]}'"
    assert problem.expected == hint


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("SCORER_KAFKA__GROUPID", "did you mean 'SCORER_KAFKA__GROUP_ID'?"),
        ("SCORER_KAFKA_GROUP_ID", "did you mean 'SCORER_KAFKA__GROUP_ID'?"),
        ("SCORER_KAFKA__group_id", "did you mean 'SCORER_KAFKA__GROUP_ID'?"),
        ("SCORER_KAFAK", "did you mean 'SCORER_KAFKA'?"),
        ("SCORER_BATCH__MAX_RECORDS__X", "did you mean 'SCORER_BATCH__MAX_RECORDS'?"),
        ("SCORER_KAFKA__PROPERTIES__LINGER_MS", "set SCORER_KAFKA__PROPERTIES to a JSON map"),
        ("SCORER_PORT_9464_TCP", "Kubernetes sets it for a Service named scorer"),
    ],
)
def test_the_error_for_an_unknown_variable_names_the_nearest(problems: Problems, variable: str, hint: str) -> None:
    (problem,) = problems({}, {variable: "secret"})
    assert (problem.where, problem.what) == (variable, "unknown variable")
    assert problem.expected.startswith(hint)


@pytest.mark.parametrize(
    ("flag", "where", "what", "expected"),
    [
        ("log.level", "--set log.level", "no value", "expected --set PATH=VALUE"),
        ("log.levl=info", "--set log.levl", "unknown key 'log.levl'", "did you mean 'log.level'?"),
        ("log.level=x", "log.level (--set log.level)", "found 'x'", "expected debug, info, warning or error"),
        ("=x", "--set ", "unknown key ''", "known keys: kafka, "),
        (
            "kafka.properties.=x",
            "kafka.properties. (--set kafka.properties.)",
            "found 'x'",
            "expected the name of a property",
        ),
    ],
)
def test_a_wrong_flag_is_reported(problems: Problems, flag: str, where: str, what: str, expected: str) -> None:
    (problem,) = problems({}, flags=[flag])
    assert (problem.where, problem.what) == (where, what)
    assert problem.expected.startswith(expected)


def _is_needed(group: tuple[str, ...]) -> bool:
    return CATALOGUE[group].required or group == ("kafka",)  # which only a server without a stream leaves out


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_every_missing_required_key_is_reported(problems: Problems, text: str) -> None:
    found = problems(text)
    required = [
        setting.dotted
        for setting in CATALOGUE.values()
        if (setting.required and "." in setting.dotted and _is_needed(setting.key[:-1]))
        or setting.dotted == "events.schema"  # where no registry is asked for it
    ]
    assert [problem.where for problem in found] == required
    assert len(required) == 7
    assert {problem.what for problem in found} == {"missing"}
    assert found[1].expected == "expected text, in scorer.yaml or in SCORER_KAFKA__GROUP_ID"


def test_a_missing_required_key_of_a_group_is_reported_if_the_group_is_set(problems: Problems) -> None:
    (problem,) = problems({"features.cache": {}})
    assert (problem.where, problem.what) == ("features.cache.ttl_ms", "missing")


def test_a_refused_key_is_not_also_reported_as_missing(problems: Problems) -> None:
    (problem,) = problems({}, {"SCORER_KAFKA__INPUT_TOPICS": "flights"})
    assert str(problem) == (
        "kafka.input_topics (SCORER_KAFKA__INPUT_TOPICS): found 'flights'; "
        'expected a list of topic names, such as ["flights"]'
    )


def test_all_problems_of_all_sources_are_reported_together(problems: Problems) -> None:
    changes = {"batch.max_records": "abc", "kafka.delivery": "once", "zzz": 1, "model.path": "${NOPE}"}
    found = problems(changes, {"SCORER_X": "1", "SCORER_HTTP__PORT": "-1"}, ["log.level=x", "nope"])
    assert len(found) == 8
    assert "kafka.delivery" in str(found)


def test_a_wrong_topic_in_a_list_is_named_by_its_index(problems: Problems) -> None:
    (problem,) = problems({"kafka.input_topics": ["a", "b c"]})
    assert problem.where == "kafka.input_topics[1] (scorer.yaml line 4)"
    assert problem.what == "found 'b c'"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("${NOPE}", "the variable NOPE is not set"),
        ("${NOPE:-x}", "found '${NOPE:-x}'"),
        ("${}", "found '${}'"),
        ("a${", "found '${'"),
    ],
)
def test_a_variable_that_cannot_be_replaced_is_reported(problems: Problems, value: str, what: str) -> None:
    (problem,) = problems({"http.port": value}, os.environ)
    assert problem.where.startswith("http.port (scorer.yaml line ")
    assert problem.what == what


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("kafka: [", "line 1, column 9", "not YAML"),
        ("a: b: c", "line 1, column 5", "not YAML"),
        ("a: 1\n---\nb: 1\n", "line 2, column 1", "not YAML"),
        ("a: \x00", "", "not YAML"),
        ('a: "\\UFFFFFFFF"', "", "not YAML"),
        ("[" * 5_000, "", "not YAML"),
        ("just text", "line 1", "found text that is not JSON"),
        ("- a", "line 1", "found a list"),
        ("log: {level: info}\nlog: {}", "log (scorer.yaml line 2)", "duplicate key, first in line 1"),
        (
            "log: {level: info,\n level: info}",
            "log.level (scorer.yaml line 2)",
            "duplicate key, first in line 1",
        ),
        ("log: {level: !env X}", "log.level (scorer.yaml line 1)", "unknown tag !env"),
        ("? [a]\n: b", "line 1", "a key that is a list or map"),
        ("&a log: &b {level: *b}", "nested too deeply", ""),
    ],
)
def test_a_file_that_is_not_a_map_of_settings_is_reported(problems: Problems, text: str, where: str, what: str) -> None:
    told = [str(problem) for problem in problems(text)]
    assert any(where in line and what in line for line in told), told


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff")
    for name, what in [("none.yaml", "no such file"), (".", "cannot be read"), ("bytes.yaml", "not YAML")]:
        with pytest.raises(Misconfigured, match=what):
            load(tmp_path / name, {})


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("${X}")
KEYS = st.sampled_from([key[-1] for key in CATALOGUE if key]) | st.text(max_size=6)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
VARIABLES = st.sampled_from([setting.variable for setting in CATALOGUE.values() if setting.key])
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(
    tree=st.dictionaries(KEYS, TREES),
    environ=st.dictionaries(VARIABLES, st.text(max_size=8)),
    flags=st.lists(st.text()),
)
def test_nothing_but_misconfigured_is_raised(
    tmp_path: Path, tree: dict[str, object], environ: dict[str, str], flags: list[str]
) -> None:
    file = tmp_path / "tree.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    with pytest.raises(Misconfigured):
        load(file, environ, flags)


@FUZZ
@given(text=st.text(alphabet=st.sampled_from("ab:{}[]&*!|>-?#%@'\"\\ \n\t$,~0")) | st.text())
def test_no_settings_text_raises_anything_but_misconfigured(tmp_path: Path, text: str) -> None:
    file = tmp_path / "text.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(Misconfigured):
        load(file, {})
