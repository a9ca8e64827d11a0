"""Network traffic and server work per event, by batch size."""

from collections.abc import Sequence

import redis

from benchmarks.contenders import LAYOUTS, replica
from benchmarks.measure import MILLION, Measure, measuring
from benchmarks.sweeps.chart import table
from benchmarks.sweeps.scope import Scope
from benchmarks.workload import prepare

COUNTERS = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes", "used_cpu")


def wire(points: Sequence[int], scope: Scope) -> str:
    """Measure by batch size."""
    workload, rows = prepare(scope.tell), []
    with measuring(workload) as measure:
        for layout in LAYOUTS:
            for point in points:
                found = _counted(measure, layout, point, scope.backlog)
                rows.append([layout, f"{point:,}", *(f"{value:.2f}" for value in found)])
                scope.tell(f"{layout}, {point:,} a batch: {found[2]:.2f} commands")
    titles = ("Kafka: read B", "written B", "Redis: commands", "to it B", "from it B", "CPU us")
    return table(["an event, with", "batch", *titles], rows)


def _counted(measure: Measure, layout: str, batch: int, events: int) -> list[float]:
    """Return bytes read from Kafka and written to it, then COUNTERS, an event."""
    contender = replica(layout, batch)
    contract = measure.contract(contender, measure.topics.filled(measure.workload, events))
    before = _counters(measure)
    with measure.start(contender.program.command(contract), contract) as process:
        measure.wait(process, contract, events)
        process.stop()
    counts = [after - then for after, then in zip(_counters(measure), before, strict=True)]
    sizes = [_size(measure, topic) for topic in (contract.input_topic, contract.output_topic)]
    measure.verify(contender, contract, events)
    return [count / events for count in (*sizes, *counts)]


def _size(measure: Measure, topic: str) -> int:
    return sum(file.stat().st_size for file in measure.sandbox.kafka.folder.glob(f"kafka-data/{topic}-*/*.log"))


def _counters(measure: Measure) -> list[float]:
    with redis.Redis.from_url(measure.sandbox.redis.url) as client:
        info = client.info()
    info["used_cpu"] = MILLION * (info["used_cpu_sys"] + info["used_cpu_user"])
    return [float(info[name]) for name in COUNTERS]
