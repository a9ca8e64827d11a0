"""Proves that each guarantee's test can fail: breaks a copy of the project in one place and runs the test."""

from tests.mutants import consume, contract, dead_letters, delivery, rest, scoring

MUTANTS = [
    *consume.MUTANTS,
    *delivery.MUTANTS,
    *contract.MUTANTS,
    *dead_letters.MUTANTS,
    *scoring.MUTANTS,
    *rest.MUTANTS,
]
