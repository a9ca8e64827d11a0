"""One run: replicas under a steady load with the faults of a seed, and its results."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scorer.sandbox import Kafka, Redis
from tests.delivery.world import World
from tests.torture.faults import SESSION_SECONDS, Fault, Kind, faults
from tests.torture.fleet import LEAST, MOST, Fleet, Replica
from tests.torture.load import Ledger, Load
from tests.torture.watch import Phase, Watch

MAX_RECORDS = 200
PARTITIONS = 8  # more than a producer's requests in flight, so that a batch can be partly written
SETTLE_SECONDS = 180.0  # the time to commit everything after the last fault on a slow machine
START_SECONDS = 180.0  # the time for a replica to start working
HUNT_SECONDS = 3.0  # the time to catch a replica in the phase in which to kill it
IDLE_SECONDS = 20.0  # the same for the idle phase: the backlog must be processed first
TURN_SECONDS = 0.02
SETTINGS: dict[str, Any] = {
    "partitions": PARTITIONS,
    "batch__max_records": MAX_RECORDS,
    "kafka__properties": {
        "session.timeout.ms": int(SESSION_SECONDS * 1000),
        "heartbeat.interval.ms": 300,
        # A group may wait for so long (by default five minutes) for a member that died while it joined.
        "max.poll.interval.ms": 20_000,
    },
}


@dataclass(frozen=True)
class Lasting:
    """A fault that lasts: its end, its target, and the function that ends it."""

    until: float
    of: object
    end: Callable[[], object]


class Torture:
    """A run in progress.

    Args:
        world: its topics and settings.
        kafka: the broker, which is its own.
        redis: the feature store, which is its own.
        seed: of every choice; with an even one replicas have a `kafka.instance_id`.
        tell: takes each line of what is done.
    """

    def __init__(self, world: World, kafka: Kafka, redis: Redis, seed: int, tell: Callable[[str], object]) -> None:
        self.world, self.kafka, self.redis, self.seed = world, kafka, redis, seed
        self._teller = tell
        self.fleet = Fleet(world, seed % 2 == 0, self._tell)
        self.watch = Watch(world)
        self.ledger = Ledger(world.folder / "ledger")
        self.load = Load(world.bootstrap, world.input, world.partitions, self.ledger, seed)
        self.kills: Counter[Phase | None] = Counter()  # None: the brokers did not answer
        self.done: Counter[Kind] = Counter()
        self.refusals: list[Mapping[int, range]] = []  # see `History`
        self._committed: Mapping[int, int] = {}  # when writes were refused last
        self._moments = random.Random(f"moments {seed}")  # noqa: S311  makes the moments of the checks reproducible
        self._lasting: list[Lasting] = []
        self._begin = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.load.end()
        self.watch.end()

    def run(self, enough: Callable[[], bool], limit_seconds: float) -> float:
        """Inject faults until there are enough or the time is up, then let all settle; return the duration."""
        self.watch.start()
        self.load.start()
        for _ in range(LEAST):
            self.fleet.join()
        self._turn_until(lambda: len(self.fleet.candidates()) == LEAST, START_SECONDS, "replicas at work")
        self._begin = time.monotonic()
        for fault in faults(self.seed):
            if enough() or self.seconds > limit_seconds:
                break
            self._turn(fault.after)
            self._do(fault)
        seconds = self.seconds
        self._settle()
        return seconds

    @property
    def seconds(self) -> float:
        """For how long faults have been injected."""
        return time.monotonic() - self._begin

    @property
    def convincing(self) -> bool:
        """Whether every phase occurred, and outputs were repeated or aborted."""
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
                self._later(fault.seconds, victim, victim.thaw)
            case Kind.RESIZE if len(self.fleet.replicas) < MOST:
                self.fleet.join()
            case Kind.RESIZE:
                self.fleet.stop(self._victim(fault), replaced=False)
            case _:
                self._trouble(fault)

    def _trouble(self, fault: Fault) -> None:
        """Stop or pause a server for some time, one fault at a time."""
        kafka, redis = self.kafka, self.redis
        server, begin, end = {
            Kind.REDIS_PAUSE: (redis, redis.pause, redis.resume),
            Kind.REDIS_KILL: (redis, redis.kill, redis.start),
            Kind.REDIS_RESTART: (redis, redis.stop, redis.start),
            Kind.BROKER_PAUSE: (kafka, kafka.pause, kafka.resume),
            Kind.BROKER_KILL: (kafka, kafka.kill, kafka.start),
            Kind.REFUSE: (kafka, self._refuse, self._accept),
        }[fault.kind]
        self._turn_until(lambda: all(each.of is not server for each in self._lasting), START_SECONDS, server.name)
        self.fleet.refusals += fault.kind is Kind.REFUSE
        begin()
        self._later(fault.seconds, server, end)

    def _refuse(self) -> None:
        self._committed = self.watch.samples[-1].committed if self.watch.samples else {}
        self.world.refuse(self.world.output)

    def _accept(self) -> None:
        self.world.accept(self.world.output)
        if not self.world.exactly_once:
            ends = self.world.ends(self.world.input)
            self.refusals.append({at: range(self._committed.get(at, 0), end) for at, end in ends.items()})

    def _kill(self, fault: Fault) -> None:
        """Kill a replica in the least frequent phase so far, or in its current one; then replace it."""
        victim = self._victim(fault)
        aim = min(Phase, key=lambda phase: self.kills[phase])
        with self.load.held() if aim is Phase.IDLE else nullcontext():
            phase = self._hunt(victim, aim)
        if victim.process.poll() is not None:
            return self._tell(f"{victim.log.name} was gone before it could be killed")
        self.fleet.kill(victim)
        self.kills[phase] += 1
        self._tell(f"killed {victim.log.name}: {phase or 'unseen'} (aimed at {aim})")
        return self.fleet.start(victim.slot)

    def _hunt(self, victim: Replica, aim: Phase) -> Phase | None:
        """Freeze a replica repeatedly until it is in a phase, within a time limit, and leave it frozen."""
        deadline = time.monotonic() + (IDLE_SECONDS if aim is Phase.IDLE else HUNT_SECONDS)
        while True:
            victim.freeze()
            phase = self.watch.look(victim.owned)
            is_away = any(lasting.of is self.kafka for lasting in self._lasting)
            if phase is aim or (phase is None and is_away) or time.monotonic() > deadline:
                return phase
            victim.thaw()
            self._turn(self._moments.uniform(0, 0.03))
            if victim.process.poll() is not None:
                return None

    def _victim(self, fault: Fault) -> Replica:
        candidates: list[Replica] = []

        def found() -> bool:
            candidates[:] = self.fleet.candidates()  # once, because a replica may stop working at any moment
            return bool(candidates)

        self._turn_until(found, START_SECONDS, "replica at work")
        return candidates[int(fault.chance * len(candidates))]

    def _later(self, seconds: float, of: object, end: Callable[[], object]) -> None:
        self._lasting.append(Lasting(time.monotonic() + seconds, of, end))

    def _end(self, is_over: Callable[[Lasting], bool]) -> None:
        for fault in sorted(filter(is_over, self._lasting), key=lambda fault: fault.until):
            self._lasting.remove(fault)
            fault.end()

    def _turn(self, seconds: float) -> None:
        """Supervise for some time."""
        until = time.monotonic() + seconds
        while True:
            self._end(lambda fault: fault.until <= time.monotonic())
            self.fleet.supervise()
            if time.monotonic() >= until:
                return
            time.sleep(TURN_SECONDS)

    def _turn_until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"no {what} within {seconds} s; {self.fleet.described()}"
            self._turn(TURN_SECONDS)

    def _settle(self) -> None:
        self._end(lambda _: True)
        self.load.finish()
        inputs = self.world.ends(self.world.input)
        self._turn_until(lambda: self.world.committed() == inputs, SETTLE_SECONDS, "commit of everything")
        for replica in self.fleet.replicas:
            self.fleet.stop(replica, replaced=False)
        self._turn_until(lambda: not self.fleet.replicas, SETTLE_SECONDS, "end of the replicas")
        self.watch.finish()

    def _tell(self, what: str) -> None:
        self._teller(f"{self.seconds:7.2f} s  {what}")


@contextmanager
def prepared(folder: Path, delivery: str, seed: int, tell: Callable[[str], object]) -> Iterator[Torture]:
    """A run on its own servers."""
    tell(f"seed {seed}, {delivery}")
    with (
        Kafka(folder / "kafka") as kafka,
        Redis(folder / "redis") as redis,
        World(kafka.bootstrap, redis.url, folder, kafka__delivery=delivery, **SETTINGS) as world,
        Torture(world, kafka, redis, seed, tell) as torture,
    ):
        yield torture
