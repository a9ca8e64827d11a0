"""Expressions of a plan: a small subset of Python's grammar, which numpy evaluates on whole columns."""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
from numpy.typing import NDArray

from scorer.errors import did_you_mean

Work = NDArray[np.float64]  # [columns, rows]
Values = NDArray[np.float64] | np.float64  # [rows], or one number for all
Evaluate = Callable[[Work], Values]

ALLOWED = (
    "an expression may contain columns above it, numbers, + - * / **, parentheses, comparisons, and "
    "log log1p exp sqrt abs floor minimum maximum where isnan clip"
)
_MAX_CHARS = 10_000
_MAX_DEPTH = 200
_MAX_SHOWN = 60  # characters

_OPERATORS: Mapping[type[ast.AST], Callable[..., Values]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: Mapping[str, tuple[Callable[..., Values], int]] = {
    "log": (np.log, 1),
    "log1p": (np.log1p, 1),
    "exp": (np.exp, 1),
    "sqrt": (np.sqrt, 1),
    "abs": (np.abs, 1),
    "floor": (np.floor, 1),
    "isnan": (np.isnan, 1),
    "minimum": (np.minimum, 2),
    "maximum": (np.maximum, 2),
    "where": (np.where, 3),
    "clip": (np.clip, 3),
}


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A checked expression over the columns above it.

    text:     the text in the plan.
    evaluate: float64 [columns, rows] -> float64 [rows], or one number if it uses no column. The caller silences
              floating-point warnings.
    """

    text: str
    evaluate: Evaluate

    @classmethod
    def parse(cls, text: str, above: Sequence[str], below: Sequence[str] = ()) -> tuple["Expression | None", list[str]]:
        """Check an expression against the names of the columns above and below it.

        Returns:
            The expression, or None and all of its problems, each a sentence that says what is wrong and where.
        """
        compiler = _Compiler(" ".join(text.split()), above, below)
        evaluate = compiler.whole()
        return (None, compiler.problems) if compiler.problems else (cls(text, evaluate), [])


class _Compiler:
    """Turns a syntax tree into nested calls; collects a problem for each node that is not allowed, and continues."""

    def __init__(self, text: str, above: Sequence[str], below: Sequence[str]) -> None:
        self.problems: list[str] = []
        self._text = text
        self._above = {name: index for index, name in enumerate(above)}
        self._below = frozenset(below)

    def whole(self) -> Evaluate:
        if len(self._text) > _MAX_CHARS:
            return self._refuse(None, f"has {len(self._text)} characters; expected at most {_MAX_CHARS}")
        if "#" in self._text:
            return self._refuse(None, "contains a comment; put it on its own line in the plan")
        try:
            tree = ast.parse(self._text, mode="eval")
        except SyntaxError as error:
            at = f" at character {error.offset}" if error.offset else ""
            return self._refuse(None, f"cannot be parsed{at}: {error.msg}{self._unusable()}")
        except (ValueError, RecursionError, MemoryError):
            return self._refuse(None, "cannot be parsed: it is nested too deeply or has an invisible character")
        return self._compile(tree.body, _MAX_DEPTH)

    def _compile(self, node: ast.expr, depth: int) -> Evaluate:
        if depth == 0:
            return self._refuse(node, f"is nested more than {_MAX_DEPTH} levels deep; split it into columns")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._number(node, value)
            case ast.Name(id=name):
                return self._column(node, name)
        function, operands = _call(node)
        if function is None:
            return self._refuse(node, self._reason(node))
        return _apply(function, [self._compile(operand, depth - 1) for operand in operands])

    def _number(self, node: ast.expr, value: float) -> Evaluate:
        try:
            number = np.float64(value)
        except OverflowError:
            number = np.float64(np.inf)
        if np.isinf(number):
            return self._refuse(node, "is beyond float64")
        return lambda _: number

    def _column(self, node: ast.expr, name: str) -> Evaluate:
        if name in self._above:
            return operator.itemgetter(self._above[name])
        if name in self._below:
            return self._refuse(node, "is a column below; an expression can only use columns above it")
        return self._refuse(node, f"is not a column above{did_you_mean(name, self._above)}")

    def _reason(self, node: ast.expr) -> str:
        match node:
            case ast.Compare() if len(node.ops) > 1:
                return "chains comparisons; multiply them instead: (a < b) * (b < c)"
            case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
                arity = _FUNCTIONS[name][1]
                return f"is not a valid call: {name} takes {arity} positional argument{'s' * (arity != 1)}"
            case ast.Call(func=ast.Name(id=name)):
                return f"calls an unknown function{did_you_mean(name, _FUNCTIONS)}"
        return f"is not allowed{self._unusable()}"

    def _unusable(self) -> str:
        """Return a hint if the text contains the name of a column that no expression can use."""
        names = [name for name in self._above if not name.isidentifier() and name in self._text]
        return f" (column '{names[0]}' cannot be used: its name is not letters, digits and _)" if names else ""

    def _refuse(self, node: ast.expr | None, why: str) -> Evaluate:
        if node is None:
            self.problems.append(why)
        else:
            encoded = self._text.encode()  # the tree counts in bytes
            shown = encoded[node.col_offset : node.end_col_offset].decode()
            at = len(encoded[: node.col_offset].decode()) + 1
            self.problems.append(f"'{shorten(shown, _MAX_SHOWN, placeholder='...')}' at character {at} {why}")
        return operator.itemgetter(0)


def _call(node: ast.expr) -> tuple[Callable[..., Values] | None, list[ast.expr]]:
    """Return the function that a node calls, or None if it is not allowed, and the operands."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return _OPERATORS.get(type(op)), [left, right]
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS.get(type(op)), [operand]
        case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]):
            function, arity = _FUNCTIONS.get(name, (None, 0))
            return (function if len(operands) == arity else None), operands
    return None, []


def _apply(function: Callable[..., Values], operands: list[Evaluate]) -> Evaluate:
    """Call a numpy function on the values of its operands; booleans become 1 or 0.

    A number stays a numpy scalar, whose powers come from the C library, as in plain Python. The powers of an array,
    even of one without dimensions, may differ in the last bit.
    """

    def call(columns: Work) -> Values:
        result = function(*[operand(columns) for operand in operands])
        return result if result.dtype == np.float64 else result.astype(np.float64)

    return call
