"""Proves that each guarantee's test can fail: breaks a copy of the project in one place and runs the test."""

from tests.mutants import consume, contract, dead_letters, delivery, guards, rest, rollout, scoring, tables

ROOMS = (consume, delivery, contract, dead_letters, guards, rest, rollout, scoring, tables)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
