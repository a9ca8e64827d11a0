from pathlib import Path

import pytest
from pydantic import ValidationError

from scorer.settings import Settings, load
from scorer.settings.groups import CacheSettings, FeatureSettings
from tests.settings.conftest import RIGHT, Load, Problems, changed


def test_a_minimal_configuration_has_the_defaults(read: Load, tmp_path: Path) -> None:
    settings = read().settings
    assert settings.kafka.input_topics == ("flights",)
    assert settings.kafka.delivery == "at-least-once"
    assert settings.kafka.start_from == "earliest"
    assert settings.kafka.instance_id is None
    assert settings.kafka.properties == {}
    assert settings.events.schema_path == tmp_path / "schemas/flight.avsc"
    assert (settings.events.framing, settings.events.id, settings.events.time) == ("none", None, None)
    assert settings.events.max_bytes == 1_000_000
    assert settings.predictions.framing == "none"
    assert settings.features is None
    assert settings.model.path == tmp_path / "models/flight-delays"
    assert settings.model.version == "latest"
    assert (settings.batch.max_records, settings.batch.max_wait_ms, settings.batch.max_bytes) == (2_000, 20, 8_000_000)
    assert settings.http is not None
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 9464)
    assert (settings.log.level, settings.log.format) == ("info", "auto")
    assert settings.shutdown.deadline_s == 25


def test_an_empty_features_group_has_the_defaults(read: Load) -> None:
    features = read({"features": {}}).settings.features
    assert features is not None
    assert features.url == "redis://localhost:6379/0"
    assert (features.timeout_ms, features.when_unavailable, features.when_missing) == (100, "wait", "impute")


def test_features_are_not_cached_unless_a_cache_is_configured(read: Load) -> None:
    assert read({"features": {}}).settings.features == FeatureSettings(cache=None)
    loaded = read({"features.cache": {"ttl_ms": 500}})
    assert loaded.settings.features == FeatureSettings(cache=CacheSettings(ttl_ms=500, max_entries=100_000))
    assert loaded.sources["features.cache.ttl_ms"] == "file"
    assert loaded.sources["features.cache.max_entries"] == "default"
    off = read({"features.cache": {"ttl_ms": 500}}, {"SCORER_FEATURES__CACHE": "null"})
    assert off.settings.features == FeatureSettings(cache=None)
    assert off.sources["features.cache"] == "SCORER_FEATURES__CACHE"


def test_a_nested_setting_turns_on_the_groups_around_it(read: Load) -> None:
    off = {"SCORER_FEATURES": "null", "SCORER_FEATURES__CACHE__TTL_MS": "7"}
    features = read({"features.url": "redis://h"}, off).settings.features
    assert features == FeatureSettings(cache=CacheSettings(ttl_ms=7))


def test_flags_win_over_variables_and_variables_over_the_file(read: Load) -> None:
    changes = {"batch.max_records": 1, "batch.max_wait_ms": 1, "batch.max_bytes": 1}
    environ = {"SCORER_BATCH__MAX_WAIT_MS": "2", "SCORER_BATCH__MAX_BYTES": "2"}
    loaded = read(changes, environ, ["batch.max_bytes=3", "log.level=debug", "log.level=error"])
    assert tuple(loaded.settings.batch) == (
        ("max_records", 1),
        ("max_wait_ms", 2),
        ("max_bytes", 3),
        ("mode", "adaptive"),
    )
    assert loaded.settings.log.level == "error"
    assert loaded.sources["batch.max_records"] == "file"
    assert loaded.sources["batch.max_wait_ms"] == "SCORER_BATCH__MAX_WAIT_MS"
    assert loaded.sources["batch.max_bytes"] == "--set"
    assert loaded.sources["log.format"] == "default"


def test_every_setting_has_a_source(read: Load) -> None:
    sources = read({"kafka.properties": {"linger.ms": 5}, "http": None}).sources
    assert sources["kafka.properties.linger.ms"] == "file"
    assert sources["http"] == "file"
    assert sources["features"] == "default"
    assert sources["events.schema"] == "file"
    assert len(sources) == 67


@pytest.mark.parametrize("nothing", ["null", "~", ""])
def test_null_turns_a_group_off(read: Load, nothing: str) -> None:
    settings = read(changed({}) + f"http: {nothing}\nfeatures: {nothing}\n").settings
    assert settings.http is None
    assert settings.features is None


def test_a_later_source_turns_a_group_off_and_on(read: Load) -> None:
    off = {"SCORER_HTTP": "null", "SCORER_FEATURES": "null"}
    loaded = read({"features.url": "redis://h", "http.port": 1}, off)
    assert (loaded.settings.http, loaded.settings.features) == (None, None)
    assert loaded.sources["http"] == "SCORER_HTTP"
    on = read({"http": None}, off, ["http.port=7", "features={}"]).settings
    assert on.http is not None
    assert on.http.port == 7
    assert on.features is not None


def test_a_group_or_map_given_as_json_changes_only_the_keys_it_names(read: Load) -> None:
    changes = {"http.host": "h", "kafka.properties": {"linger.ms": 5, "client.rack": "a", "batch.size": 1}}
    environ = {
        "SCORER_HTTP": '{"port": 7}',
        "SCORER_KAFKA__PROPERTIES": '{"linger.ms": 1.5, "sasl.username": "u", "batch.size": null}',
    }
    loaded = read(changes, environ, ["kafka.properties.client.rack=b", 'kafka.input_topics=["x", "y"]'])
    assert loaded.settings.http is not None
    assert (loaded.settings.http.host, loaded.settings.http.port) == ("h", 7)
    assert loaded.settings.kafka.properties == {"linger.ms": "1.5", "client.rack": "b", "sasl.username": "u"}
    assert loaded.sources["kafka.properties.client.rack"] == "--set"
    assert loaded.sources["kafka.properties.linger.ms"] == "SCORER_KAFKA__PROPERTIES"
    assert loaded.settings.kafka.input_topics == ("x", "y")


