import subprocess
import sys

from tests.docs.pages import ROOT

# The signal goes to another thread, so it wakes the main one as little as one that comes just before its wait.
PROGRAM = """
import os, signal, sys, threading, time
from contextlib import nullcontext
from types import SimpleNamespace
from scorer.cli import main, page

def stop():
    time.sleep(1.0)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(10.0)
    os._exit(9)

page.watched = lambda *_: nullcontext()
page.Site = lambda *_, **__: None
page.serve = lambda *_: nullcontext(SimpleNamespace(url="http://127.0.0.1:1"))
threading.Thread(target=stop, daemon=True).start()
sys.exit(main(["page", "-c", "deploy/scorer.yaml"]))
"""


def test_a_signal_that_wakes_nobody_ends_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, timeout=60, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "live: http://127.0.0.1:1" in done.stdout
