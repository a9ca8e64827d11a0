"""Schema registries with Confluent's HTTP interface: Confluent's own, Apicurio and Karapace."""

from scorer.registry.http import Refusal
from scorer.registry.registry import Compatibility, Registry, patiently

__all__ = ["Compatibility", "Refusal", "Registry", "patiently"]
