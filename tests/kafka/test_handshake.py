import socket
import threading

import pytest
from confluent_kafka import KafkaError

from scorer.kafka.handshake import Handshakes, is_hopeless

REFUSED = "b:9/1: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism"
UNKNOWN = "sasl_ssl://b:9/bootstrap: SASL authentication error: Authentication failed"
ALERT = "ssl://b:9/1: SSL handshake failed: tlsv13 alert certificate required: SSL alert number 116"

NEEDED = "the server requires a client certificate of an authority that it trusts"


@pytest.mark.parametrize(
    ("text", "mechanism", "remedy"),
    [
        (UNKNOWN, "PLAIN", "check sasl.username and sasl.password"),
        (UNKNOWN, "OAUTHBEARER", "check sasl.oauthbearer.* and what the brokers expect of a token"),
        (REFUSED, "SCRAM-SHA-512", "sasl.mechanism is SCRAM-SHA-512; set one that the brokers have"),
        (ALERT, "", f"{NEEDED}: set ssl.certificate.location and ssl.key.location"),
    ],
)
def test_an_error_is_explained_with_its_remedy(text: str, mechanism: str, remedy: str) -> None:
    asked = Handshakes({"sasl.mechanism": mechanism}, "b:9")
    assert (
        asked.explained(f"{text} (after 9ms in state AUTH_REQ, 2 identical error(s) suppressed)") == f"{text}; {remedy}"
    )


def test_an_error_unrelated_to_security_is_unchanged() -> None:
    text = "b:9/1: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)"
    assert Handshakes({}, "b:9").explained(text) == text


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (KafkaError._AUTHENTICATION, "", True),
        (KafkaError._SSL, "", True),
        (KafkaError._TRANSPORT, ALERT, True),
        (KafkaError._TRANSPORT, "Connection refused", False),
        (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down", False),
    ],
)
def test_only_errors_that_need_a_fix_are_hopeless(code: int, text: str, *, expected: bool) -> None:
    assert is_hopeless(code, text) is expected


@pytest.mark.parametrize("hangs_up", [True, False], ids=["it ends each handshake", "nobody listens"])
def test_a_port_that_hangs_up_on_a_handshake_does_not_speak_tls(*, hangs_up: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        text = f"ssl://127.0.0.1:{port}/bootstrap: Disconnected: SSL connection closed by peer"
        if not hangs_up:
            listener.close()
        else:
            threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        explained = Handshakes({"security.protocol": "ssl"}, f"127.0.0.1:{port}").explained(text)
    assert explained.startswith(text)
    assert ("that port does not speak TLS" in explained) is hangs_up


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()
