"""Groups under names that the user chooses, in a configuration that has some beside the settings of today."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from scorer.cli import main
from scorer.cli.lifecycle import options
from scorer.errors import Misconfigured, Problem
from scorer.security import redaction
from scorer.settings import Loaded, Settings, load, mask
from scorer.settings.catalogue import Shape, catalogue_of
from scorer.settings.groups import Group, TlsSettings
from scorer.settings.kinds import Expects, Name, Records, Secret, Text, Url, Urls
from scorer.settings.reference import markdown
from tests.settings.conftest import changed


class OutputSettings(Group):
    """Where a copy of the predictions goes."""

    topic: Text = Field(description="Its topic.")
    schema_path: Text = Field(alias="schema", default="", description="Its schema.")
    most: Records = Field(default=10, ge=1, le=20, description="Most records at once.")
    token: Annotated[Text | None, Secret.WHOLE] = Field(default=None, description="Its token.")
    url: Url | None = Field(default=None, description="Its feature store.")
    registry: Urls | None = Field(default=None, description="Its registry.")
    weights: Annotated[dict[str, float], Expects("a map of numbers")] = Field(default={}, description="Weights.")
    properties: Annotated[dict[str, str], Expects("a map"), Secret.PROPERTIES] = Field(default={}, description="More.")
    tls: TlsSettings | None = None


class Wider(Settings):
    """The whole configuration."""

    outputs: dict[Name, OutputSettings] = Field(default={}, description="Copies of the predictions.")


CATALOGUE = catalogue_of(Wider)
HALF = {"eu": {"topic": "a"}}


class Place:
    """A folder with a configuration that has outputs."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scorer.yaml"

    def load(self, outputs: Any = None, environ: Mapping[str, str] = {}, flags: Iterable[str] = ()) -> Loaded:
        """Load outputs, or the text of a whole file."""
        changes = {} if outputs is None else {"outputs": outputs}
        self.file.write_text(outputs if isinstance(outputs, str) else changed(changes))
        return load(self.file, environ, flags, form=Wider)

    def outputs(self, *args: Any, **others: Any) -> dict[str, OutputSettings]:
        settings = self.load(*args, **others).settings
        assert isinstance(settings, Wider)
        return settings.outputs

    def problems(self, *args: Any, **others: Any) -> tuple[Problem, ...]:
        with pytest.raises(Misconfigured) as caught:
            self.load(*args, **others)
        return caught.value.problems


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_each_name_has_a_group(place: Place) -> None:
    outputs = place.outputs({"eu": {"topic": "a", "weights": {"v1": 0.5}}, "us-2": {"topic": "b", "tls": {}}})
    assert list(outputs) == ["eu", "us-2"]
    assert (outputs["eu"].topic, outputs["eu"].most, outputs["eu"].weights) == ("a", 10, {"v1": 0.5})
    assert (outputs["us-2"].topic, outputs["us-2"].tls) == ("b", TlsSettings())
    assert place.outputs() == place.outputs({}) == {}


def test_the_file_variables_and_flags_name_the_same_group(place: Place) -> None:
    environ = {"SCORER_OUTPUTS__EU__MOST": "7", "SCORER_OUTPUTS__US-2_X__TOPIC": "c", "SCORER_OUTPUTS__EU__SCHEMA": "s"}
    flags = ["outputs.eu.weights.1.10=3", "outputs.us-2_x.tls.ca=ca.pem", 'outputs.new={"topic": "d"}']
    loaded = place.load(HALF, environ, flags)
    assert isinstance(loaded.settings, Wider)
    outputs = loaded.settings.outputs
    assert outputs["eu"] == OutputSettings(topic="a", schema="s", most=7, weights={"1.10": 3})
    assert outputs["us-2_x"] == OutputSettings(topic="c", tls=TlsSettings(ca=place.file.with_name("ca.pem")))
    assert outputs["new"] == OutputSettings(topic="d")
    sources = {key: source for key, source in loaded.sources.items() if key.startswith("outputs.")}
    given = {key: source for key, source in sources.items() if source != "default"}
    assert given == {
        "outputs.eu.topic": "file",
        "outputs.eu.schema": "SCORER_OUTPUTS__EU__SCHEMA",
        "outputs.eu.most": "SCORER_OUTPUTS__EU__MOST",
        "outputs.eu.weights.1.10": "--set",
        "outputs.us-2_x.topic": "SCORER_OUTPUTS__US-2_X__TOPIC",
        "outputs.us-2_x.tls.ca": "--set",
        "outputs.new.topic": "--set",
    }
    assert sources["outputs.new.most"] == "default"


