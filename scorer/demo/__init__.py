"""The demo: a real model on a real stream of flights, shown live and verified at the end.

Read `demo.run` first. The verification is independent of the product: pandas joins the features, `booster.predict`
scores them, fastavro reads the predictions.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """The user's options.

    events:  number of events; None for every flight of the later months once.
    rate:    records a second.
    seconds: after this time no more records are sent.
    rollout: roll versions out, rather than kill a replica.
    broken:  the fields that change their units half-way, rather than that.
    """

    events: int | None = None
    rate: float = 4000
    replicas: int = 2
    seconds: float = 100
    rollout: bool = False
    broken: tuple[str, ...] = ()
