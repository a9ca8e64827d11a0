"""The page in a real Chromium: it loads, follows the group, asks nobody else, and draws within a frame."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from scorer.settings import HttpSettings
from tests.page.chromium import browser
from tests.page.scene import Scene, shown

pytestmark = pytest.mark.prove

PATIENCE_MS = 60_000.0
FRAME_MS = 1000 / 60
FRAMES = """async () => {
  const draws = [], heat = document.getElementById("heat");
  const watch = new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (each.name === "scorer-draw") draws.push(each.duration);
  });
  watch.observe({ type: "measure" });
  for (let frame = 0; frame < 240; frame++) {
    heat.scrollTop = (frame * 40) % (heat.scrollHeight - heat.clientHeight);
    await new Promise(requestAnimationFrame);
  }
  await new Promise((done) => setTimeout(done, 200));
  watch.disconnect();
  return draws;
}"""

UNNAMED = """() => [...document.querySelectorAll("section")].filter(
  (each) => !each.ariaLabel && !document.getElementById(each.getAttribute("aria-labelledby"))?.textContent
).length"""


@dataclass
class Watched:
    """A page, what its console said, and what it asked for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def verify(self) -> None:
        """Nothing went wrong, and nobody else was asked."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith((self.url, "data:"))] == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@contextmanager
def visit(chromium: Browser, scene: Scene, http: HttpSettings | None = None, **options: object) -> Iterator[Watched]:
    """Open the page of a scene that began some time ago."""
    scene.past(30)
    with shown(scene, http) as server:
        context = chromium.new_context(viewport={"width": 1360, "height": 900}, **options)  # type: ignore[arg-type]
        watched = Watched(context.new_page(), server.url)

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                watched.complaints.append(message.text)

        def asked(request: Request) -> None:
            watched.asked.append(request.url)

        watched.page.set_default_timeout(PATIENCE_MS)
        watched.page.on("console", said)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", asked)
        watched.page.goto(server.url)
        yield watched
        context.close()


def wait_for(watched: Watched, selector: str, text: str) -> None:
    expect(watched.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)


def test_it_loads_follows_and_asks_nobody_else(chromium: Browser) -> None:
    with visit(chromium, Scene(columns=12, quality=True)) as watched:
        page = watched.page
        wait_for(watched, "#words", "3 replicas ready, keeping up")
        assert page.title() == "flight-delays · scorer"
        wait_for(watched, "#arms", "canary")
        wait_for(watched, "#letters", "bad-value")
        wait_for(watched, "#quality", "0.8980 to 0.9250")
        wait_for(watched, "#recent", "dep_delay")
        before = page.locator("#footer").inner_text()
        page.wait_for_function("(before) => document.getElementById('footer').textContent !== before", arg=before)
        page.locator("summary", has_text="Throughput as a table").click()
        wait_for(watched, "#throughput-table", "Events a second")
        drawn = "() => [...document.querySelectorAll('.chart canvas, #bars, #heat-canvas')].map((each) => each.width)"
        assert len(page.evaluate(drawn)) == 4
        assert min(page.evaluate(drawn)) > 100
        watched.verify()


def test_a_killed_replica_shows(chromium: Browser) -> None:
    scene = Scene()
    with visit(chromium, scene) as watched:
        wait_for(watched, "#words", "3 replicas ready")
        scene.killed.add("replica-2")
        wait_for(watched, "#words", "1 replica is gone")
        expect(watched.page.locator("#replicas .tag.gone")).to_have_count(1)
        assert watched.page.locator("#health").get_attribute("data-state") == "warn"
        watched.verify()


def test_a_drift_shows_and_the_keyboard_reaches_every_cell(chromium: Browser) -> None:
    scene = Scene(columns=12)
    with visit(chromium, scene) as watched:
        page = watched.page
        wait_for(watched, "#drift-sub", "no column has drifted")
        scene.drifting.add("column_007")
        wait_for(watched, "#drift-sub", "column_007 has drifted")
        wait_for(watched, "#words", "Drift in column_007")
        page.locator("#heat").focus()
        page.keyboard.press("Home")
        wait_for(watched, "#heat-cell", "column_007: PSI 0.0")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#heat-cell")).not_to_contain_text("column_007", timeout=PATIENCE_MS)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("End")
        wait_for(watched, "#heat-cell", "above its limit 0.056")
        page.locator("summary", has_text="Histogram as a table").click()
        wait_for(watched, "#histogram-table", "missing")
        page.locator("summary", has_text="Drift as a table").click()
        expect(page.locator("#drift-table .tag.drifts")).to_have_count(1)
        watched.verify()


def test_what_comes_later_takes_the_place_of_what_was_missing(chromium: Browser) -> None:
    scene = Scene(columns=4)
    scene.quiet.set()
    with visit(chromium, scene) as watched:
        wait_for(watched, "#drift-empty", "No window has ended yet.")
        scene.quiet.clear()
        wait_for(watched, "#drift-sub", "4 columns against the baseline")
        wait_for(watched, "#heat-cell", "column_00")
        scene.quiet.set()
        expect(watched.page.locator("#drift-empty")).to_be_visible(timeout=PATIENCE_MS)
        expect(watched.page.locator("#heat")).to_be_hidden(timeout=PATIENCE_MS)
        watched.verify()


def test_the_token_is_asked_for_once_and_kept_in_the_tab(chromium: Browser) -> None:
    with visit(chromium, Scene(), HttpSettings(port=0, token="secret-token")) as watched:  # noqa: S106  of this test
        page = watched.page
        for token in ("wrong", "secret-token"):
            expect(page.locator("#ask")).to_be_visible(timeout=PATIENCE_MS)
            page.locator("#token").fill(token)
            page.keyboard.press("Enter")
        wait_for(watched, "#words", "3 replicas ready")
        page.reload()
        wait_for(watched, "#words", "3 replicas ready")
        assert page.evaluate("() => [sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
        assert not any("secret-token" in url for url in watched.asked)
        assert all("401" in complaint for complaint in watched.complaints)


def test_names_and_ids_are_text_and_never_markup(chromium: Browser) -> None:
    name = "<img src=x onerror=alert(1)>"
    scene = Scene(replicas=1)
    scene.name = name
    with visit(chromium, scene) as watched:
        expect(watched.page.locator("#replicas td").first).to_have_text(name, timeout=PATIENCE_MS)
        assert watched.page.locator("img").count() == 0
        watched.verify()


def test_what_is_off_says_how_to_turn_it_on(chromium: Browser) -> None:
    scene = Scene(replicas=0)
    scene.notes = {"replicas": "Set `monitor.topic`.", "drift": "Set `monitor.topic` for drift."}
    with visit(chromium, scene) as watched:
        wait_for(watched, "#replicas-empty", "Set monitor.topic.")
        wait_for(watched, "#drift-empty", "for drift")
        assert watched.page.locator("#drift-empty code").inner_text() == "monitor.topic"
        watched.verify()


def test_it_is_usable_on_a_narrow_screen_and_tells_a_screen_reader_where_it_is(chromium: Browser) -> None:
    with visit(chromium, Scene(columns=5), reduced_motion="reduce") as watched:
        page = watched.page
        page.set_viewport_size({"width": 390, "height": 800})
        wait_for(watched, "#words", "3 replicas ready")
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390
        assert page.locator("main, header, footer").count() == 3
        assert page.evaluate(UNNAMED) == 0
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.className") == "skip"
        watched.verify()


def test_64_partitions_and_500_columns_are_drawn_within_a_frame(chromium: Browser) -> None:
    with visit(chromium, Scene(replicas=8, partitions=64, columns=500)) as watched:
        wait_for(watched, "#partitions-sub", "64 partitions")
        wait_for(watched, "#drift-sub", "500 columns")
        draws = watched.page.evaluate(FRAMES)
        assert len(draws) > 100
        assert statistics.median(draws) < FRAME_MS
        watched.verify()
