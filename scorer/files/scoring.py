"""Scores one file after another into a folder of outputs."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from scorer.avro import BadEvent
from scorer.errors import Fatal, Misconfigured
from scorer.files.features import TableFiles, features_of
from scorer.files.inputs import Input, on_this_machine, require_unchanged
from scorer.files.outputs import Outputs, Receipt, outputs_at, writes
from scorer.files.parts import Part, left_over
from scorer.files.reading import FileReader
from scorer.files.recipe import recipe_of
from scorer.files.writing import DeadLetterFile, writing
from scorer.serving.ensemble import prepare_champion
from scorer.settings import Settings

Tell = Callable[[int, float], None]  # receives the rows read from a file, and the share of it, from 0 to 1


@dataclass(frozen=True, slots=True)
class Order:
    """How to score files. Every process gets the same order, and builds its own scorer from it.

    settings:     the settings, with the version to use.
    output:       the folder of the outputs.
    form:         the format of the outputs.
    dead_letters: the folder of dead letters; None leaves bad rows in the outputs.
    downloads:    a local folder for objects while they are read.
    tables:       the tables of features.
    recipe:       the digest that the outputs must have; empty until it is known.
    """

    settings: Settings
    output: str
    form: str
    dead_letters: str | None
    downloads: Path
    tables: TableFiles = field(default_factory=TableFiles)
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A file to score, and the name of its output.

    part: the part of the file; None if it is the whole.
    """

    file: Input
    name: str
    part: Part | None = None

    @property
    def size(self) -> float:
        """About how many bytes of the file are read."""
        return self.file.size * (self.part.rows / self.part.whole if self.part else 1.0)

    @property
    def which(self) -> str:
        """The part as a receipt has it; empty for the whole."""
        return self.part.text if self.part else ""


