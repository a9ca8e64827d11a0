"""Scores DataFrames, queries and topics of Spark as a replica scores events.

import scorer.spark
scored = scorer.spark.score(spark.read.parquet("flights"), "scorer.yaml")
"""

from scorer.spark.frames import score
from scorer.spark.functions import Functions, register
from scorer.spark.topics import score_topic

__all__ = ["Functions", "register", "score", "score_topic"]
