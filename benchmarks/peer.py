"""`scorer` under the contract of the benchmarks: a bundle and a configuration made of the workload, and a replica.

As a program (`python -m benchmarks.peer`) it is for a harness of the same contract that is not in this repository.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.contract import PREFIX, Contract
from scorer.cli import main

DEAD_LETTERS = "unused.dead-letters"  # must exist, and stays empty
NAME = "delays"
BATCHES = (500, 2000)  # of a replica, in events at most: that of `batched`, and its own default


def configure(contract: Contract, **groups: Mapping[str, object]) -> Path:
    """Write a bundle and a configuration with the defaults of `scorer`, and return the latter's file.

    Args:
        contract: where everything is.
        groups: settings that are not the default's, as in the file; they are added to those of the contract.
    """
    features = json.loads((contract.workload_dir / "features.json").read_text())
    bundle = contract.state_dir / NAME / features["model_version"]
    bundle.mkdir(parents=True)
    (bundle / "model.ubj").write_bytes((contract.workload_dir / "model.ubj").read_bytes())
    (bundle / "plan.yaml").write_text(yaml.safe_dump(_plan(features, contract.layout), sort_keys=False))
    settings: dict[str, Any] = {
        "kafka": {
            "bootstrap_servers": contract.bootstrap,
            "group_id": contract.group,
            "input_topics": [contract.input_topic],
            "output_topic": contract.output_topic,
            "dead_letter_topic": DEAD_LETTERS,
            "properties": {"session.timeout.ms": "6000"},  # a killed replica's partitions are free soon
        },
        "events": {"schema": str(contract.workload_dir / "event.avsc"), "id": "event_id"},
        "features": {"url": f"redis://{contract.redis}"},
        "model": {"path": str(bundle.parent)},
        "http": None,
    }
    for group, chosen in groups.items():
        settings[group] = {**(settings.get(group) or {}), **chosen}
    file = contract.state_dir / "scorer.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    return file


def _plan(features: Mapping[str, Any], layout: str) -> dict[str, object]:
    prefix = features["packed_prefix"] if layout == "packed" else ""
    entities = {
        entity["name"]: {"key": prefix + entity["key"], "layout": layout, "fields": entity["fields"]}
        for entity in features["entities"]
    }
    columns = [
        {"name": column["event"], "event": column["event"]}
        if "event" in column
        else {"name": f"{column['entity']}.{column['field']}", "entity": column["entity"], "field": column["field"]}
        for column in features["columns"]
    ]
    return {"entities": entities, "columns": columns}


if __name__ == "__main__":
    batch = {"max_records": int(os.environ.get(f"{PREFIX}BATCH", BATCHES[-1]))}
    sys.exit(main(["run", "-c", str(configure(Contract.from_environment(), batch=batch))]))
