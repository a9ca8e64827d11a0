"""Carries out a Dockerfile's own instructions in a folder, where there is no engine to do it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = Path(__file__).parents[2]
DECLARATIONS = {"FROM", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
PATIENCE_SECONDS = 120.0
Instruction = tuple[str, str]  # its name, and what stands after it
Stages = dict[str, list[Instruction]]


def parse(file: Path) -> Stages:
    """The instructions of each stage, by its name, in order."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    stages: Stages = {}
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = stages.setdefault(rest.split(" AS ")[1], [])
        if stages:  # ARGs before them belong to none
            stage.append((name, rest.strip()))
    return stages


@dataclass
class Image:
    """What a stage makes: a file system under `root`, but for the folders that ARGs name, which are where they say.

    Anything but COPY from the context, RUN, ARG, ENV, WORKDIR and plain declarations is an error.
    """

    root: Path
    args: Mapping[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # of the image alone: what ENV has set
    declared: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()

    def __post_init__(self) -> None:
        self.folder = self.root
        keep = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**keep, "PATH": path}

    def build(self, instructions: list[Instruction]) -> "Image":
        """Carry out the instructions of one stage."""
        for name, rest in instructions:
            carried_out = {
                "ARG": self._arg,
                "ENV": self._env,
                "WORKDIR": self._workdir,
                "COPY": self._copy,
                "RUN": self._run,
            }
            if name in carried_out:
                carried_out[name](rest)
            else:
                assert name in DECLARATIONS, name
                self.declared[name] = rest
        return self

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """The image's entry point with words after it, in its last WORKDIR."""
        command = [*json.loads(self.declared["ENTRYPOINT"]), *(words or json.loads(self.declared["CMD"]))]
        return self.execute(*command, **environment)

    def execute(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Any command in it."""
        found = shutil.which(command[0], path=self.environment["PATH"])
        assert found is not None
        return subprocess.Popen(
            [found, *command[1:]],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> str:
        """Run the entry point, and return its output if it succeeds."""
        started = self.start(*words, **environment)
        said, complaint = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 0, said + complaint
        return said + complaint

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        self.environment[name] = self.args.get(name, default)

    def _env(self, rest: str) -> None:
        new = dict(word.split("=", 1) for word in shlex.split(self._expand(rest)))
        self.environment.update(new)
        self.variables.update(new)

    def _workdir(self, rest: str) -> None:
        self.folder = self.root / rest.lstrip("/")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        words = self._expand(rest).split()
        options = [word for word in words if word.startswith("--")]
        *sources, target = (word for word in words if not word.startswith("--"))
        if any(option.startswith("--from=") for option in options):
            assert sources == [target]  # the stages of a build share the folders of its ARGs
            assert any(Path(target).iterdir())
            return
        for source in sources:
            self._copy_one(CONTEXT / source, self.folder / target, is_folder=target.endswith(("/", ".")))

    def _copy_one(self, source: Path, target: Path, *, is_folder: bool) -> None:
        allowed = (CONTEXT / ".dockerignore").read_text().splitlines()
        assert f"!{source.relative_to(CONTEXT).parts[0]}" in allowed, f"{source} is not sent to the engine"
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
            return
        if is_folder:
            target /= source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

    def _run(self, rest: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", rest], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"

    def _expand(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda match: self.environment.get(match[1], ""), text)
