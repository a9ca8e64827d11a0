"""Compares the types of a writer's schema with those of ours."""

from scorer.avro.types.grammar import Array, Link, Map, Member, Record, Scalar, Type, Union, short

_PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_SAME_BYTES = {("int", "long"), ("string", "bytes"), ("bytes", "string")}


class Unresolvable(Exception):
    """A writer's type cannot be converted to ours; the text says where, what each is, and what to do."""

    def __init__(self, path: str, what: str, expected: str) -> None:
        super().__init__(f"{path}: {what}; {expected}" if path else f"{what}; {expected}")
        self.path, self.what, self.expected = path, what, expected


def paired(written: Record, wanted: Record) -> dict[str, Member]:
    """Return our field for each field of a writer's record, by the writer's names.

    A field with the same name is preferred. If the writer does not have one of ours by its name, its aliases are tried.
    """
    theirs = {member.name for member in written.members}
    ours = {member.name for member in wanted.members}
    found = {member.name: member for member in wanted.members if member.name in theirs}
    for member in wanted.members:
        if member.name not in theirs:
            alias = next((each for each in member.aliases if each in theirs and each not in ours), None)
            if alias is not None:
                found.setdefault(alias, member)
    return found


def alike(written: Type | Link, wanted: Type, *, named: bool = False) -> bool:
    """Whether every encoded value of a type is also one of ours; with `named`, records must have the same name, too."""
    match written, wanted:
        case Scalar(), Scalar():
            return _alike_scalars(written, wanted)
        case Record(members=theirs), Record(members=ours):
            pairs = list(zip(theirs, ours, strict=False))
            return (
                len(theirs) == len(ours)
                and (not named or goes_by(written.name, wanted))
                and all(their.name == our.name and alike(their.type, our.type) for their, our in pairs)
            )
        case (Array(items=theirs), Array(items=ours)) | (Map(values=theirs), Map(values=ours)):
            return alike(theirs, ours)
        case Union(branches=theirs), Union(branches=ours):
            return len(theirs) == len(ours) and all(
                alike(their, our, named=True) and not promotes(their, our)
                for their, our in zip(theirs, ours, strict=True)
            )
    return False


def _alike_scalars(written: Scalar, wanted: Scalar) -> bool:
    if clash(written, wanted):
        return False
    if written.base in {"enum", "fixed"} and not goes_by(written.name, wanted):
        return False
    same = written.base == wanted.base or (written.base, wanted.base) in _SAME_BYTES
    return same and (written.symbols, written.size) == (wanted.symbols, wanted.size)


def promotes(written: Type | Link, wanted: Type) -> bool:
    """Whether a type differs from ours, and Avro promotes it to ours."""
    if not isinstance(written, Scalar) or not isinstance(wanted, Scalar) or clash(written, wanted):
        return False
    return wanted.base in _PROMOTED.get(written.base, ())


def goes_by(name: str, wanted: Type) -> bool:
    """Whether a name, without its namespace, is the name or an alias of one of our types."""
    if not isinstance(wanted, Scalar | Record):
        return False
    return short(name) in {short(own) for own in (wanted.name, *wanted.aliases)}


def clash(written: Scalar, wanted: Scalar) -> bool:
    """Whether the logical types give the same number different meanings: another unit or scale."""
    if not written.logical or not wanted.logical:
        return False
    return (written.meaning, written.ticks, written.scale) != (wanted.meaning, wanted.ticks, wanted.scale)


def mismatch(written: Type, wanted: Type, theirs: str, ours: str) -> tuple[str, str]:
    """Describe two types that do not match, and what to do.

    Args:
        written: the writer's type.
        wanted: our type.
        theirs: where the writer's type is, such as "the file".
        ours: where our type is.
    """
    what = f"{words(written)} in {theirs}, {words(wanted)} in {ours}"
    if isinstance(written, Scalar) and isinstance(wanted, Scalar):
        if clash(written, wanted):
            return what, "expected the same: otherwise its numbers would be misread"
        if written.base == wanted.base == "fixed" and written.size != wanted.size:
            return what, "expected the same size"
        if written.base == wanted.base and written.base in {"enum", "fixed"}:
            return what, f'expected the same name, or "aliases": ["{written.name}"] in {ours}'
    return what, f"expected a type that Avro promotes to that of {ours}"


def words(kind: Type) -> str:
    """Describe a type briefly, such as `record 'Flight'`."""
    match kind:
        case Scalar(logical="decimal"):
            return f"decimal({kind.precision}, {kind.scale})"
        case Scalar(base="enum" | "fixed", logical=""):
            size = f" of {kind.size} bytes" if kind.base == "fixed" else ""
            return f"{kind.base} '{kind.name}'{size}"
        case Scalar():
            return kind.logical or kind.base
        case Record():
            return f"record '{kind.name}'"
        case Union(branches=branches):
            return f"[{', '.join(map(words, branches))}]"
        case _:
            return type(kind).__name__.lower()