def test_a_map_of_groups_as_json_changes_only_the_keys_it_names(place: Place) -> None:
    environ = {"SCORER_OUTPUTS": '{"eu": {"most": 3}, "us": {"topic": "b"}}'}
    outputs = place.outputs(HALF, environ)
    assert outputs == {"eu": OutputSettings(topic="a", most=3), "us": OutputSettings(topic="b")}


@pytest.mark.parametrize(
    ("environ", "flags"),
    [
        ({"SCORER_OUTPUTS__EU": "null"}, []),
        ({"SCORER_OUTPUTS": '{"eu": null}'}, []),
        ({}, ["outputs.eu=null"]),
    ],
)
def test_null_removes_a_group_from_an_earlier_source(place: Place, environ: dict[str, str], flags: list[str]) -> None:
    both = HALF | {"us": {"topic": "b"}}
    assert place.outputs(both, environ, flags) == {"us": OutputSettings(topic="b")}
    assert place.outputs(both, environ, [*flags, "outputs.eu.topic=c"])["eu"] == OutputSettings(topic="c")
    assert place.load({"eu": None}).sources["outputs"] == "file"


@pytest.mark.parametrize(
    ("outputs", "where", "what", "expected"),
    [
        ({"eu": {"topic": "a", "most": 21}}, "outputs.eu.most", "found '21'", "expected a whole number from 1 to 20"),
        ({"eu": {"topic": ""}}, "outputs.eu.topic", "found ''", "expected text"),
        ({"eu": {"topic": "a", "tls": {"ca": ""}}}, "outputs.eu.tls.ca", "found ''", "expected a path"),
        ({"eu": {"topic": "a", "weights": {"v.1": "x"}}}, "outputs.eu.weights.v.1", "found 'x'", "expected a map of n"),
        ({"eu": {"topic": "a", "url": "h"}}, "outputs.eu.url", "found '********'", "expected a URL such as redis://"),
        ({"eu": "a"}, "outputs.eu", "found text that is not JSON", "expected a group with the keys topic, schema, "),
        ({"eu": ["a"]}, "outputs.eu", "found a list", "expected a group with the keys topic, schema, most, "),
        (["eu"], "outputs", "found a list", "expected a map of names to groups with the keys topic, schema, most, "),
        ({"eu": {"topci": "a"}}, "outputs.eu.topci", "unknown key 'topci'", "did you mean 'topic'?"),
        ({"eu": {"group_id": "a"}}, "outputs.eu.group_id", "unknown key 'group_id'", "did you mean 'kafka.group_id'?"),
        ({"eu": {"schema_path": "a"}}, "outputs.eu.schema_path", "unknown key 'schema_path'", "did you mean 'schema"),
        ({"": {"topic": "a"}}, "outputs.", "found the name ''", "expected lower-case letters and digits, with single"),
        ({"E U": {"topic": "a"}}, "outputs.E U", "found the name 'E U'", "expected lower-case letters and digits, "),
        ({"NAME": {"topic": "a"}}, "outputs.NAME", "found the name 'NAME'", "expected lower-case letters and digits"),
    ],
)
def test_a_problem_in_a_group_is_reported_with_its_name_and_line(
    place: Place, outputs: object, where: str, what: str, expected: str
) -> None:
    problem = place.problems(outputs)[0]
    place_in_file, _, line = problem.where.rpartition(" (scorer.yaml line ")
    assert (place_in_file, problem.what) == (where, what)
    assert int(line.removesuffix(")")) > 10
    assert problem.expected.startswith(expected)


@pytest.mark.parametrize("name", ["a.b", "a__b", "-a", "a_", "é", "a\n", "a-_b", "A"])
def test_a_name_must_be_writable_in_every_source(place: Place, name: str) -> None:
    (problem,) = place.problems({name: {"topic": "a"}})
    assert problem.what == f"found the name '{name}'"
    others = place.load().settings.model_dump(by_alias=True)
    assert Wider.model_validate(others | {"outputs": {"a": {"topic": "a"}}}).outputs
    with pytest.raises(ValidationError, match="should match pattern"):
        Wider.model_validate(others | {"outputs": {name: {"topic": "a"}}})


