"""Loading features from a file, with the plan, the schema and the Redis that the settings name."""

from collections.abc import Callable
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.model import repository_at
from scorer.plan import Draft
from scorer.serving.formats import open_formats
from scorer.settings import Settings
from scorer.store.load.load import Loaded, find_entity, load_file


def load_features(
    settings: Settings, name: str, file: Path, on_progress: Callable[[int], None] = lambda _: None
) -> Loaded:
    """Write the features of one entity to Redis.

    Args:
        settings:    name the model, the schema and Redis.
        name:        the entity's name in the model's plan.
        file:        `.csv` with a header line, or `.jsonl`; each line has the features of one key.
        on_progress: called with the number of lines written so far.

    Raises:
        Misconfigured: the settings, the plan or the file are wrong; nothing was written.
        Unavailable:   Redis does not answer or refuses a command, or the schema registry does not answer.
    """
    if settings.features is None:
        raise Misconfigured([Problem("features", "missing", "set features.url to the address of Redis")])
    schema = open_formats(settings).schema
    bundle = repository_at(settings.model.path).find(settings.model.version)
    draft = Draft.load(bundle.plan_file)
    if problems := [*draft.problems, *draft.schema_problems(schema.fields, schema.why_not)]:
        raise Misconfigured(problems)
    entity = find_entity(draft.plan(), name)
    return load_file(entity, schema.fields, file, settings.features.url, on_progress)
