"""Nothing in the package runs what it reads."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "scorer"
FILES = sorted(PACKAGE.rglob("*.py"))
# Modules that run code from what they read, or that are made for that.
UNPICKLERS = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "code",
}
RUNNERS = {"eval", "exec", "compile", "__import__", "breakpoint"}
UNSAFE_YAML = {"load", "load_all", "full_load", "unsafe_load", "UnsafeLoader", "FullLoader", "Loader"}


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def faults(source: str) -> list[str]:
    """Return what in a source can run what it reads."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [name for name in names if name.partition(".")[0] in UNPICKLERS]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            whole = f"{node.value.id}.{node.attr}"
            if (node.value.id == "yaml" and node.attr in UNSAFE_YAML) or whole in {"os.system", "os.popen"}:
                found.append(whole)
    for call in calls(tree):
        if isinstance(call.func, ast.Name) and call.func.id in RUNNERS:
            found.append(call.func.id)
        found += [
            word.arg
            for word in call.keywords
            if word.arg in {"allow_pickle", "shell"} and isinstance(word.value, ast.Constant) and word.value.value
        ]
    return found


def test_no_module_can_execute_its_input() -> None:
    found = {str(file.relative_to(PACKAGE)): faults(file.read_text()) for file in FILES}
    # A kernel's entry is generated when it is imported, from the names of its own parameters and their fields.
    generated = {"arrays/kernel.py": ["exec", "compile"]}
    assert {file: what for file, what in found.items() if what} == generated


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import yaml\nyaml.load(text, yaml.UnsafeLoader)",
        "numpy.load(file, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "eval(text)",
    ],
)
def test_code_that_could_execute_its_input_is_detected(source: str) -> None:
    assert faults(source)