def test_a_missing_setting_of_a_group_is_reported_with_how_to_set_it(place: Place) -> None:
    found = place.problems({"eu": {}, "us": {"most": 1}})
    assert list(map(str, found)) == [
        f"outputs.{name}.topic: missing; expected text, in scorer.yaml or in SCORER_OUTPUTS__{name.upper()}__TOPIC"
        for name in ("eu", "us")
    ]


def test_a_duplicate_name_is_reported(place: Place) -> None:
    twice = changed({}) + "outputs:\n  eu: {topic: a}\n  eu: {topic: b}\n"
    (problem,) = place.problems(twice)
    last = len(twice.splitlines())
    assert problem.where == f"outputs.eu (scorer.yaml line {last})"
    assert problem.what == f"duplicate key, first in line {last - 1}"
    twice_in_json = '{"eu": {"topic": "a"}, "eu": {"topic": "b"}}'
    (problem,) = place.problems({}, {"SCORER_OUTPUTS": twice_in_json})
    assert str(problem) == "outputs (SCORER_OUTPUTS): duplicate key 'eu'; keep one of them"


@pytest.mark.parametrize(
    ("environ", "flags", "said"),
    [
        ({"SCORER_OUTPUTS__EU__TOPCI": "a"}, [], "unknown variable; did you mean 'SCORER_OUTPUTS__EU__TOPIC'?"),
        ({"SCORER_OUTPUTS__eu__topic": "a"}, [], "unknown variable; did you mean 'SCORER_OUTPUTS__EU__TOPIC'?"),
        ({"SCORER_OUTPUTS____TOPIC": "a"}, [], "unknown variable; did you mean 'SCORER_OUTPUTS__NAME__TOPIC'?"),
        (
            {"SCORER_OUTPUTS__EU__WEIGHTS__V": "1"},
            [],
            "unknown variable; set SCORER_OUTPUTS__EU__WEIGHTS to a JSON map",
        ),
        ({}, ["outputs.eu.topci=a"], "unknown key 'outputs.eu.topci'; did you mean 'outputs.eu.topic'?"),
        ({}, ["outputs..topic=a"], "--set outputs..topic: found the name ''; expected lower-case letters"),
        ({}, ["outputs.NAME.topic=a"], "found the name 'NAME'; expected lower-case letters and digits"),
        ({}, ["outputs.eu.most=0"], "outputs.eu.most (--set outputs.eu.most): found '0'; expected a whole number"),
        ({"SCORER_OUTPUTS__EU__MOST": "0"}, [], "outputs.eu.most (SCORER_OUTPUTS__EU__MOST): found '0'; expected a"),
        ({"SCORER_OUTPUTS": '{"E": {}}'}, [], "outputs.E (SCORER_OUTPUTS): found the name 'E'; expected lower-case"),
        ({"SCORER_OUTPUTS": "null"}, [], "outputs (SCORER_OUTPUTS): found null; expected a map of names to groups"),
    ],
)
def test_the_error_for_a_wrong_variable_or_flag_names_the_nearest(
    place: Place, environ: dict[str, str], flags: list[str], said: str
) -> None:
    (problem,) = place.problems(HALF, environ, flags)
    assert said in str(problem)


SECRETS = {
    "token": "s3cret",
    "url": "redis://me:s3cret@h:1",
    "registry": "https://x,https://me:s3cret@y",
    "properties": {"sasl.password": "s3cret", "a": "b"},
}


def test_secrets_in_groups_are_masked_and_redacted(place: Place) -> None:
    shown = mask(place.load({"eu": {"topic": "a"} | SECRETS}).settings)["outputs"]["eu"]
    assert shown["token"] == "********"  # noqa: S105  the mask, not a password
    assert shown["url"] == "redis://me:********@h:1"
    assert shown["properties"] == {"sasl.password": "********", "a": "b"}
    assert "s3cret" not in str(shown)
    assert "s3cret" not in redaction.redact("it was s3cret")


