import json
import sys
from pathlib import Path

import pytest

from benchmarks import harness

FAKE = """
import json, sys
from confluent_kafka.admin import AdminClient
topics = AdminClient({"bootstrap.servers": sys.argv[sys.argv.index("--bootstrap") + 1]}).list_topics(timeout=10).topics
json.dump({"argv": sys.argv[1:], "topics": list(topics)}, open(sys.argv[-1], "w"))
sys.exit(3)
"""


@pytest.mark.prove
def test_a_wider_harness_gets_the_servers_and_every_variant_of_the_replica(tmp_path: Path) -> None:
    fake, told = tmp_path / "bench.py", tmp_path / "told"
    fake.write_text(FAKE)
    code = harness.run(fake, Path(sys.executable), ["hash", "packed"], [500, 2000], ["--events", "7", str(told)])
    assert code == 3
    found = json.loads(told.read_text())
    also = [word.removeprefix("--also=") for word in found["argv"] if word.startswith("--also=")]
    assert [word.split("=")[0] for word in also] == [
        "scorer-hash-500",
        "scorer-hash-2000",
        "scorer-packed-500",
        "scorer-packed-2000",
    ]
    assert also[3].split("=", 1)[1].startswith("env BENCH_LAYOUT=packed BENCH_BATCH=2000 ")
    assert also[3].endswith("-m benchmarks.peer")
    assert "unused.dead-letters" in found["topics"]
    assert Path(found["argv"][found["argv"].index("--also-schema") + 1]).name == "prediction.avsc"
    assert found["argv"][-3:] == ["--events", "7", str(told)]
