"""Certificates for the TLS tests, as files."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: Path
    key: Path


def pair(authority: trustme.CA, folder: Path, name: str, *hosts: str, **issue: object) -> Pair:
    """Write a new certificate for some hosts, replacing that of the same name."""
    leaf = authority.issue_cert(*hosts, **issue)  # type: ignore[arg-type]  # passed on
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    put(made.certificate, b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    put(made.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def trusted(authority: trustme.CA, folder: Path, name: str = "ca") -> Path:
    """Write the certificate of an authority."""
    path = folder / f"{name}.pem"
    put(path, authority.cert_pem.bytes())
    return path


def put(path: Path, content: bytes | str) -> None:
    """Replace a file at once, as Kubernetes does."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    new.replace(path)
