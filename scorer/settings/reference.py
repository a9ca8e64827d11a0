"""docs/configuration.md, written from the settings: `python -m scorer.settings.reference > docs/configuration.md`."""

import json
import sys
from collections.abc import Iterator

from scorer.settings.catalogue import CATALOGUE, Setting, Shape
from scorer.settings.properties import LIMITED, REFUSED

EXAMPLE = """\
kafka:
  bootstrap_servers: localhost:9092
  group_id: flight-delays
  input_topics: [flights]
  output_topic: flight-delays
  dead_letter_topic: flights.dead-letters
events: {schema: schemas/flight.avsc}
features: {url: "redis://scorer:${REDIS_PASSWORD}@localhost:6379/0"}
model: {path: models/flight-delays}
"""

INTRODUCTION = f"""\
# Configuration

<!-- Written by `python -m scorer.settings.reference`: change the settings, not this file. -->

A YAML file, changed by environment variables, changed by `--set` flags: the last wins. The least there can be, with
features:

```yaml
{EXAMPLE}```

`scorer config -c scorer.yaml` shows every setting with its value and where it comes from; `scorer check` says what is
wrong, all at once.

- **Environment.** `SCORER_` and the path joined by `__`, in capitals: `SCORER_KAFKA__GROUP_ID=delays`.
- **Flags.** `--set kafka.group_id=delays`, `--set kafka.properties.linger.ms=10`; may be repeated.
- **Lists, maps and groups** are JSON there: `SCORER_KAFKA__INPUT_TOPICS='["flights"]'`, `SCORER_HTTP=null`. A map or a
  group changes only the keys that it names.
- **Null.** `null` takes a setting that may be null back to nothing; a group that is null is turned off.
- **Text is text.** YAML guesses nothing: `version: 1.10` stays 1.10. Quotes are needed only where YAML's own signs are.
- **Relative paths** are relative to the file, wherever they were given.
- **`${{VAR}}`** in a value of the file is the variable VAR, taken as it is; where it is not set, that is an error. `$$`
  is a dollar sign. Variables and flags are taken literally.
- **An unknown key** or `SCORER_` variable is an error. Kubernetes makes such variables for a Service named `scorer`:
  put `enableServiceLinks: false` into the pod.
"""

REFUSED_INTRODUCTION = """\
## Properties that are refused

`kafka.properties` takes any [librdkafka property](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md)
but these, and callbacks. Passwords, secrets and private keys are masked wherever settings are shown.

| Property | Why |
|---|---|
"""


def markdown() -> str:
    """Return the page."""
    groups = [setting for setting in CATALOGUE.values() if setting.shape is Shape.GROUP and setting.key]
    pages = [INTRODUCTION, *map(_group, groups), REFUSED_INTRODUCTION + "".join(_refused())]
    return "\n".join(pages)


def _group(group: Setting) -> str:
    inside = [setting for key, setting in CATALOGUE.items() if key[:-1] == group.key]
    columns = "| Setting, variable | Value | Default | Meaning |\n|---|---|---|---|\n"
    return f"## `{group.dotted}`\n\n{group.meaning}\n\n{columns}{''.join(map(_row, inside))}"


def _row(setting: Setting) -> str:
    value = setting.expects + (f", in {setting.unit}" if setting.unit else "")
    default = "**required**" if setting.required else f"`{_plain(setting.default)}`"
    return _cells(f"`{setting.dotted}`<br>`{setting.variable}`", value, default, setting.meaning)


def _refused() -> Iterator[str]:
    for name, reason in REFUSED.items():
        yield _cells(f"`{name}`", reason)
    for name, (low, high, reason) in LIMITED.items():
        yield _cells(f"`{name}`", f"only {low} to {high}: {reason}")


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _plain(default: object) -> str:
    return default if isinstance(default, str) else json.dumps(default)


if __name__ == "__main__":
    sys.stdout.write(markdown())