class FileScorer:
    """Scores files, each into its output.

    Args:
        order: how to score them.

    Attributes:
        model, version: the names of the model and the version that scores.
        recipe: the digest of the outputs; see `recipe_of`.
        notes: remarks on the tables of features for the user, as sentences.

    Raises:
        Misconfigured: with every problem of the bundle, the schema or a folder.
        Fatal: the model or its settings have changed since the order was made.
    """

    def __init__(self, order: Order) -> None:
        self._order, self._serving = order, prepare_champion(order.settings)
        self.model, self.version = self._serving.model, self._serving.version
        options = {"form": order.form, "dead letters": order.dead_letters} | order.tables.states
        self.recipe = recipe_of(self._serving, options)
        if order.recipe not in {"", self.recipe}:
            raise Fatal("the model or its settings changed while files were scored: start again")
        self._outputs = outputs_at(order.output, "--output")
        self._dead = outputs_at(order.dead_letters, "--dead-letters") if order.dead_letters else None
        self._letters: DeadLetterFile | None = None
        self._opened = ExitStack()
        source = self._opened.enter_context(features_of(self._serving, order.tables))
        self.notes = source.notes
        self._reader = FileReader(self._serving, source.fetch, self._bad_line if self._dead else None)

    @property
    def is_ensemble(self) -> bool:
        """Whether several versions score as one."""
        return len(self._serving.servings) > 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def finished(self, task: Task) -> Receipt | None:
        """Return the receipt of an output that needs no scoring; None if it is absent, or of another input or recipe.

        Raises:
            Unavailable: the object store of the outputs does not answer.
        """
        receipt, file = self._outputs.receipt(task.name), task.file
        made_of = (file.address, file.size, file.changed, self.recipe, task.which)
        same = receipt and (receipt.address, receipt.size, receipt.changed, receipt.recipe, receipt.part) == made_of
        return receipt if same else None

    def tidy(self, outputs: Sequence[str], tasks: Sequence[Task]) -> None:
        """Remove what was made when the same files were divided otherwise, before anything is scored.

        Args:
            outputs: the names that the outputs of the files have if each is one.
            tasks:   everything that is to be there at the end.

        Raises:
            Unavailable: an object store does not answer.
        """
        wanted = {task.name for task in tasks}
        for name in left_over(self._outputs.names(), outputs, wanted):
            self._outputs.remove(name)
        if self._dead is not None:
            there = [name.removesuffix(".jsonl") for name in self._dead.names()]
            for name in left_over(there, outputs, wanted):
                self._dead.remove(f"{name}.jsonl")

    def score(self, task: Task, tell: Tell) -> Receipt:
        """Score a file into its output; if that fails, no output appears.

        Args:
            task: the file and its output.
            tell: is called after each batch.

        Raises:
            Misconfigured: the file cannot be read, does not fit the schema, or changed while it was read.
            Unavailable: the feature store or an object store does not answer.
            Fatal: the output cannot be written.
        """
        file, counts = task.file, Counter[str]()
        with ExitStack() as stack:
            path = stack.enter_context(on_this_machine(file, self._order.downloads))
            part = stack.enter_context(_part(self._outputs, task.name))
            letters = stack.enter_context(_part(self._dead, f"{task.name}.jsonl")) if self._dead else None
            with _named(path, file.address), writes(f"{self._outputs.address.rstrip('/')}/{task.name}"):
                self._write(path, part, letters, task, counts, tell)
            require_unchanged(file)
            size = part.stat().st_size
            if self._dead and letters:
                self._put_letters(letters, f"{task.name}.jsonl")
            self._outputs.put(part, task.name)
        scored, absent = counts.pop("scored", 0), self._reader.absent
        rejected = {reason: count for reason, count in sorted(counts.items()) if count}
        receipt = Receipt(
            file.address, file.size, file.changed, self.recipe, size, scored, rejected, absent, task.which
        )
        self._outputs.note(task.name, receipt)
        return receipt

    def _write(  # noqa: PLR0913, PLR0917  the files, the counts and the progress
        self, path: Path, part: Path, letters: Path | None, task: Task, counts: Counter[str], tell: Tell
    ) -> None:
        keep, rows = self._dead is None, 0
        with ExitStack() as stack:
            out = stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
            self._letters = None
            if letters:
                opened = stack.enter_context(letters.open("w", encoding="utf-8"))
                self._letters = DeadLetterFile(opened, task.file.address, task.part.first if task.part else 0)
            write = stack.enter_context(writing(self._order.form, out, self._serving.outputs, rejected=keep))
            for outcome in self._reader.outcomes(path, task.part):
                write(outcome)
                if self._letters:
                    self._letters.add(outcome)
                counts.update(rejected.reason.value for rejected in outcome.rejected)
                counts["scored"] += len(outcome.predictions.rows)
                rows += len(outcome.predictions.event_time)
                tell(rows, self._reader.share)
        if self._letters and self._letters.lines:
            counts["bad-value"] += self._letters.lines

    def _bad_line(self, error: BadEvent) -> None:
        assert self._letters is not None  # noqa: S101  lines are skipped only with a file of dead letters
        self._letters.add_line(error)

    def _put_letters(self, letters: Path, name: str) -> None:
        """Write the dead letters of a file, before its output; remove older ones if there are none now."""
        assert self._dead is not None  # noqa: S101  the caller has just looked
        if letters.stat().st_size:
            self._dead.put(letters, name)
        else:
            self._dead.remove(name)


@contextmanager
def _part(outputs: Outputs, name: str) -> Iterator[Path]:
    """Yield the path of a new file for an output, and remove it unless it was put."""
    part = outputs.part(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _named(path: Path, address: str) -> Iterator[None]:
    """Make errors name an object by its address instead of its download, and a file by its whole path."""
    try:
        yield
    except Misconfigured as error:
        known = (str(path), path.name)
        raise Misconfigured(
            [replace(each, where=_renamed(each.where, known, address)) for each in error.problems]
        ) from error


def _renamed(where: str, known: tuple[str, ...], address: str) -> str:
    name = next((name for name in known if where.startswith(name)), "")
    return address + where[len(name) :] if name else where
