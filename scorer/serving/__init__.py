"""Serving: from settings, a bundle and a schema to the versions that score events, with or without Kafka."""