def test_a_group_can_be_json_in_the_file_too(read: Load, problems: Problems) -> None:
    text = changed({}) + """http: '{"port": 7}'\n"""
    loaded = read(text)
    assert loaded.settings.http is not None
    assert (loaded.settings.http.port, loaded.sources["http.port"]) == (7, "file")
    (problem,) = problems(text.replace("7", "x").replace("x}", '"x"}'))
    assert problem.where == f"http.port (scorer.yaml line {len(text.splitlines())})"


def test_yaml_values_are_not_converted_by_guessing(read: Load) -> None:
    text = changed({"kafka.group_id": "GROUP", "kafka.input_topics": ["TOPICS"], "model.version": "VERSION"})
    plain = {"GROUP": "010", "TOPICS": "0x10\n  - no\n  - 2024-01-01", "VERSION": "1.10"}
    for name, value in plain.items():
        text = text.replace(name, value)
    settings = read(f"{text}batch: {{max_records: '7', max_wait_ms: 1_0}}").settings
    assert settings.kafka.group_id == "010"
    assert settings.kafka.input_topics == ("0x10", "no", "2024-01-01")
    assert settings.model.version == "1.10"
    assert (settings.batch.max_records, settings.batch.max_wait_ms) == (7, 10)


def test_json_booleans_and_numbers_are_written_as_librdkafka_reads_them(read: Load) -> None:
    properties = '{"a": true, "b": false, "c": 12345678901234567890, "d": 0.50}'
    settings = read({}, {"SCORER_KAFKA__PROPERTIES": properties}).settings
    assert settings.kafka.properties == {"a": "true", "b": "false", "c": "12345678901234567890", "d": "0.50"}


def test_null_in_a_variable_or_flag_is_null_but_quoted_in_yaml_is_text(read: Load) -> None:
    assert read({"events.id": "null"}).settings.events.id == "null"
    assert read({"events.id": "x"}, {"SCORER_EVENTS__ID": "null"}).settings.events.id is None
    assert read({"events.id": "x"}, flags=["events.id=null"]).settings.events.id is None


def test_variables_are_replaced_once(read: Load) -> None:
    changes = {
        "kafka.group_id": "${A}-$${A}-$A-$",
        "kafka.properties": {"sasl.password": "${SECRET}"},
        "batch.max_records": "${N}",
        "kafka.input_topics": ["${A}", "b"],
    }
    settings = read(changes, {"A": "a", "SECRET": "${A}$$", "N": "7"}).settings
    assert settings.kafka.group_id == "a-${A}-$A-$"
    assert settings.kafka.properties["sasl.password"] == "${A}$$"
    assert settings.batch.max_records == 7
    assert settings.kafka.input_topics == ("a", "b")


def test_variables_and_flags_are_taken_literally(read: Load) -> None:
    environ = {"SCORER_KAFKA__PROPERTIES": '{"sasl.password": "p$$${X}"}', "SCORER_KAFKA__GROUP_ID": "a${X}"}
    settings = read({}, environ, ["events.id=$${X}"]).settings
    assert settings.kafka.properties["sasl.password"] == "p$$${X}"
    assert settings.kafka.group_id == "a${X}"
    assert settings.events.id == "$${X}"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Load) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    environ = {"SCORER_EVENTS__SCHEMA": "../e.avsc"}
    settings = read({"model.path": "/abs/models/x/"}, environ).settings
    assert settings.model.path == Path("/abs/models/x")
    assert settings.events.schema_path == tmp_path.parent / "e.avsc"
    read({"model.path": "./m"})
    assert load(Path("../scorer.yaml"), {}).settings.model.path == tmp_path / "m"


def test_a_file_url_of_models_is_its_path(read: Load) -> None:
    assert read({"model.path": "file:///srv/my%20models/x"}).settings.model.path == Path("/srv/my models/x")


def test_a_roll_out_state_in_a_file_needs_a_place_beside_the_versions(read: Load, problems: Problems) -> None:
    for settings in ({"model.rollout": "file"}, {"model.rollout": "file", "model.path": "s3://bucket/models/x"}):
        assert read(settings).settings.model.rollout == "file"
    (problem,) = problems({"model.rollout": "file", "model.path": "mlflow:/x"})
    assert problem.where.startswith("model.rollout")
    assert problem.expected.startswith("expected topic or off: MLflow's registry has no place for rollout.yaml")


@pytest.mark.parametrize("address", ["s3://bucket/models/x", "mlflow:/x"])
def test_a_model_address_is_not_treated_as_a_relative_path(read: Load, address: str) -> None:
    assert read({"model.path": address}).settings.model.path == address


def test_variables_without_the_prefix_are_ignored(read: Load) -> None:
    read({}, {"KAFKA__GROUP_ID": "x", "SCORERX": "y", "scorer_kafka__x": "z"})


def test_settings_are_frozen_and_forbid_extra_keys(read: Load) -> None:
    settings = read().settings
    with pytest.raises(ValidationError):
        settings.batch.max_records = 3
    for group in ({"x": 1}, {"batch": {"x": 1}}, {"features": {"x": 1}}, {"http": {"x": 1}}):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            Settings.model_validate(RIGHT | group)
