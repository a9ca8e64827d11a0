"""Mutants: changes that break the code, each anchored by its function and its syntax.

Changes to formatting, comments and neighbouring lines do not affect a mutant. It must be adapted when its function is
renamed, or when the code that it breaks is rewritten.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


class Misfit(Exception):
    """A mutant's code does not occur exactly once in its function."""


@dataclass(frozen=True)
class Mutant:
    """One change that breaks the code, and the test that must detect it.

    Attributes:
        name: what goes wrong.
        where: `package.module:Class.function`, or `package.module:` for code outside of functions.
        code: an expression or statements, compared as syntax, which occur there exactly once.
        broken: the replacement: an expression for an expression, otherwise statements.
        test: a file of tests or one test, for pytest.
    """

    name: str
    where: str
    code: str
    broken: str
    test: str

    @property
    def file(self) -> str:
        """The module's path below the project's root."""
        return self.where.partition(":")[0].replace(".", "/") + ".py"

    def mutate(self, source: str) -> str:
        """Return the module's source with the place broken.

        Raises:
            Misfit: there is no such function, or the code does not stand in it exactly once.
        """
        tree = ast.parse(source)
        scope = self._scope(tree)
        code, broken = ast.parse(self.code).body, ast.parse(self.broken).body
        if _is_expression(code) and _is_expression(broken):
            swap: _Swap = _SwapExpression(code[0].value, broken[0].value)  # type: ignore[attr-defined]  # just checked
        else:
            swap = _SwapStatements(code, broken)
        swap.visit(scope)
        if swap.found != 1:
            raise Misfit(
                f"the mutant {self.name!r} no longer fits: {self.code!r} stands {swap.found} times in {self.where}, "
                "and must stand there once. Write it as the code is now, or name the function where it went"
            )
        return ast.unparse(ast.fix_missing_locations(tree))

    def _scope(self, tree: ast.Module) -> ast.AST:
        scope: ast.AST = tree
        for name in filter(None, self.where.partition(":")[2].split(".")):
            found = [each for each in _definitions(scope) if each.name == name]
            if len(found) != 1:
                raise Misfit(
                    f"the mutant {self.name!r} no longer fits: {self.file} has {len(found)} definitions of {name!r} "
                    f"for {self.where}. Name the function where its code is now"
                )
            scope = found[0]
        return scope


class _Swap(ast.NodeTransformer):
    """Replaces every occurrence of the code, and counts them."""

    found = 0


class _SwapExpression(_Swap):
    def __init__(self, code: ast.expr, broken: ast.expr) -> None:
        self._code, self._broken = ast.dump(code), broken

    def visit(self, node: ast.AST) -> ast.AST:
        if ast.dump(node) == self._code:
            self.found += 1
            return self._broken
        return self.generic_visit(node)


class _SwapStatements(_Swap):
    def __init__(self, code: Sequence[ast.stmt], broken: Sequence[ast.stmt]) -> None:
        self._code, self._broken = [ast.dump(each) for each in code], broken

    def visit(self, node: ast.AST) -> ast.AST:
        for body in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                self._swap(body)
        return self.generic_visit(node)

    def _swap(self, body: list[ast.stmt]) -> None:
        size = len(self._code)
        for start in range(len(body) - size, -1, -1):
            if [ast.dump(each) for each in body[start : start + size]] == self._code:
                self.found += 1
                body[start : start + size] = self._broken


def _definitions(scope: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the classes and functions of a scope, also under an `if` or a `try`, without their bodies."""
    for each in ast.iter_child_nodes(scope):
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield each
        else:
            yield from _definitions(each)


def _is_expression(body: Sequence[ast.stmt]) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.Expr)
