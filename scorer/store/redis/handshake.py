"""What to fix when a TLS handshake with a Redis server fails, in the options of `features.url`."""

from scorer.security import tls
from scorer.security.redaction import foreign


def explained(error: Exception) -> str:
    """Return the text of an error of a connection, with what to fix if it is about TLS."""
    text = foreign(str(error))
    remedy = tls.remedy(text, ca="ssl_ca_certs", certificate="ssl_certfile and ssl_keyfile", port="use redis://")
    return f"{text}; {remedy} (features.url)" if remedy else text
