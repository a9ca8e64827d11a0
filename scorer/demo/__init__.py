"""The demo: a real model on a real stream of flights, watched live and proved right at the end.

`demo.run` tells the story from top to bottom. What it proves with is independent of the product: pandas joins the
features, `booster.predict` scores them, fastavro reads the predictions.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for.

    events:  None: every flight of the later months once.
    rate:    records a second.
    seconds: after which no more are sent.
    """

    events: int | None = None
    rate: float = 4000
    replicas: int = 2
    seconds: float = 100
