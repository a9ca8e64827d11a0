"""Proves that each guarantee's test can fail: breaks a copy of the project in one place and runs the test."""

from tests.mutants import (
    consume,
    contract,
    dead_letters,
    delivery,
    drift,
    formats,
    guards,
    init,
    labels,
    otel,
    page,
    proofs,
    rest,
    rollout,
    scoring,
    spark,
    tables,
)

ROOMS = (
    *(consume, delivery, contract, dead_letters, drift, formats, guards, init),
    *(labels, otel, page, proofs, rest, rollout, scoring, spark, tables),
)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
