"""The home of a roll-out state in `rollout.yaml` beside the versions, in their folder or in their object store."""

from pathlib import Path
from typing import Any

from scorer.errors import Fatal, Misconfigured, Problem, RepositoryUnavailable
from scorer.model.repositories.stores import asking, store_at
from scorer.rollout import (
    FILE,
    Change,
    Conflict,
    FileHome,
    Held,
    Home,
    Paced,
    State,
    digest,
    kind_of_home,
    next_file,
    read_file,
)
from scorer.settings import Settings

MOST_BYTES = 16_000_000
_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})  # S3's codes for a condition not met
_CONDITIONAL = frozenset({"s3", "s3a"})  # protocols of stores that replace an object only if it is unchanged


class ObjectHome:
    """Keeps the state in an object beside the versions, which S3 replaces only if it is still what was read.

    Args:
        url: the address of the versions.
    """

    def __init__(self, url: str) -> None:
        self.location = f"{url.rstrip('/')}/{FILE}"
        self._store, self._path = store_at(self.location)
        self._seen: Any = None  # the tag of the object when it was last read
        self._held, self._paced = Held(token=digest(b"")), Paced(self._look)

    def read(self) -> Held:
        """Return the contents of the object; empty ones if there is no object.

        Raises:
            Misconfigured: it cannot be read, or has no valid state.
            RepositoryUnavailable: the store does not answer.
        """
        return self._paced.read()

    def wait(self, seconds: float) -> Held:
        """Return the contents of the object after some seconds.

        Raises:
            ScorerError: see `read`.
        """
        return self._paced.wait(seconds)

    def write(self, change: Change, read: Held) -> None:
        """Replace the object, unless its content is no longer what was read.

        Raises:
            Conflict: the object has changed; nothing was written.
            Misconfigured: the store cannot do that, or may not be written.
            RepositoryUnavailable: the store does not answer; nothing was written.
            Fatal: the store did not confirm the change, which may have been made.
        """
        protocols = self._store.protocol
        if not _CONDITIONAL & {protocols, *([] if isinstance(protocols, str) else protocols)}:
            what = f"cannot replace {self.location}: only S3 is known to refuse it if somebody else has changed it"
            raise Misconfigured([Problem("model.rollout", what, "write the file by hand, or use model.rollout: topic")])
        tag = self._tag()  # before the content, so that a change between the two is refused by the store
        if digest(content := self._content()) != read.token:
            raise Conflict(self.location, read_file(content, self.location))
        new = next_file(change, read).encode()
        try:
            replaced = self._replaced(new, tag)
            now = new if replaced else self._content()
        except RepositoryUnavailable as error:
            todo = "look at it with `scorer models history`"
            raise Fatal(f"it is not known whether {self.location} was changed, {todo}: {error}") from error
        if now != new:  # it is ours if the store's client has sent it twice
            raise Conflict(self.location, read_file(now, self.location))

    def close(self) -> None:
        """Do nothing: fsspec keeps its clients."""

    def _look(self) -> Held:
        seen = self._tag()
        if seen is None or seen != self._seen:
            self._held = read_file(self._content() if seen is not None else b"", self.location)
            self._seen = seen
        return self._held

    def _tag(self) -> str | None:
        """Return a tag that changes with the object, such as its ETag; None if there is no object."""
        with asking(self.location):
            try:
                found: dict[str, Any] = self._store.info(self._path)
            except FileNotFoundError:
                return None
            if found["size"] <= MOST_BYTES:
                return str(found.get("ETag") or self._store.ukey(self._path))
        what = f"has {found['size']:,} bytes"
        raise Misconfigured([Problem(self.location, what, "expected a file that a person wrote")])

    def _content(self) -> bytes:
        with asking(self.location):
            try:
                return bytes(self._store.cat_file(self._path))
            except FileNotFoundError:
                return b""

    def _replaced(self, content: bytes, tag: str | None) -> bool:
        """Write the object if it is still the one with a tag; return whether it was."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        bucket, _, key = self._path.partition("/")
        with asking(self.location):
            try:
                self._store.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
            except (FileExistsError, FileNotFoundError):  # it appeared, or was removed
                return False
            except OSError as error:
                if _code(error) not in _REFUSED:
                    raise
                return False
        return True


def _code(error: OSError) -> object:
    """Return S3's code of an error; None if it is of another kind."""
    answer = getattr(error.__cause__, "response", None)
    return answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None


def file_home(location: Path | str) -> Home:
    """Return the home beside the versions at a location, without reading it.

    Raises:
        Misconfigured: nothing here can read such an address.
    """
    return FileHome(location) if isinstance(location, Path) else ObjectHome(location)


def state_in_file(settings: Settings) -> State | None:
    """Return the state in a file; None if the settings choose another home, or there is no state yet.

    A state in a topic is not read here, since that needs Kafka.

    Raises:
        Misconfigured: the file has no valid state.
        RepositoryUnavailable: the object store that has it does not answer.
    """
    return file_home(settings.model.path).read().state if kind_of_home(settings) == "file" else None


def chosen_version(settings: Settings) -> str:
    """Return the version to serve: the champion of a state in a file, otherwise the configured one.

    Raises:
        Misconfigured: the file has no valid state, or the champion is an ensemble.
        RepositoryUnavailable: the object store that has it does not answer.
    """
    state = state_in_file(settings)
    if state is None:
        return settings.model.version
    if state.champion in state.ensembles:
        what = f"the champion is the ensemble '{state.champion}', {state.ensembles[state.champion]}"
        raise Misconfigured(
            [Problem("model.rollout", what, "expected one version here: set model.rollout: off, and model.version")]
        )
    return state.champion
