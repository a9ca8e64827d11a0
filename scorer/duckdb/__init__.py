"""SQL functions of DuckDB that score rows as a replica scores events.

import duckdb, scorer.duckdb
scorer.duckdb.register(connection, "scorer.yaml")
connection.sql("SELECT t.*, score(t) FROM 'flights.parquet' t")
"""

from scorer.duckdb.functions import Functions, register

__all__ = ["Functions", "register"]
