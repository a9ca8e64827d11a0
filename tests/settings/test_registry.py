"""The settings of the schema registry, and its secrets."""

from typing import Any

import pytest

from scorer.security import redaction
from scorer.settings import mask
from tests.settings.conftest import Load, Problems

OAUTH = {
    "bearer.auth.client.id": "me",
    "bearer.auth.client.secret": "s3cret",
    "bearer.auth.issuer.endpoint.url": "https://issuer/token",
}


def test_the_schema_may_be_left_to_the_registry(read: Load) -> None:
    settings = read(
        {"events.framing": "confluent", "events.schema": None, "registry.url": ["https://a:1", "https://b:1"]}
    ).settings
    assert settings.events.schema_path is None
    assert settings.registry is not None
    assert settings.registry.url == "https://a:1,https://b:1"
    assert settings.registry.tls is None
    assert settings.predictions.register_schema


def test_a_registry_can_be_set_by_variables_and_flags(read: Load) -> None:
    environ = {"SCORER_REGISTRY__URL": "http://a,http://b", "SCORER_REGISTRY__TLS__CA": "ca.pem"}
    settings = read({"events.framing": "confluent"}, environ, ["predictions.register=false"]).settings
    assert settings.registry is not None
    assert settings.registry.tls is not None
    assert settings.registry.tls.ca is not None
    assert (settings.registry.url, settings.registry.tls.ca.name) == ("http://a,http://b", "ca.pem")
    assert not settings.predictions.register_schema


@pytest.mark.parametrize("group", ["events", "predictions"])
def test_the_framing_needs_a_registry(problems: Problems, group: str) -> None:
    (problem,) = problems({f"{group}.framing": "confluent"})
    assert (problem.where, problem.what) == ("registry", "missing")


@pytest.mark.parametrize(
    ("registry", "where", "expected"),
    [
        ({"url": "localhost:8081"}, "registry.url", "expected an http:// or https:// URL, or a list of them"),
        ({"url": []}, "registry.url", "expected an http"),
        ({"url": "http://a", "user": "svc"}, "registry.user", "expected name:password"),
        ({"url": "http://a", "user": "svc:pw", "token": "t"}, "registry.token", "expected registry.user or registry.t"),
        ({"url": "http://a", "token": "t", "oauth": OAUTH}, "registry.oauth", "expected one of registry.user, "),
        (
            {"url": "http://a", "oauth": {"bearer.auth.client.id": "me"}},
            "registry.oauth",
            "expected bearer.auth.client",
        ),
        ({"url": "http://a", "oauth": OAUTH | {"scope": "x"}}, "registry.oauth", "'scope' is unknown; known here: be"),
    ],
)
def test_invalid_settings_are_reported(problems: Problems, registry: dict[str, Any], where: str, expected: str) -> None:
    (problem,) = problems({f"registry.{key}": value for key, value in registry.items()})
    assert problem.where.startswith(where)
    assert problem.expected.startswith(expected)
    assert "pw" not in problem.what


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("user", "svc:s3cret", "svc:********"),
        ("token", "s3cret", "********"),
        ("url", "https://svc:s3cret@registry:8081", "https://svc:********@registry:8081"),
    ],
)
def test_secrets_are_masked_and_redacted(read: Load, key: str, value: str, shown: str) -> None:
    settings = read({"registry.url": "https://a"} | {f"registry.{key}": value}).settings
    assert mask(settings)["registry"][key] == shown
    assert "s3cret" not in redaction.redact("the registry said s3cret")


def test_the_oauth_secret_is_masked_and_redacted(read: Load) -> None:
    settings = read({"registry.url": "https://a", "registry.oauth": OAUTH}).settings
    assert mask(settings)["registry"]["oauth"] == OAUTH | {"bearer.auth.client.secret": "********"}
    assert "s3cret" not in redaction.redact("the issuer said s3cret")


def test_a_secret_in_a_list_of_addresses_is_masked_and_redacted(read: Load) -> None:
    settings = read({"registry.url": ["https://x", "https://svc:s3cret@y"]}).settings
    assert "s3cret" not in str(mask(settings))
    assert "s3cret" not in redaction.redact("the registry said s3cret")


@pytest.mark.parametrize(
    ("registry", "where", "told"),
    [
        ({"password_file": "f"}, "registry.user", "missing; expected text, in scorer.yaml or in SCORER_REGISTRY__USER"),
        (
            {"password_file": "f", "user": "svc:pw"},
            "registry.user",
            "expected the name alone, since registry.password_",
        ),
        (
            {"token_file": "f", "token": "t"},
            "registry.token_file",
            "expected one of registry.user, registry.token and ",
        ),
        ({"token_file": "f", "oauth": OAUTH}, "registry.oauth", "expected one of registry.user, registry.token and "),
    ],
)
def test_a_secret_may_be_set_only_once(problems: Problems, registry: dict[str, Any], where: str, told: str) -> None:
    (problem,) = problems({f"registry.{key}": value for key, value in ({"url": "http://a"} | registry).items()})
    assert problem.where.startswith(where)
    assert told in str(problem)
