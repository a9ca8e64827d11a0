"""All settings with unit, default and limits; loaded from the file, the environment and flags."""

from scorer.settings.groups import (
    BatchSettings,
    EventSettings,
    ExplainSettings,
    FeatureSettings,
    HttpSettings,
    HttpTlsSettings,
    KafkaSettings,
    ListenSettings,
    LogSettings,
    ModelSettings,
    PredictionSettings,
    RegistrySettings,
    ServeSettings,
    Settings,
    ShutdownSettings,
    TlsSettings,
)
from scorer.settings.loading import Loaded, load
from scorer.settings.masking import mask, secrets_in
from scorer.settings.when import When, parse_when

__all__ = [
    "BatchSettings",
    "EventSettings",
    "ExplainSettings",
    "FeatureSettings",
    "HttpSettings",
    "HttpTlsSettings",
    "KafkaSettings",
    "ListenSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "PredictionSettings",
    "RegistrySettings",
    "ServeSettings",
    "Settings",
    "ShutdownSettings",
    "TlsSettings",
    "When",
    "load",
    "mask",
    "parse_when",
    "secrets_in",
]
