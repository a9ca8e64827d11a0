"""Recognises kinds of files by their first bytes."""

MAGIC = b"Obj\x01"
_SHOWN = 8  # bytes
_BEGINNINGS = {
    MAGIC: "an Avro container file; the name of such a file must end in .avro",
    b"Obj": "an Avro container file of an unknown version",
    b"\x1f\x8b": "compressed with gzip: decompress it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it first",
    b"BZh": "compressed with bzip2: decompress it first",
    b"\xfd7zXZ": "compressed with xz: decompress it first",
    b"PK\x03\x04": "a zip archive: extract it first",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"\xc3\x01": "a single value in single-object encoding, not a file of them",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_TEXTS = (b"{", b"[", b'"', b"\xef\xbb\xbf")


def looks_like(head: bytes) -> str:
    """Return a sentence that says what a file with these first bytes is."""
    if not head:
        return "the file is empty"
    if known := _known(head):
        return f"it is {known}"
    if b"\0" in head and head.replace(b"\0", b"").lstrip().startswith(_TEXTS):
        return "it is UTF-16 or UTF-32 text"
    if head.lstrip().startswith(_TEXTS):
        return "it looks like JSON; the name of such a file must end in .jsonl"
    return f"it begins with {head[:_SHOWN].hex(' ')}"


def is_foreign(head: bytes) -> bool:
    """Whether a file that should be lines of JSON is evidently something else."""
    return bool(_known(head)) or b"\0" in head


def _known(head: bytes) -> str:
    return next((words for beginning, words in _BEGINNINGS.items() if head.startswith(beginning)), "")
