"""Measurements, and what they are measured with."""
