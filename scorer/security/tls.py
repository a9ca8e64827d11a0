"""What to fix when a TLS handshake fails, from the words of OpenSSL, which every client passes on."""

import re
from collections.abc import Sequence

# From the most special to the most general words.
_REMEDIES: Sequence[tuple[str, str]] = (
    (
        r"hostname mismatch|ip address mismatch|not valid for '",
        "the server's certificate is for another name: connect by a name in it, or have one issued for this name",
    ),
    (
        r"certificate has expired",
        "renew the server's certificate, or if its authority has expired, the authority and {ca}",
    ),
    (r"not yet valid", "correct the clock of this machine, or wait until the server's certificate is valid"),
    (
        r"certificate verify failed|self.signed certificate|unable to get (?:local )?issuer",
        "{ca} must contain the authority that issued the server's certificate",
    ),
    (
        r"alert certificate required",
        "the server requires a client certificate of an authority that it trusts: set {certificate}",
    ),
    (
        r"alert (?:unknown ca|bad certificate|certificate (?:unknown|expired|revoked)|unsupported certificate|decrypt)",
        (
            "the server does not accept the certificate in {certificate}: it has expired, or the server does not trust"
            " the authority that issued it"
        ),
    ),
    (  # With TLS 1.3, a client whose first write fails never reads the alert.
        r"EOF occurred in violation of protocol",
        (
            "the server ended the connection: it stopped, it requires a client certificate, or it does not accept the"
            " certificate in {certificate}"
        ),
    ),
    (r"alert handshake failure", "no cipher in common, or the server requires a client certificate: see {certificate}"),
    (r"alert protocol version|unsupported protocol", "client and server have no version of TLS in common"),
    (
        r"wrong version number|unexpected message|record layer failure|PLAINTEXT broker listener",
        "that port does not speak TLS: {port}",
    ),
)
_COMPILED = tuple((re.compile(words, re.IGNORECASE), advice) for words, advice in _REMEDIES)
_UNDERSCORED = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")


def remedy(text: str, *, ca: str, certificate: str, port: str) -> str:
    """Return what to fix; empty if the text is not about TLS.

    Args:
        text: the error.
        ca: the setting of the trusted authorities.
        certificate: the setting or settings of the client's certificate.
        port: how to connect without TLS.
    """
    plain = _UNDERSCORED.sub(" ", text)
    for words, advice in _COMPILED:
        if words.search(plain):
            return advice.format(ca=ca, certificate=certificate, port=port)
    return ""
