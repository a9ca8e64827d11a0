from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from scorer.security import redaction
from scorer.settings import mask
from scorer.settings.masking import masked
from scorer.settings.properties import LIMITED, REFUSED
from tests.settings.conftest import Load, Problems


@pytest.mark.parametrize("name", [*REFUSED, "error_cb", "stats_cb", "on_delivery", "opaque"])
def test_a_property_that_would_break_a_guarantee_is_refused_with_the_reason(problems: Problems, name: str) -> None:
    (problem,) = problems({"kafka.properties": {name: "1", "linger.ms": 5}})
    assert problem.where.startswith(f"kafka.properties.{name} (scorer.yaml line ")
    assert problem.expected.startswith("refused: ")


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("wrong", [0, 2**31, "x", -1])
def test_a_limited_property_is_refused_outside_its_limits(problems: Problems, name: str, wrong: object) -> None:
    (problem,) = problems({"kafka.properties": {name: wrong}})
    assert problem.what == f"found '{wrong}'"
    assert problem.expected.startswith("expected a whole number from 1 to ")


def test_each_refused_property_is_a_separate_problem(problems: Problems) -> None:
    found = problems({"kafka.properties": {"acks": 1, "group.id": "x", "retries": 0}})
    assert len(found) == 3


def test_all_other_properties_can_be_tuned(read: Load) -> None:
    allowed = {"linger.ms": 5, "max.in.flight": 5, "retries": 10, "group.protocol": "consumer", "client.rack": "a"}
    properties = read({"kafka.properties": allowed}).settings.kafka.properties
    assert properties == {name: str(value) for name, value in allowed.items()}


def test_exactly_once_reads_committed_records_only(read: Load, problems: Problems) -> None:
    uncommitted = {"kafka.properties": {"isolation.level": "read_uncommitted"}}
    assert read(uncommitted).settings.kafka.properties == uncommitted["kafka.properties"]
    (problem,) = problems(uncommitted | {"kafka.delivery": "exactly-once"})
    assert problem.where.startswith("kafka.properties.isolation.level (scorer.yaml line ")
    assert "would be scored" in problem.expected
    committed = {"kafka.properties": {"isolation.level": "read_committed"}, "kafka.delivery": "exactly-once"}
    assert read(committed).settings.kafka.delivery == "exactly-once"


@pytest.mark.parametrize("name", [*REFUSED, *LIMITED])
def test_every_refused_property_exists_in_librdkafka(name: str) -> None:
    """A misspelt name in the table would allow the real property."""
    unknown = "No such configuration property"
    assert unknown in complaint(f"{name}.x")
    assert unknown not in complaint(name)


def complaint(name: str) -> str:
    """Return librdkafka's error for a property with a meaningless value."""
    try:
        Producer({name: "senseless"})
    except (KafkaException, TypeError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.config",
        "sasl.pasword.Password",
        "sasl.passwd",
        "sasl.pasword",
        "sasl.jaas.config",
    ],
)
def test_a_secret_property_is_masked(read: Load, name: str) -> None:
    masked = mask(read({"kafka.properties": {name: "s3cret", "sasl.username": "me"}}).settings)
    assert masked["kafka"]["properties"] == {name: "********", "sasl.username": "me"}


@pytest.mark.parametrize("name", ["ssl.certificate.pem", "ssl.ca.pem", "ssl.key.location", "sasl.username"])
def test_a_public_property_is_shown(read: Load, name: str) -> None:
    assert mask(read({"kafka.properties": {name: "shown"}}).settings)["kafka"]["properties"] == {name: "shown"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user@localhost:6379/0", "redis://user@localhost:6379/0"),
        ("redis://user:s3cret@localhost:6379/0", "redis://user:********@localhost:6379/0"),
        ("redis://:s3cret@localhost", "redis://:********@localhost"),
        ("redis://:s3@/:cret@localhost", "redis://:********@localhost"),
        ("rediss+cluster://u:s3cret@a:1,b:2", "rediss+cluster://u:********@a:1,b:2"),
        ("unix:///run/redis?db=1&password=s3cret", "unix:///run/redis?db=1&password=********"),
        ("redis+sentinel://h/m?sentinel_password=s3&db=1", "redis+sentinel://h/m?sentinel_password=********&db=1"),
        ("redis://h?password=AB#CD", "redis://h?password=********"),
        ("redis://h?password=AB&CD=EF&db=1", "redis://h?password=********&db=1"),
        ("redis://h:6379?password=A@B", "redis://h:********"),
        ("redis://u:a?password=b@h", "redis://u:********"),
        ("redis://u:s3cret", "redis://u:********"),
        ("redis://u:[s3]cret/s3", "redis://u:********"),
        ("redis+cluster://h:1,:s3cret", "redis+cluster://h:1,:********"),
        ("redis+cluster://[::1]:6379,u:s3cret", "redis+cluster://[::1]:6379,u:********"),
        ("redis://h/0?Password=s3cret&db=1", "redis://h/0?Password=********&db=1"),
        ("redis://h/0?pass%77ord=s3", "redis://h/0?pass%77ord=********"),
        ("rediss://h/0?ssl_pasword=s3&ssl_cert_reqs=none", "rediss://h/0?ssl_pasword=********&ssl_cert_reqs=none"),
        ("rediss://h/0?ssl_keyfile_password=s3&db=1", "rediss://h/0?ssl_keyfile_password=********&db=1"),
        ("rediss://h/0?ssl_ca_password=s3", "rediss://h/0?ssl_ca_password=********"),
        ("rediss://h/0?ssl_keyfile=/k.pem", "rediss://h/0?ssl_keyfile=/k.pem"),
        ("redis+cluster://[::1]:6379,h:1", "redis+cluster://[::1]:6379,h:1"),
        ("redis+sentinel://me:s3@h:1,g/m/0", "redis+sentinel://me:********@h:1,g/m/0"),
        ("unix://me:s3@/run/redis.sock?db=1", "unix://me:********@/run/redis.sock?db=1"),
    ],
)
def test_the_password_of_a_url_is_masked(read: Load, url: str, shown: str) -> None:
    assert mask(read({"features.url": url}).settings)["features"]["url"] == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("localhost:6379/0", "localhost:6379/0"),
        ("rediss+cluster://app://s3cret", "rediss+cluster://********"),
        ("rediss+cluster://app://s3cret@h", "rediss+cluster://app:********@h"),
        ("redis+sentinel://app://s3cret", "redis+sentinel://********"),
        ("redis://app/s3cret", "redis://********"),
        ("redis://app/s3cret@h", "redis://********"),
        ("redis://app@s3cret@h", "redis://********"),
        ("redis:app:s3cret@h", "********"),
        ("REDIS://app:s3cret/0", "********"),
        ("s3cret://h", "********"),
        ("s3cret", "********"),
    ],
)
def test_the_ambiguous_part_of_a_malformed_url_is_masked(url: str, shown: str) -> None:
    assert masked(("features", "url"), url) == shown


