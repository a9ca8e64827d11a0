"""Each guarantee's test can fail: a copy of the project is broken in one place, and the test must turn red."""

from tests.mutants import consume, dead_letters, delivery, scoring

MUTANTS = [*consume.MUTANTS, *delivery.MUTANTS, *dead_letters.MUTANTS, *scoring.MUTANTS]
