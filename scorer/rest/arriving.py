"""Downloads the model folder if the platform gives the address of an object store, as Vertex AI does."""

from pathlib import Path, PurePosixPath

from scorer.errors import Misconfigured, Problem
from scorer.files.stores import answering, store_at


def fetched(address: str, variable: str, target: Path, deepest: int) -> Path:
    """Download the files at an address; return their folder, which has the last two names of the address.

    So the folder of a version keeps its name and that of its model.

    Args:
        address: such as gs://bucket/flight-delays/1.
        variable: the environment variable that has the address, for errors.
        target: an empty folder for the files.
        deepest: how many levels of folders below the address are downloaded.

    Raises:
        Misconfigured: nothing is there, access is denied, or no installed package can read such an address.
        Unavailable: the object store does not answer.
    """
    with answering(address, variable):
        store, root = store_at(address.rstrip("/"), variable)
        folder = target.joinpath(*PurePosixPath(root.strip("/")).parts[-2:])
        found = [str(path) for path in store.find(root)]
        for path in found:
            below = PurePosixPath(path).relative_to(PurePosixPath(root))
            if len(below.parts) <= deepest + 1 and not any(part.startswith(".") for part in below.parts):
                (folder / below).parent.mkdir(parents=True, exist_ok=True)
                store.get_file(path, str(folder / below))
    if not folder.is_dir():
        expected = "expected the files of a model below it; see docs/rest.md"
        raise Misconfigured([Problem(variable, f"there are no files at {address}", expected)])
    return folder
