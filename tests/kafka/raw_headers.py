"""Writes records with header names that are not UTF-8, through librdkafka's C functions: the Python client refuses."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

TOPIC, VALUE, HEADERS = 1, 4, 10  # rd_kafka_vtype_t
PRODUCER = 0


def write_raw(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes, Sequence[tuple[bytes, bytes | None]]]]
) -> None:
    """Write records with values and headers to a topic, and wait until all are acknowledged."""
    library = _library()
    configuration = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(configuration, b"bootstrap.servers", bootstrap.encode(), None, 0)
    producer = library.rd_kafka_new(PRODUCER, configuration, None, 0)
    for value, headers in records:
        made = library.rd_kafka_headers_new(len(headers))
        for name, content in headers:
            library.rd_kafka_header_add(made, name, len(name), content, -1 if content is None else len(content))
        failed = library.rd_kafka_producev(
            *(ctypes.c_void_p(producer), TOPIC, topic.encode()),
            *(VALUE, value, ctypes.c_size_t(len(value)), HEADERS, ctypes.c_void_p(made), 0),
        )
        assert not failed
    assert library.rd_kafka_flush(producer, 30_000) == 0
    library.rd_kafka_destroy(producer)


def _library() -> ctypes.CDLL:
    maps = Path("/proc/self/maps").read_text()
    library = ctypes.CDLL(next(line.split()[-1] for line in maps.splitlines() if "librdkafka" in line))
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ssize_t
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, ()),
        ("rd_kafka_conf_set", ctypes.c_int, (pointer, text, text, pointer, size)),
        ("rd_kafka_new", pointer, (ctypes.c_int, pointer, pointer, size)),
        ("rd_kafka_headers_new", pointer, (size,)),
        ("rd_kafka_header_add", ctypes.c_int, (pointer, text, size, text, size)),
        ("rd_kafka_flush", ctypes.c_int, (pointer, ctypes.c_int)),
        ("rd_kafka_destroy", None, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
