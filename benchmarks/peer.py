"""`scorer` under the contract of the peer benchmark: makes a bundle of its workload, and becomes a replica.

Run by the benchmark, whose `BENCH_` variables say where everything is. `LAYOUT` is hash (the default) or packed.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from scorer.cli import main


def plan(workload: dict[str, Any], layout: str) -> dict[str, object]:
    """Return the workload's features.json as a plan."""
    prefix = workload["packed_prefix"] if layout == "packed" else ""
    entities = {
        entity["name"]: {"key": prefix + entity["key"], "layout": layout, "fields": entity["fields"]}
        for entity in workload["entities"]
    }
    columns = [
        {"name": column["event"], "event": column["event"]}
        if "event" in column
        else {"name": f"{column['entity']}.{column['field']}", "entity": column["entity"], "field": column["field"]}
        for column in workload["columns"]
    ]
    return {"entities": entities, "columns": columns}


def prepare(workload: Path, state: Path) -> Path:
    """Write the bundle and the configuration, and return the latter."""
    features = json.loads((workload / "features.json").read_text())
    bundle = state / "model" / features["model_version"]
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "model.ubj").write_bytes((workload / "model.ubj").read_bytes())
    (bundle / "plan.yaml").write_text(yaml.safe_dump(plan(features, os.environ.get("LAYOUT", "hash"))))
    configuration = state / "scorer.yaml"
    configuration.write_text(yaml.safe_dump({
        "kafka": {
            "bootstrap_servers": os.environ["BENCH_BOOTSTRAP"],
            "group_id": os.environ["BENCH_GROUP"],
            "input_topics": [os.environ["BENCH_INPUT_TOPIC"]],
            "output_topic": os.environ["BENCH_OUTPUT_TOPIC"],
            "dead_letter_topic": "unused.dead-letters",
            "properties": {"session.timeout.ms": "6000"},
        },
        "events": {"schema": str(workload / "event.avsc"), "id": "event_id"},
        "features": {"url": f"redis://{os.environ['BENCH_REDIS']}"},
        "model": {"path": str(state / "model")},
        "http": None,
    }))  # fmt: skip
    return configuration


if __name__ == "__main__":
    sys.exit(
        main(["run", "-c", str(prepare(Path(os.environ["BENCH_WORKLOAD_DIR"]), Path(os.environ["BENCH_STATE_DIR"])))])
    )