@pytest.mark.parametrize(
    "outputs",
    [
        {"eu": {"topic": "a", "token": ["s3cret"]}},
        {"eu": {"topic": "a", "url": "redis:/u:s3cret@h"}},
        {"eu": {"topic": "a", "properties": {"sasl.password": ["s3cret"]}}},
        changed({}) + "outputs: {eu: {topic: a, token: !s3cret x}}",
    ],
)
def test_no_problem_of_a_group_shows_a_secret(place: Place, outputs: object) -> None:
    assert "s3cret" not in str(place.problems(outputs))


def test_the_command_shows_each_value_with_its_source(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = place.load({"eu": {"topic": "a"} | SECRETS}, {}, ["outputs.eu.most=3"])
    monkeypatch.setattr(options, "load", lambda _: loaded)
    assert main(["config", "-c", str(place.file)]) == 0
    out = capsys.readouterr().out
    lines = [line.split(None, 2) for line in out.splitlines()]
    assert ["outputs.eu.most", "--set", "3"] in lines
    assert ["outputs.eu.topic", "file", "a"] in lines
    assert ["outputs.eu.token", "file", "********"] in lines
    assert ["outputs.eu.tls", "default", "null"] in lines
    assert "s3cret" not in out
    assert main(["config", "-c", str(place.file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["outputs"]["eu"]["most"] == 3
    assert document["sources"]["outputs.eu.properties.sasl.password"] == "file"


def test_the_reference_has_the_settings_of_a_group_once_for_all_names() -> None:
    page = markdown(CATALOGUE)
    group = page.split("## `outputs.NAME`\n")[1].split("##")[0]
    assert "Copies of the predictions. Where a copy of the predictions goes." in group
    row = "| `outputs.NAME.topic`<br>`SCORER_OUTPUTS__NAME__TOPIC` | text | **required** | Its topic. |"
    assert row in group.splitlines()
    assert "## `outputs.NAME.tls`\n" in page
    assert "**NAME** in the path of a setting is a name that you choose: lower-case letters and digits" in page
    assert "## `serve.clients.NAME`\n" in markdown()


def test_the_catalogue_has_one_group_for_all_names_and_finds_it_by_any() -> None:
    assert CATALOGUE["outputs",].shape is Shape.GROUPS
    assert CATALOGUE["outputs", "NAME"].shape is Shape.GROUP
    found = CATALOGUE.find(("outputs", "eu", "tls", "ca"))
    assert found is not None
    assert (found.dotted, found.variable) == ("outputs.eu.tls.ca", "SCORER_OUTPUTS__EU__TLS__CA")
    assert CATALOGUE.find(("outputs", "NAME")) is None
    assert CATALOGUE.find(("outputs", "eu", "x")) is None
    assert CATALOGUE.around(("outputs", "eu", "x")).key == ("outputs", "eu")


STEPS = st.sampled_from(["eu", "us", "NAME", "", "E U", *OutputSettings.model_fields, "schema", "ca", "v1"])
VALUES = st.none() | st.sampled_from(["a", "1", "{}", "null", '{"eu": {"topic": "b"}}', "redis://h"])
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(STEPS, inner, max_size=3), max_leaves=12
)
GROUPS = st.dictionaries(
    st.sampled_from(["eu", "us"]),
    st.fixed_dictionaries({"topic": st.just("a")}, optional={"most": VALUES, "tls": VALUES, "properties": TREES}),
)
CHANGES = st.lists(st.tuples(st.lists(STEPS, max_size=4), VALUES), max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=GROUPS | TREES, variables=CHANGES, flags=CHANGES)
def test_only_misconfigured_is_raised_and_loaded_settings_have_sources(
    place: Place, outputs: object, variables: list[tuple[list[str], str]], flags: list[tuple[list[str], str]]
) -> None:
    environ = {"__".join(["SCORER_OUTPUTS", *path]).upper(): str(value) for path, value in variables}
    given_flags = [f"outputs.{'.'.join(path)}={value}" for path, value in flags]
    try:
        loaded = place.load(changed({"outputs": outputs}), environ, given_flags)
    except Misconfigured:
        return
    shown = mask(loaded.settings)["outputs"]
    assert {key.split(".")[1] for key in loaded.sources if key.startswith("outputs.")} == shown.keys()
