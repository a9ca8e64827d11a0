"""The configurations of the page on security work, as they stand there, against real servers."""

import json
import re
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from scorer.replica.check import examine
from scorer.settings import load
from tests.certificates import put
from tests.delivery.world import World
from tests.docs.pages import ROOT
from tests.security.conftest import wire
from tests.security.wire import PASSWORD, USER, Wire

__all__ = ["wire"]

PAGE = (ROOT / "docs/security.md").read_text()
SNIPPETS = dict(re.findall(r"^```yaml name=(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FOLDER = "/etc/scorer/kafka"


@contextmanager
def issuer() -> Iterator[str]:
    """An OAuth 2 server, whose tokens are not signed."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            now = int(time.time())
            claims = {"sub": USER, "iat": now, "exp": now + 300, "scope": re.findall(r"scope=(\w+)", asked)}
            parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
            token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
            body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 300}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()


def write(wire: Wire, world: World, name: str, token_url: str) -> Path:
    """Write a snippet into the configuration of a world, with the files that it names."""
    text = SNIPPETS[name].replace("https://issuer.example.org/token", token_url).replace(FOLDER, str(world.folder))
    for file, source in (("ca.pem", wire.ca), ("client.pem", wire.client.certificate), ("client.key", wire.client.key)):
        put(world.folder / file, source.read_bytes())
    put(world.folder / "issuer-ca.pem", wire.ca.read_bytes())
    put(world.folder / "password", f"{PASSWORD}\n")
    put(world.folder / "client-secret", "of-the-client\n")
    path = world.folder / "scorer.yaml"
    chosen = yaml.safe_load(path.read_text())
    chosen["kafka"] |= yaml.safe_load(text)["kafka"] | {"bootstrap_servers": wire.addresses[name]}
    path.write_text(yaml.safe_dump(chosen))
    return path


@pytest.mark.parametrize("name", [name for name, text in SNIPPETS.items() if text.startswith("kafka:")])
def test_a_documented_kafka_configuration_works(wire: Wire, redis_url: str, tmp_path: Path, name: str) -> None:
    with World(wire.bootstrap, redis_url, tmp_path) as world, issuer() as token_url:
        path = write(wire, world, name, token_url)
        user = "User:ANONYMOUS" if name == "tls" else f"User:{USER}"
        if user == f"User:{USER}":
            for topic in (world.input, world.output, world.dead):
                wire.grant("all", "topic", topic)
            wire.grant("all", "group", world.group)
        report = examine(load(path, environ={"KAFKA_PASSWORD": PASSWORD}).settings)
        assert (report.problems, report.failures) == ([], [])


def test_every_configuration_is_documented() -> None:
    assert list(SNIPPETS) == ["tls", "mtls", "plain", "scram", "oauth", "registry"]
