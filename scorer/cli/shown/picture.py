"""Pictures in files: SVG, alone or in a page of HTML. Neither needs another file, nor a program to draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from scorer.errors import Misconfigured, Problem
from scorer.security.printable import printable

PAGES = ("", ".htm", ".html")  # the endings of a page; a pipe has none
_MARGIN, _TITLE, _NOTE = 20, 24, 18  # pixels around pictures, and of lines above them
_FONT = "font:12px system-ui,sans-serif;fill:#222"
_SVG = 'xmlns="http://www.w3.org/2000/svg"'
_STYLE = (
    "body{font:14px system-ui,sans-serif;margin:2em;color:#222;max-width:60em}h1{font-size:1.3em}h2{font-size:1em;"
    f"margin:2em 0 .2em}}p{{margin:.2em 0;color:#555}}svg text{{{_FONT}}}"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with its title.

    title:  what is shown.
    notes:  lines below the title.
    width:  the width of the drawing in pixels.
    height: the height of the drawing in pixels.
    shapes: its elements, SVG.
    """

    title: str
    notes: Sequence[str]
    width: int
    height: int
    shapes: Sequence[str]


def require_drawable(file: Path, option: str) -> None:
    """Make sure that the ending of a file names a kind of picture that is made here.

    Raises:
        Misconfigured: it does not.
    """
    if file.suffix.lower() not in (*PAGES, ".svg"):
        what = f"{file} would be a picture of kind '{file.suffix}'"
        raise Misconfigured([Problem(option, what, "use a name that ends in .html or .svg")])


def drawn(file: Path, title: str, pictures: Sequence[Picture]) -> str:
    """Return pictures as the contents of a file, whose ending decides whether it is a page or an SVG."""
    return _alone(title, pictures) if file.suffix.lower() == ".svg" else _page(title, pictures)


def text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    """Return words at a place; `anchor` says which end of them is there."""
    extra = f' style="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{_safe(words)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Return a filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _page(title: str, pictures: Sequence[Picture]) -> str:
    body = "\n".join(map(_section, pictures))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{_safe(title)}</h1>\n{body}\n</body></html>\n"
    )


def _section(picture: Picture) -> str:
    notes = "".join(f"<p>{_safe(note)}</p>" for note in picture.notes)
    size = f'width="{picture.width}" height="{picture.height}"'
    shapes = "\n".join(picture.shapes)
    return f'<h2>{_safe(picture.title)}</h2>{notes}\n<svg {_SVG} {size} role="img">\n{shapes}\n</svg>'


def _alone(title: str, pictures: Sequence[Picture]) -> str:
    """Return an SVG with the title and all pictures below each other."""
    at = _MARGIN + _TITLE
    parts = [text(_MARGIN, at, title, style="font-size:16px;font-weight:bold")]
    for picture in pictures:
        at += _TITLE + _NOTE
        parts.append(text(_MARGIN, at, picture.title, style="font-weight:bold"))
        for note in picture.notes:
            at += _NOTE
            parts.append(text(_MARGIN, at, note, style="fill:#555"))
        at += _NOTE // 2
        parts.append(f'<g transform="translate({_MARGIN},{at})">\n' + "\n".join(picture.shapes) + "\n</g>")
        at += picture.height
    width = 2 * _MARGIN + max((picture.width for picture in pictures), default=0)
    shapes = "\n".join(parts)
    return (
        f'<svg {_SVG} width="{width}" height="{at + _MARGIN}" role="img">\n<style>text{{{_FONT}}}</style>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{shapes}\n</svg>\n'
    )


def _safe(words: str) -> str:
    """Return words escaped for XML, without control characters, which it does not allow."""
    return escape(printable(words))
