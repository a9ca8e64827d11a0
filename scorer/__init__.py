"""Score Avro events from Kafka with cached Redis features and an XGBoost model, losing none."""

__version__ = "0.1.0"
