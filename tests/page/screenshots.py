"""Takes the pictures of docs/page.md, of a group in memory: `python -m tests.page.screenshots`."""

from pathlib import Path
from typing import Literal

from tests.page.chromium import browser
from tests.page.scene import Scene, shown

IMAGES = Path(__file__).parents[2] / "docs/images"
COLUMNS = (
    "distance", "dep_delay", "hour", "minute", "weekday", "scheduled_minutes", "carrier", "origin", "built", "seats",
    "engines", "plane_flights", "plane_late_share", "route_late_share", "minutes_gained", "temp", "dewp", "humid",
    "wind_dir", "wind_speed", "precip", "pressure", "visib", "expected_delay", "miles_per_hour", "score",
)  # fmt: skip


def take(scheme: Literal["light", "dark"], *killed: str) -> None:
    """Take one picture, of a group that has run for ten minutes, of which some replicas were just killed."""
    scene = Scene(3, 12, len(COLUMNS), {"distance", "miles_per_hour"}, quality=True, names=COLUMNS)
    scene.past(600)
    with shown(scene) as server, browser() as opened:
        scene.killed.update(killed)
        page = opened.new_page(viewport={"width": 1360, "height": 1000}, color_scheme=scheme)
        page.goto(server.url)
        page.wait_for_selector(f"#replicas .tag.{'gone' if killed else 'running'}", timeout=60_000)
        page.locator("#heat").focus()
        page.keyboard.press("End")
        page.wait_for_timeout(1_500)
        page.evaluate("() => document.activeElement.blur()")
        page.screenshot(path=IMAGES / f"page-{scheme}.png", full_page=True)


if __name__ == "__main__":
    take("light")
    take("dark", "replica-2")
