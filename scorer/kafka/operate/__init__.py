"""Kafka operations of the commands: checks, producing events, and reading topics."""
