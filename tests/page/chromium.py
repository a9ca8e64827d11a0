"""A real headless Chromium: the machine's, or Debian's packages, unpacked into the cache without being installed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.once import debian

INSTALLED = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def program() -> tuple[Path, dict[str, str]]:
    """Return the program, and the variables that it needs."""
    if INSTALLED.exists():
        return INSTALLED, {}
    root = debian("chromium-156", "chromium")
    folders = {file.parent for file in (root / "usr/lib").rglob("*.so*")}
    return root / "usr/lib/chromium/chromium", {"LD_LIBRARY_PATH": ":".join(map(str, sorted(folders)))}


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    path, variables = program()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=list(QUIET), env={**os.environ, **variables}, headless=True
        )
        try:
            yield opened
        finally:
            opened.close()
