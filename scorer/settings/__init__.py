"""All settings with unit, default and limits; loaded from the file, the environment and flags."""

from scorer.settings.groups import (
    BatchSettings,
    EventSettings,
    FeatureSettings,
    HttpSettings,
    HttpTlsSettings,
    KafkaSettings,
    LogSettings,
    ModelSettings,
    PredictionSettings,
    RegistrySettings,
    Settings,
    ShutdownSettings,
    TlsSettings,
)
from scorer.settings.loading import Loaded, load
from scorer.settings.masking import mask, secrets_in

__all__ = [
    "BatchSettings",
    "EventSettings",
    "FeatureSettings",
    "HttpSettings",
    "HttpTlsSettings",
    "KafkaSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "PredictionSettings",
    "RegistrySettings",
    "Settings",
    "ShutdownSettings",
    "TlsSettings",
    "load",
    "mask",
    "secrets_in",
]
