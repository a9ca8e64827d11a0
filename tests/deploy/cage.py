"""Runs a command of the image as a kubelet would, with the kernel's own means where there is no container engine.

The command is process 1 of its own process namespace. Its root has the image's folders, a minimal system and nothing
else, all read-only; it has the pod's user, no capabilities, and a limit of memory. The network is that of this machine,
and there is no seccomp filter. Somebody who is not root gets a user namespace for it.
"""

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorer.sandbox.watchdog import watchdog
from tests.deploy.dockerfile import Image
from tests.deploy.pod import Objects, amount

SYSTEM = ("/usr", "/etc/hosts", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ssl")
DEVICES = ("/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
CGROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),  # version 1
    (Path("/sys/fs/cgroup"), "memory.max"),
)
PATIENCE_SECONDS = 60.0
_numbers = itertools.count()


@dataclass
class Caged:
    """A command in its cage."""

    process: "subprocess.Popen[bytes]"
    log_file: Path
    cgroup: Path | None

    @property
    def pid(self) -> int:
        """Its process id outside of its namespace."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_file.read_text()

    def status(self, field: str) -> str:
        """A line of its /proc/PID/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Send SIGTERM to process 1, as a kubelet does, and return the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Kill it if it is there."""
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.cgroup and self.cgroup.exists() and time.monotonic() < deadline:
            with suppress(OSError):  # its last process is still about to end
                self.cgroup.rmdir()
            time.sleep(0.05)


def cage(image: Image, objects: Objects, folder: Path, pod: str, environment: dict[str, str]) -> Caged:
    """Start the pod's container.

    Args:
        image: what it runs.
        objects: what it is part of.
        folder: for the files and the log of the pod.
        pod: its name.
        environment: variables that differ from those of the pod, such as addresses.
    """
    folder.mkdir()
    mounts = {path: path for path in (*SYSTEM, sys.base_prefix, image.args["PREFIX"], image.args["KERNELS"])}
    mounts |= {str(image.folder / name): f"/etc/scorer/{name}" for name in ("models", "schemas")}
    for target, text in objects.files().items():
        source = folder / Path(target).name
        source.write_text(text)
        mounts[str(source)] = target
    script = folder / "cage.sh"
    command = [*json.loads(image.declared["ENTRYPOINT"]), *objects.container["args"]]
    script.write_text(_script(folder / "root", mounts, objects.pod["securityContext"], command))
    cgroup = _memory_cgroup(limit := amount(objects.container["resources"]["limits"]["memory"]))
    limited = f"echo $$ >{cgroup}/cgroup.procs" if cgroup else f"ulimit -d {limit // 1024}"
    namespaces = ["--mount", "--pid", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    words = ["unshare", *namespaces, "--fork", "--kill-child", "/bin/sh", "-eu", str(script)]
    log_file = folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-euc", f"{limited}; exec {shlex.join(words)}"],
            env=image.variables | objects.environment(pod) | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=watchdog().group,
        )
    return Caged(process, log_file, cgroup)


def _script(root: Path, mounts: Mapping[str, str], context: Mapping[str, Any], command: Sequence[str]) -> str:
    """Return what builds the root in a namespace of its own, and becomes the command."""
    root.mkdir()
    lines = [f"mount -t tmpfs -o mode=755 cage {root}", f"mkdir {root}/proc", f"mount -t proc proc {root}/proc"]
    for source, target in [*mounts.items(), *zip(DEVICES, DEVICES, strict=True)]:
        inside = f"{root}{target}"
        lines += [f"mkdir -p {Path(inside).parent}", f"mkdir {inside}" if Path(source).is_dir() else f"touch {inside}"]
        lines += [f"mount --bind {source} {inside}"]
        if source not in DEVICES:
            lines += [f"mount -o remount,bind,ro {inside}"]
    lines += [f"ln -s usr/{name} {root}/{name}" for name in ("bin", "lib", "lib64")]
    lines += [f"mount -o remount,bind,ro {root}", f"exec {shlex.join([*_lowered(root, context), *command])}"]
    return "\n".join(lines)


def _lowered(root: Path, context: Mapping[str, Any]) -> list[str]:
    """Return the command that enters a root, and gives up what the pod's securityContext does not grant."""
    user, group = context["runAsUser"], context["runAsGroup"]
    # Whoever becomes another user outlives --kill-child, unless it asks for the same again.
    lowered = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--pdeathsig=KILL"]
    if os.geteuid() == 0:
        return ["chroot", str(root), *lowered, f"--reuid={user}", f"--regid={group}", "--clear-groups", "--"]
    # A user namespace cannot be made below a root that was changed, so it comes first.
    entering = ["unshare", "--user", "--keep-caps", f"--map-user={user}", f"--map-group={group}", f"--root={root}"]
    return [*entering, "--wd=/", *lowered, "--ambient-caps=-all", "--"]


def _memory_cgroup(limit: int) -> Path | None:
    """Make a cgroup with this limit in bytes, if this user may."""
    for top, name in CGROUPS:
        cgroup = top / f"scorer-{os.getpid()}-{next(_numbers)}"
        try:
            cgroup.mkdir()
        except OSError:
            continue
        try:
            (cgroup / name).write_text(str(limit))
        except OSError:
            cgroup.rmdir()
        else:
            return cgroup
    return None
