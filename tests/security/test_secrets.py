"""Odd secrets in every place that takes one appear in nothing that leaves the process."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml

from scorer.sandbox.server import HOST, free_port
from tests.delivery.world import World
from tests.registry.stub import serving
from tests.security.wire import Wire, scorer

# Each has characters that some format escapes, cuts or replaces, and a core that tells it from all others.
ODD = "k{n}e@ss:w/o%rd#\"'\\ $$x*{n}&[{n}]=u\xf6\u20ac{n}!"
PIECE = 6  # characters of a secret in a row that betray it
PATIENCE_SECONDS = 60.0
RUN_SECONDS = 8.0
SOME = "-n 1 --from beginning"


def odd(name: str) -> str:
    return ODD.replace("{n}", f"{name}Q")


def forms(secret: str) -> Iterator[str]:
    """The forms in which a secret may leave: as it is, encoded, escaped, and in a login."""
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    for login in (secret, f"svc:{secret}", f"\0svc\0{secret}"):
        yield base64.b64encode(login.encode()).decode().rstrip("=")


def leaked_pieces(text: str, secrets: list[str], harmless: str) -> list[str]:
    """Return the pieces of secrets that are in a text, other than those that the configuration has anyway."""
    pieces = {
        form[at : at + PIECE] for secret in secrets for form in forms(secret) for at in range(len(form) - PIECE + 1)
    }
    return sorted(piece for piece in pieces if piece in text and piece not in harmless)


def configuration(world: World, wire: Wire, redis_url: str, registry: str, port: int) -> dict[str, Any]:
    """A configuration with a secret in every place that takes one."""
    chosen: dict[str, Any] = yaml.safe_load((world.folder / "scorer.yaml").read_text())
    chosen["kafka"]["properties"] = wire.properties("scram", sasl_password="${ODD_SASL}") | {  # noqa: S106  a reference
        "debug": "all",
        "ssl.key.password": "${ODD_KEY}",
        "sasl.oauthbearer.config": "principal=svc extension_hidden=${ODD_OAUTH}",
    }
    chosen["kafka"]["bootstrap_servers"] = wire.addresses["scram"]
    chosen["kafka"]["property_files"] = {"sasl.oauthbearer.client.secret": "file"}
    chosen["features"] = {"url": redis_url.replace("//", f"//svc:{quote(odd('redis'), safe='')}@")}
    chosen["registry"] = {"url": registry, "user": "svc", "password_file": "registry"}
    chosen["http"] = {"port": port, "token_file": "http"}
    chosen["log"] = {"level": "debug", "format": "json"}
    return chosen


def page(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode()) + str(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode() + str(error.headers)
    except OSError:
        return ""


def watched(folder: Path, environ: dict[str, str], port: int) -> str:
    """Run a replica for some seconds; return its log and its pages."""
    said = ""
    with (folder / "run.log").open("wb") as log:
        replica = subprocess.Popen(
            [sys.executable, "-m", "scorer", "run", "-c", "scorer.yaml"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + RUN_SECONDS
    while replica.poll() is None and time.monotonic() < end:
        said += "".join(page(port, path) for path in ("/", "/metrics", "/live", "/ready"))
        time.sleep(0.5)
    replica.send_signal(signal.SIGTERM)
    replica.wait(PATIENCE_SECONDS)
    return said + (folder / "run.log").read_text()


def test_a_secret_is_found_in_every_form() -> None:
    for form in forms(odd("sasl")):
        assert leaked_pieces(f"<{form[3:-3]}>", [odd("sasl")], "")


@pytest.mark.prove
@pytest.mark.parametrize("login", ["right", "wrong"])
def test_odd_secrets_appear_nowhere(wire: Wire, redis_url: str, tmp_path: Path, login: str) -> None:
    secrets = {name: odd(name) for name in ("sasl", "key", "oauth", "file", "redis", "registry", "http")}
    # In letters alone: six digits in a row may be the fraction of a second in the log.
    secrets["http"] = secrets["http"].encode().hex().translate(str.maketrans("0123456789", "ghijklmnop"))
    for name in ("file", "registry", "http"):
        (tmp_path / name).write_text(secrets[name])
    environ = os.environ | {f"ODD_{name.upper()}": secrets[name] for name in ("sasl", "key", "oauth")}
    port = free_port()
    with World(wire.bootstrap, redis_url, tmp_path) as world, serving() as registry:
        chosen = configuration(world, wire, redis_url, registry.url, port)
        registry.answers[f"/subjects/{world.input}-value/versions"] = (401, {"message": f"not {secrets['registry']}"})
        for topic in (world.input, world.output, world.dead):
            wire.grant("all", "topic", topic)
        wire.grant("all", "group", world.group)
        wire.give_scram(secrets["sasl"] if login == "right" else "another")
        (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(chosen))
        world.send(range(100))
        said = watched(tmp_path, environ, port)
        chosen["events"]["framing"] = "confluent"  # only then is the registry asked
        (tmp_path / "scorer.yaml").write_text(yaml.safe_dump(chosen))
        for command in ("config", "config --json", "check", "lag", f"tail events {SOME}", "run", "run --set kafka"):
            said += scorer(tmp_path, *command.split(), "-c", "scorer.yaml", environ=environ)[1]
    wire.give_scram()
    assert "SASL" in said
    assert "status 401" in said
    assert "WRONGPASS" in said
    assert leaked_pieces(said, list(secrets.values()), (tmp_path / "scorer.yaml").read_text()) == []
