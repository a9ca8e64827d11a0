"""One run: replicas under a steady load, to which the faults of a seed are done, and what is left to be checked."""

import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

from scorer.sandbox import Kafka, Redis
from tests.delivery.world import World, place
from tests.torture import checker
from tests.torture.checker import History
from tests.torture.faults import SECONDS, SESSION_SECONDS, Fault, Kind, faults
from tests.torture.fleet import LEAST, MOST, Fleet, Replica
from tests.torture.load import Ledger, Load, is_event, number_of
from tests.torture.watch import MODEL, Phase, Watch, output_of

MAX_RECORDS = 200
PARTITIONS = 8  # more than a producer's requests in flight, so that a batch can be written in part
IN_FLIGHT = 4  # batches
SETTLE_SECONDS = 180.0  # for all to be committed after the last fault, on a slow machine too
START_SECONDS = 60.0  # for a replica to be at work
HUNT_SECONDS = 3.0  # for a replica to be seen in the phase in which it is to be killed
TURN_SECONDS = 0.02
SETTINGS: dict[str, Any] = {
    "partitions": PARTITIONS,
    "batch__max_records": MAX_RECORDS,
    "kafka__properties": {"session.timeout.ms": int(SESSION_SECONDS * 1000), "heartbeat.interval.ms": 300},
}


@dataclass
class Totals:
    """What happened in a run."""

    seed: int
    delivery: str
    named: bool
    seconds: float
    faults: Counter[Kind]
    kills: Counter[Phase | None]
    exits: int
    lost_partitions: int
    events: int
    samples: int
    repeated: int  # as readers of committed data see it
    aborted: int
    repeats_allowed: int
    found: dict[checker.Kind, list[str]]


