"""Schema registries: what speaks the HTTP interface of Confluent's, such as that itself, Apicurio and Karapace."""

from scorer.registry.http import Refusal
from scorer.registry.registry import Compatibility, Registry, patiently

__all__ = ["Compatibility", "Refusal", "Registry", "patiently"]
