"""Proves that each guarantee's test can fail: breaks a copy of the project in one place and runs the test."""

from tests.mutants import consume, contract, dead_letters, delivery, rollout, scoring

ROOMS = (consume, delivery, contract, dead_letters, scoring, rollout)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
