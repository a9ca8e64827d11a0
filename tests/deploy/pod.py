"""What a pod of the rendered objects is given: its variables, its files and its quantities."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Objects:
    """The objects of an overlay."""

    all: list[Any]

    def one(self, kind: str, name: str | None = None) -> Any:
        """Return the object of a kind, of which there must be one."""
        (found,) = (each for each in self.all if each["kind"] == kind and name in {None, each["metadata"]["name"]})
        return found

    @property
    def pod(self) -> Any:
        """The pod's spec."""
        return self.one("StatefulSet")["spec"]["template"]["spec"]

    @property
    def container(self) -> Any:
        """The pod's only container."""
        (container,) = self.pod["containers"]
        return container

    def environment(self, pod: str) -> dict[str, str]:
        """Return the variables of the container in a pod of this name, without those of secrets."""
        variables: dict[str, str] = {}
        for source in self.container["envFrom"]:
            if "configMapRef" in source:
                variables |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for entry in self.container["env"]:
            assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
            variables[entry["name"]] = pod
        return variables

    def files(self) -> dict[str, str]:
        """Return the text of each mounted file by its path in the container."""
        maps = {volume["name"]: volume["configMap"]["name"] for volume in self.pod["volumes"]}
        return {
            f"{mount['mountPath']}/{name}": text
            for mount in self.container["volumeMounts"]
            for name, text in self.one("ConfigMap", maps[mount["name"]])["data"].items()
        }


def amount(quantity: str) -> int:
    """Return the number of bytes in a quantity such as 512Mi."""
    match = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity)
    assert match is not None, quantity
    return int(match[1]) * UNITS[match[2]]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels alone fits; one that says nothing does not."""
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


def strict(schema: Any) -> Any:
    """Return a schema that refuses what it does not name, unless it says that it takes anything."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: strict(value) for name, value in schema.items()}
    names: Iterable[str] | None = schema.get("properties")
    is_object = isinstance(names, dict) and schema.get("type") == "object"
    if is_object and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner.setdefault("additionalProperties", False)
    return inner
