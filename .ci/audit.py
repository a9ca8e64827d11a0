"""Asks the package index for known vulnerabilities of every package in requirements.lock.

Exit codes: 0 there is none but those in .ci/advisories.toml; 1 there is something to do; 3 nothing could be looked up,
because the index has no advisories (a mirror) or cannot be reached. $ADVISORIES is the address of an index with PyPI's
JSON API.
"""  # noqa: INP001  a script

import datetime as dt
import json
import os
import re
import sys
import tomllib
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK, ALLOWED = ROOT / "requirements.lock", ROOT / ".ci/advisories.toml"
INDEX = os.environ.get("ADVISORIES", "https://pypi.org")
TIMEOUT_SECONDS = 20
THREADS = 8
LONGEST = dt.timedelta(days=180)  # an exception is looked at again at least twice a year
NOT_AUDITED = 3

Pin = tuple[str, str]


@dataclass(frozen=True)
class Allowed:
    """An advisory that is passed over until a day."""

    id: str
    package: str
    reason: str
    until: dt.date


def pins(text: str) -> list[Pin]:
    """Return the name and the version of each package in a lock file."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)


def read_allowed(text: str, today: dt.date) -> tuple[list[Allowed], list[str]]:
    """Return the exceptions of the list, and what is wrong with it."""
    found, wrong = [], []
    for entry in tomllib.loads(text).get("allowed", []):
        if entry.keys() != {"id", "package", "reason", "until"} or type(entry["until"]) is not dt.date:
            wrong.append(f"{ALLOWED.name}: {entry}: expected id, package, reason, and until, a date")
            continue
        each = Allowed(**entry)
        what = f"{ALLOWED.name}: {each.id} of {each.package}"
        if each.until < today:
            wrong.append(f"{what} was allowed until {each.until}: look at it again")
        elif each.until > today + LONGEST:
            wrong.append(f"{what} is allowed until {each.until}: at most {LONGEST.days} days from today")
        found.append(each)
    return found, wrong


def advisories(pin: Pin) -> list[dict[str, Any]]:
    """Return the advisories for one version of a package.

    Raises:
        OSError, ValueError: the index did not answer with any, not even with an empty list.
    """
    name, version = pin
    url = f"{INDEX}/pypi/{name}/{version}/json"
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  an index that we chose
        found = json.load(answer).get("vulnerabilities")
    if not isinstance(found, list):
        raise ValueError(f"{url} has no list of vulnerabilities")  # noqa: TRY004  it is about the answer
    return [each for each in found if not each.get("withdrawn")]


def audit(lock: list[Pin], exceptions: list[Allowed]) -> tuple[list[str], list[str]]:
    """Return advisories that are not allowed, exceptions that are not needed, and what could not be looked up."""
    with ThreadPoolExecutor(THREADS) as pool:
        asked = {pin: pool.submit(advisories, pin) for pin in lock}
    found, unknown, used = [], [], set()
    for (name, version), answer in asked.items():
        try:
            answers = answer.result()
        except (OSError, ValueError) as error:
            unknown.append(f"{name} {version}: {error}")
            continue
        for each in answers:
            names = {each["id"], *each.get("aliases", [])}
            known = [other for other in exceptions if other.package == name and other.id in names]
            used.update(known)
            if not known:
                fixed = ", ".join(each.get("fixed_in", [])) or "no version yet"
                summary = each.get("summary") or str(each.get("details", ""))[:200]
                found.append(f"{name} {version}: {each['id']}, fixed in {fixed}: {summary}")
    if not unknown:
        found += [
            f"{ALLOWED.name}: {each.id} of {each.package} is not found any more" for each in set(exceptions) - used
        ]
    return found, unknown


def main() -> int:
    """Audit; return the exit code."""
    lock = pins(LOCK.read_text())
    exceptions, problems = read_allowed(ALLOWED.read_text(), dt.datetime.now(dt.UTC).date())
    try:
        advisories(lock[0])  # one question, where there are no answers
    except (OSError, ValueError) as error:
        unknown = [f"{lock[0]}: {error}"]
        found, reached = [], False
    else:
        (found, unknown), reached = audit(lock, exceptions), True
    problems += found
    if reached:
        problems += [f"could not be looked up: {each}" for each in unknown]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201  the output of a script
    if problems:
        return 1
    if not reached:
        print(f"NOT AUDITED: {INDEX} has no advisories: {unknown[0]}", file=sys.stderr)  # noqa: T201  the same
        return NOT_AUDITED
    print(f"audited {len(lock)} packages: no advisory that is not allowed")  # noqa: T201  the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