class Torture:
    """A run that is going on.

    Args:
        world: its topics and settings.
        kafka: the broker, which is its own.
        redis: the feature store, which is its own.
        seed: of every choice.
        named: whether replicas have a `kafka.instance_id`.
    """

    def __init__(self, world: World, kafka: Kafka, redis: Redis, seed: int, *, named: bool) -> None:
        self.world, self.kafka, self.redis, self.seed = world, kafka, redis, seed
        self.journal: list[str] = []
        self.fleet = Fleet(world, named, self._tell)
        self.watch = Watch(world)
        self.ledger = Ledger(world.folder / "ledger")
        self.load = Load(world.bootstrap, world.input, world.partitions, self.ledger, seed)
        self.kills: Counter[Phase | None] = Counter()  # None: the brokers could not be asked
        self.done: Counter[Kind] = Counter()
        self._aim = random.Random(f"aim {seed}")  # noqa: S311  the moments at which a phase is looked for
        self._ends: list[tuple[float, int, Callable[[], object]]] = []
        self._number = count()
        self._begin = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.load.end()
        self.watch.end()

    def run(self, enough: Callable[["Torture"], bool], limit_seconds: float) -> Totals:
        """Do faults until it is enough or the time is up, let all be settled, and check what is left."""
        self.watch.start()
        self.load.start()
        for _ in range(LEAST):
            self.fleet.join()
        self._turn_until(lambda: len(self.fleet.candidates()) == LEAST, START_SECONDS, "replicas at work")
        self._begin = time.monotonic()
        for fault in faults(self.seed):
            if enough(self) or self.seconds > limit_seconds:
                break
            self._turn(fault.after)
            self._do(fault)
        seconds = self.seconds
        self._settle()
        return self._totals(seconds)

    @property
    def seconds(self) -> float:
        """For how long faults have been done."""
        return time.monotonic() - self._begin

    @property
    def convincing(self) -> bool:
        """Whether it met every phase, and showed that something was repeated or aborted."""
        return set(Phase) <= self.kills.keys() and self.watch.repeated > 0

    def _do(self, fault: Fault) -> None:
        self.done[fault.kind] += 1
        self._tell(str(fault))
        match fault.kind:
            case Kind.KILL:
                self._kill(fault)
            case Kind.TERMINATE:
                self.fleet.stop(self._victim(fault), replaced=True)
            case Kind.STALL | Kind.LONG_STALL:
                victim = self._victim(fault)
                victim.freeze()
                self._later(fault.seconds, victim.thaw)
            case Kind.JOIN if len(self.fleet.replicas) < MOST:
                self.fleet.join()
            case Kind.LEAVE if len(self.fleet.replicas) > LEAST:
                self.fleet.stop(self._victim(fault), replaced=False)
            case kind if kind in SECONDS:
                self._trouble(fault)

    def _trouble(self, fault: Fault) -> None:
        """Take a server away for some time, one at a time."""
        self._end_all()
        kafka, redis, output = self.kafka, self.redis, self.world.output
        begin, end = {
            Kind.REDIS_PAUSE: (redis.pause, redis.resume),
            Kind.REDIS_KILL: (redis.kill, redis.start),
            Kind.REDIS_RESTART: (redis.stop, redis.start),
            Kind.BROKER_PAUSE: (kafka.pause, kafka.resume),
            Kind.BROKER_KILL: (kafka.kill, kafka.start),
            Kind.REFUSE: (lambda: self.world.refuse(output), lambda: self.world.accept(output)),
        }[fault.kind]
        self.fleet.refusals += fault.kind is Kind.REFUSE
        begin()
        self._later(fault.seconds, end)

    def _kill(self, fault: Fault) -> None:
        """Kill a replica in the phase that was met least so far, or in which it happens to be; then replace it."""
        victim = self._victim(fault)
        aim = min(Phase, key=lambda phase: self.kills[phase])
        deadline = time.monotonic() + HUNT_SECONDS
        while True:
            victim.freeze()
            phase = self.watch.look(victim.owned)
            if phase in {aim, None} or time.monotonic() > deadline:
                break
            victim.thaw()
            self._turn(self._aim.uniform(0, 0.03))
            if victim.process.poll() is not None:
                return self._tell("its victim was gone")
        self.fleet.kill(victim)
        self.kills[phase] += 1
        self._tell(f"killed {victim.log.name}: {phase or 'unseen'}, aimed at {aim}")
        return self.fleet.start(victim.slot)

    def _victim(self, fault: Fault) -> Replica:
        self._turn_until(lambda: bool(self.fleet.candidates()), START_SECONDS, "a replica at work")
        candidates = self.fleet.candidates()
        return candidates[int(fault.chance * len(candidates))]

    def _later(self, seconds: float, end: Callable[[], object]) -> None:
        heapq.heappush(self._ends, (time.monotonic() + seconds, next(self._number), end))

    def _end_all(self) -> None:
        """End what still lasts: what follows could not be told from it, or not be done meanwhile."""
        while self._ends:
            heapq.heappop(self._ends)[2]()

    def _turn(self, seconds: float) -> None:
        """Supervise for some time."""
        until = time.monotonic() + seconds
        while True:
            while self._ends and self._ends[0][0] <= time.monotonic():
                heapq.heappop(self._ends)[2]()
            self.fleet.supervise()
            if time.monotonic() >= until:
                return
            time.sleep(TURN_SECONDS)

    def _turn_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"no {what} within {seconds} s"
            self._turn(TURN_SECONDS)

    def _settle(self) -> None:
        self._end_all()
        self.load.finish()
        inputs = self.world.ends(self.world.input)
        self._turn_until(lambda: self.world.committed() == inputs, SETTLE_SECONDS, "commit of everything")
        for replica in self.fleet.replicas:
            self.fleet.stop(replica, replaced=False)
        self._turn_until(lambda: not self.fleet.replicas, SETTLE_SECONDS, "end of the replicas")
        self.watch.finish()

    def _totals(self, seconds: float) -> Totals:
        history = self._history()
        return Totals(
            seed=self.seed,
            delivery="exactly-once" if self.world.exactly_once else "at-least-once",
            named=self.fleet.named,
            seconds=seconds,
            faults=self.done,
            kills=self.kills,
            exits=self.fleet.exits,
            lost_partitions=self.fleet.lost,
            events=len(history.inputs),
            samples=len(history.samples),
            repeated=history.repeated,
            aborted=self.world.written() + self.world.written(self.world.dead) - len(history.outputs),
            repeats_allowed=history.repeats_allowed,
            found=checker.check(history),
        )

    def _history(self) -> History:
        world = self.world
        inputs = {place(message): number_of(message.value() or b"") for message in world._read(world.input)}
        events = {at: number for at, number in inputs.items() if is_event(number)}
        disruptions = sum(self.kills.values()) + self.fleet.exits + self.fleet.lost
        return History(
            acknowledged=self.ledger.read(),
            inputs=inputs,
            scores=dict(zip(events, world.scores(list(events.values())).tolist(), strict=True)),
            model=MODEL,
            outputs=[
                output_of(message, dead=dead)
                for topic, dead in ((world.output, False), (world.dead, True))
                for message in world._read(topic)
            ],
            samples=self.watch.samples,
            # The batches in flight, and those of the commit on its way.
            repeats_allowed=0 if world.exactly_once else disruptions * (IN_FLIGHT + 1) * MAX_RECORDS,
        )

    def _tell(self, what: str) -> None:
        self.journal.append(f"{self.seconds:7.2f} s  {what}")


@contextmanager
def prepared(folder: Path, delivery: str, seed: int) -> Iterator[Torture]:
    """A run on servers of its own; with an even seed its replicas have names."""
    with (
        Kafka(folder / "kafka") as kafka,
        Redis(folder / "redis") as redis,
        World(kafka.bootstrap, redis.url, folder, kafka__delivery=delivery, **SETTINGS) as world,
        Torture(world, kafka, redis, seed, named=seed % 2 == 0) as torture,
    ):
        yield torture
