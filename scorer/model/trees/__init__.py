"""Scores rows with compiled trees."""
