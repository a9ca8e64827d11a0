"""Writes the dashboard for Grafana: `python deploy/dashboard.py > deploy/grafana/scorer.json`.

The same list of panels gives the same document. A test runs every expression on a Prometheus that scrapes a replica.
"""  # noqa: INP001  a script

import json
import sys
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8  # Grafana's grid, and a panel's height in it
UNITS = {
    "events/s": "cps",
    "seconds": "s",
    "share": "percentunit",
    "number": "short",
    "bytes": "bytes",
    "cores": "short",
    "psi": "short",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    title:    says what it shows.
    unit:     one of UNITS.
    lines:    by their legend, the expressions.
    help:     what to look for.
    kind:     of Grafana's panels.
    """

    title: str
    unit: str
    lines: dict[str, str]
    help: str
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, side by side."""

    title: str
    panels: tuple[Panel, ...]


LATENCY = "sum by (le) (rate(scorer_end_to_end_seconds_bucket[$__rate_interval]))"
ROWS = (
    Row(
        "The stream",
        (
            Panel(
                "Events",
                "events/s",
                {"{{outcome}}": "sum by (outcome) (rate(scorer_records_total[$__rate_interval]))"},
                "Predictions and dead letters that the brokers acknowledged.",
            ),
            Panel(
                "Latency",
                "seconds",
                {name: f"histogram_quantile({share}, {LATENCY})" for name, share in (("p50", 0.5), ("p99", 0.99))},
                "From the event's timestamp to its acknowledged prediction.",
            ),
            Panel(
                "Lag",
                "number",
                {"partition {{partition}}": "sum by (partition) (scorer_lag_records)"},
                "Events that are not read yet. If it grows, add replicas.",
            ),
        ),
    ),
    Row(
        "Replicas",
        (
            Panel(
                "Time by stage",
                "cores",
                {"{{stage}}": "sum by (stage) (rate(scorer_stage_cpu_seconds_total[$__rate_interval]))"},
                "CPU seconds a second, of all replicas together.",
            ),
            Panel(
                "Memory",
                "bytes",
                {"{{instance}}": "process_resident_memory_bytes"},
                "Resident memory of each replica.",
            ),
            Panel(
                "Commits and rebalances",
                "events/s",
                {
                    "commits {{result}}": "sum by (result) (rate(scorer_commits_total[$__rate_interval]))",
                    "{{kind}}": "sum by (kind) (rate(scorer_rebalances_total[$__rate_interval]))",
                },
                "A replica that loses partitions did not answer in time.",
            ),
        ),
    ),
    Row(
        "Events that need attention",
        (
            Panel(
                "Dead letters",
                "events/s",
                {"{{reason}}": "sum by (reason) (rate(scorer_rejected_total[$__rate_interval]))"},
                "By reason. `scorer dead-letters list` has them.",
            ),
            Panel(
                "Look-ups without features",
                "share",
                {
                    "{{entity}}": 'sum by (entity) (rate(scorer_features_total{result!="hit"}[$__rate_interval])) '
                    "/ sum by (entity) (rate(scorer_features_total[$__rate_interval]))"
                },
                "The share of events that are scored with defaults.",
            ),
            Panel(
                "Served versions",
                "number",
                {"{{arm}}: {{version}}": "count by (arm, version) (scorer_model_info)"},
                "How many replicas serve which version in which arm.",
            ),
        ),
    ),
    Row(
        "The model",
        (
            Panel(
                "Drift by column",
                "psi",
                {"{{column}}": "max by (column) (scorer_drift_psi)"},
                "PSI of the last window of the group against the baseline.",
            ),
            Panel(
                "Columns that drift",
                "number",
                {"{{column}}": "max by (column) (scorer_drift_alarm)"},
                "1 while the last windows were above their limit.",
                "state-timeline",
            ),
            Panel(
                "Missing values",
                "share",
                {"{{column}}": "max by (column) (scorer_missing_ratio)"},
                "Of the last window. A column that goes silent shows here first.",
            ),
        ),
    ),
    Row(
        "Scores",
        (
            Panel(
                "Quantiles of scores",
                "number",
                {"{{arm}} {{quantile}}": "max by (arm, quantile) (scorer_score_quantile)"},
                "Of the last window, by arm.",
            ),
            Panel(
                "Quality",
                "number",
                {"{{metric}} of {{version}} ({{arm}})": "max by (metric, version, arm) (scorer_quality)"},
                "Over the windows that wait for labels, by `scorer labels run`.",
            ),
            Panel(
                "Guards and shadows",
                "number",
                {
                    "withdrawn: {{guard}}": "sum by (guard) (scorer_guard_withdrawals_total)",
                    "shadows {{result}}": "sum by (result) (scorer_shadow_events_total)",
                },
                "Canaries that were withdrawn, and what became of the events of shadows.",
            ),
        ),
    ),
)


def document() -> dict[str, Any]:
    """Return the dashboard."""
    panels: list[dict[str, Any]] = []
    for number, row in enumerate(ROWS):
        top = number * (HEIGHT + 1)
        panels.append({
            "type": "row", "title": row.title, "id": len(panels) + 1, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        })  # fmt: skip
        wide = WIDTH // len(row.panels)
        for at, panel in enumerate(row.panels):
            place = {"x": at * wide, "y": top + 1, "w": wide, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": "scorer", "title": "scorer", "tags": ["scorer"], "schemaVersion": 39, "version": 1, "editable": True,
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
        "templating": {"list": [source]}, "panels": panels,
    }  # fmt: skip


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
        for at, (legend, expr) in enumerate(panel.lines.items())
    ]
    return {
        "type": panel.kind, "title": panel.title, "description": panel.help, "id": number, "gridPos": place,
        "datasource": SOURCE, "targets": targets,
        "fieldConfig": {"defaults": {"unit": UNITS[panel.unit], "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
