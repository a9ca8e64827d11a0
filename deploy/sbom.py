"""Writes what the image has of Python packages as a CycloneDX document, from the lock file that it is built with.

The same lock file gives the same document. A package with a property `python:marker` is only installed where that
holds. The packages of the base image's system are not in the document.
"""  # noqa: INP001  a script

import argparse
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy/requirements.lock"
_PIN = re.compile(r"^([a-z0-9.-]+)==([^\s;\\]+)(?: ; ([^\\\n]+?))?(?: \\)?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^    #(?: via|  ) +([a-z0-9-]+)(?: \(.*\))?$")


def document(lock: str, name: str, version: str, license_id: str) -> dict[str, Any]:
    """Return the document for a lock file that `uv pip compile` wrote."""
    components: list[dict[str, Any]] = []
    ours = f"pkg:pypi/{name}@{version}"
    references = {name: [ours]}  # a package may be there in several versions, for several versions of Python
    needed_by: list[tuple[str, str]] = []
    for line in lock.splitlines():
        if match := _PIN.match(line):
            package, number, marker = match.groups()
            components.append(_component(package, number, marker))
            references.setdefault(package, []).append(components[-1]["bom-ref"])
        elif (found := _HASH.search(line)) and components:
            components[-1]["hashes"].append({"alg": "SHA-256", "content": found[1]})
        elif (found := _VIA.match(line)) and components:
            needed_by.append((found[1], components[-1]["bom-ref"]))
    needs: dict[str, list[str]] = {each: [] for versions in references.values() for each in versions}
    for package, reference in needed_by:
        for each in references[package]:
            needs[each].append(reference)
    root = {"type": "application", "bom-ref": ours, "name": name, "version": version, "purl": ours}
    root |= {"licenses": [{"license": {"id": license_id}}]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ours + lock)}",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [{"ref": each, "dependsOn": sorted(others)} for each, others in needs.items()],
    }


def _component(name: str, version: str, marker: str | None) -> dict[str, Any]:
    """Return a package; its hashes are those of the files that pip accepts for it."""
    reference = f"pkg:pypi/{name}@{version}"
    component: dict[str, Any] = {"type": "library", "bom-ref": reference, "name": name, "version": version}
    component |= {"purl": reference, "hashes": []}
    if marker:
        component["properties"] = [{"name": "python:marker", "value": marker}]
    return component


def main(argv: Sequence[str]) -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(description="Write the CycloneDX document of the image.")
    parser.add_argument("-o", dest="output", type=Path, required=True, help="the file")
    parser.add_argument("--extra", choices=["objects", "serve", "otel"], help="what the image was built with as EXTRA")
    args = parser.parse_args(argv)
    output: Path = args.output
    lock = LOCK.with_name(f"requirements-{args.extra}.lock") if args.extra else LOCK
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "scorer/__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)
    made = document(lock.read_text(), project["name"], version, project["license"])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(made, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
