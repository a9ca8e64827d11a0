"""docs/configuration.md, written from the settings: `python -m scorer.settings.reference > docs/configuration.md`."""

import json
import sys
from collections.abc import Iterator

from pydantic import BaseModel

from scorer.settings.catalogue import CATALOGUE, Catalogue, Setting, Shape
from scorer.settings.kinds import NAMES
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

The configuration is a YAML file. Environment variables override the file, and `--set` flags override both. A minimal
file with features:

```yaml
{EXAMPLE}```

`scorer config -c scorer.yaml` shows every setting with its value and its source. `scorer check` reports every problem
at once.

- **Environment.** `SCORER_` and the path joined by `__`, in capitals: `SCORER_KAFKA__GROUP_ID=delays`.
- **Flags.** `--set kafka.group_id=delays`, `--set kafka.properties.linger.ms=10`; may be repeated.
- **Lists, maps and groups** are JSON in variables and flags: `SCORER_KAFKA__INPUT_TOPICS='["flights"]'`,
  `SCORER_HTTP=null`. A map or a group changes only the keys that it names.
- **Null.** `null` unsets a setting that may be null; a group that is null is turned off.
- **Text stays text.** YAML does not guess types: `version: 1.10` stays 1.10. Quotes are needed only around characters
  that are special in YAML.
- **Relative paths** in any source are relative to the file's folder.
- **`${{VAR}}`** in a value of the file is replaced by the variable VAR; it is an error if VAR is not set. `$$` is a
  dollar sign. Nothing is replaced in variables and flags.
- **An unknown key** or `SCORER_` variable is an error. Kubernetes sets such variables for a Service named `scorer`:
  put `enableServiceLinks: false` into the pod.
"""

NAMED = f"""\
- **NAME** in the path of a setting is a name that you choose: {NAMES}; in capitals in a variable.
  Another name adds another group. A null removes a group that an earlier source has added.
"""

REFUSED_INTRODUCTION = """\
## Properties that are refused

`kafka.properties` takes any [librdkafka property](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md)
except these and callbacks. Passwords, secrets and private keys are masked wherever settings are shown.

| Property | Why |
|---|---|
"""


def markdown(catalogue: Catalogue = CATALOGUE) -> str:
    """Return the page."""
    named = [setting for setting in catalogue.values() if setting.shape is Shape.GROUPS]
    groups = [setting for setting in catalogue.values() if setting.shape is Shape.GROUP and setting.key]
    pages = [
        INTRODUCTION + NAMED * bool(named),
        *(_group(group, catalogue) for group in groups),
        REFUSED_INTRODUCTION + "".join(_refused()),
    ]
    return "\n".join(pages)


def _group(group: Setting, catalogue: Catalogue) -> str:
    inside = [setting for key, setting in catalogue.items() if key[:-1] == group.key]
    above = catalogue[group.key[:-1]]
    meaning = f"{above.meaning} {group.meaning}" if above.shape is Shape.GROUPS else group.meaning
    columns = "| Setting, variable | Value | Default | Meaning |\n|---|---|---|---|\n"
    return f"## `{group.dotted}`\n\n{meaning}\n\n{columns}{''.join(map(_row, inside))}"


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
    if isinstance(default, BaseModel):
        return default.model_dump_json(by_alias=True)
    return default if isinstance(default, str) else json.dumps(default)


if __name__ == "__main__":
    sys.stdout.write(markdown())
