"""Names and namespaces in a schema."""

RULE = "expected letters, digits and _, the first not a digit"


def full_name(name: str, space: str) -> str:
    """Return a full name: the namespace is added unless the name has one."""
    return name if "." in name or not space else f"{space}.{name}"


def is_name(name: object) -> bool:
    """Whether a value is a valid part of a name."""
    return isinstance(name, str) and name.isidentifier()


def bad_name(full: str) -> tuple[str, str] | None:
    """Return what is wrong with a full name, and what to do about it; None if it is valid."""
    *parts, last = full.split(".")
    if wrong := next((part for part in parts if not is_name(part)), None) if parts else None:
        space = ".".join(parts)
        advice = f"; write '{mended}' in its place" if is_name(mended := _mended(wrong)) else ""
        return (
            f"the namespace '{space}' of '{last}' has the part '{wrong}', which is not a name",
            f"{RULE}{advice}: a namespace is not in the bytes of events, only in the fingerprint of `single-object`",
        )
    if "" in parts:
        return f"a type named '{full}' has an empty part in its namespace", RULE
    return None if is_name(last) else (f"a type named '{last}'", RULE)


def _mended(part: str) -> str:
    """Replace invalid characters of a part by _, as Debezium's `schema.name.adjustment.mode: avro` does."""
    mended = "".join(letter if letter.isalnum() else "_" for letter in part)
    return f"_{mended}" if mended[:1].isdigit() else mended