@pytest.mark.parametrize(
    "changes",
    [
        {"features.url": "s3cret@host"},
        {"features.url": "redis:/u:s3cret@host"},
        {"features.url": "redis://u:s3cret@ho st"},
        {"kafka.properties": '{"sasl.password": "s3cret"'},
        {"kafka.properties": {"sasl.password": ["s3cret"]}},
    ],
)
def test_no_problem_shows_a_secret(problems: Problems, changes: dict[str, Any]) -> None:
    assert "s3" not in str(problems(changes))


JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="s3cret";'


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("sasl.jaas", JAAS, "********"),
        ("ssl.extra", "-----BEGIN PRIVATE KEY-----\nMIIE", "********"),
        ("https.proxy", "http://me:s3cret@proxy:8080", "http://me:********@proxy:8080"),
        ("sasl.oauthbearer.token.endpoint.url", "https://me:s3cret@h/token", "https://me:********@h/token"),
        ("sasl.oauthbearer.scope", "a=b", "a=b"),
    ],
)
def test_a_value_that_looks_like_a_secret_is_masked_whatever_its_name(
    read: Load, name: str, value: str, shown: str
) -> None:
    assert mask(read({"kafka.properties": {name: value}}).settings)["kafka"]["properties"] == {name: shown}


def test_a_login_in_the_bootstrap_servers_is_masked(read: Load) -> None:
    servers = "SASL_SSL://me:s3cret@h:9093"
    shown = mask(read({"kafka.bootstrap_servers": servers}).settings)["kafka"]["bootstrap_servers"]
    assert shown == "SASL_SSL://me:********@h:9093"


@pytest.mark.parametrize(
    ("changes", "environ", "flags"),
    [
        ({"features.url": "redis://me:s3%40cret@h"}, {}, []),
        ({"features.url": "redis://h?password=s3%40cret"}, {}, []),
        ({"features.url": "redis://h"}, {"SCORER_FEATURES__URL": "redis://me:s3%40cret@h"}, []),
        ({}, {"SCORER_KAFKA__PROPERTIES": '{"sasl.password": "s3@cret"}'}, []),
        ({}, {}, ["kafka.properties.ssl.key.password=s3@cret"]),
        ({"kafka.group_id": "${MY_TOKEN}"}, {"MY_TOKEN": "s3@cret"}, []),
    ],
)
def test_a_secret_is_redacted_once_settings_are_read(
    read: Load, changes: dict[str, object], environ: dict[str, str], flags: list[str]
) -> None:
    read(changes, environ, flags)
    assert redaction.redact("it was s3@cret") == "it was ********"


def test_text_that_is_not_secret_stays_readable(read: Load) -> None:
    read({"features.url": "redis://me:s3cret@localhost:${PORT}/0", "kafka.group_id": "delays"}, {"PORT": "6379"})
    assert redaction.redact("me at localhost:6379 in delays") == "me at localhost:6379 in delays"


@pytest.mark.parametrize("value", ["*hunter2", "!hunter2", "!hunter2!x"])
@pytest.mark.parametrize("key", ["kafka: {properties: {sasl.password: ", "features: {url: "])
def test_a_password_that_yaml_misreads_is_not_repeated(problems: Problems, key: str, value: str) -> None:
    told = " ".join(map(str, problems(f"{key}{value}}}}}")))
    assert "hun" not in told
    assert "quote" in told


def test_a_password_in_a_flag_without_a_value_is_not_repeated(problems: Problems) -> None:
    for flag in ("redis://me:hunter2@h", "kafka.properties.sasl.password:hunter2"):
        (problem,) = problems({}, flags=[flag])
        assert "hunter2" not in str(problem)


@pytest.mark.parametrize(("blank", "encoded"), [(" ", "%20"), ("\n", "%0A"), ("\t", "%09"), ("\u2003", "%E2%80%83")])
def test_the_error_for_a_url_with_a_blank_explains_how_to_encode_it(
    problems: Problems, blank: str, encoded: str
) -> None:
    (problem,) = problems({"features.url": f"redis://me:hun{blank}ter2@h"})
    assert "hun" not in str(problem)
    assert "ter2" not in str(problem)
    assert f"percent-encode it, as {encoded}" in problem.expected
