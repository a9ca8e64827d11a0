from typing import NamedTuple

import pandas as pd
import pytest

from scorer.demo import flights, tables


class Flights(NamedTuple):
    """The data set as the demo splits it, and its feature tables."""

    training: pd.DataFrame
    later: pd.DataFrame
    loaded: tables.Tables


@pytest.fixture(scope="session")
def data() -> Flights:
    training, later = flights.split(flights.read())
    return Flights(training, later, tables.as_loaded(training))
