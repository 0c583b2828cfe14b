"""Run untrusted Python in bubblewrap: no network, no files but the interpreter's, and limits on everything.

The job goes in by standard input and the result comes back by standard output, cut at a limit, so the sandbox has no
place outside its own memory to write to. When it ends, or is ended, every process in it ends.

Touches: starts bubblewrap; makes an empty temporary folder for the time of a run.
"""
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from grading import clock, seccomp

INSIDE = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("clock.py", "inside.py"))
USERS = itertools.count()  # root gives every run a user id of its own, so that the limit on processes is per run
PATIENCE = 10  # times `seconds` may pass on the wall, however busy the machine


class Limits(NamedTuple):
    """What one submission may use. `cell_seconds` is for a cell, `seconds` for everything, on a processor or asleep."""

    cell_seconds: int = 60
    seconds: int = 300
    memory: int = 3 * 2**30  # bytes, all processes together, files in /tmp and /dev/shm included
    output: int = 10 * 2**20  # bytes of notebook output
    processes: int = 128


class Unavailable(Exception):
    """There is no working sandbox here."""


def run(job: dict, limits: Limits, fonts: Path | None = None, sandboxed: bool = True) -> tuple[str | None, bytes]:
    """Run one job; return why it was ended (None: it ended by itself) and what it wrote."""
    data = json.dumps(job | {"cell_seconds": limits.cell_seconds, "output": limits.output}).encode()
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as calls, tempfile.TemporaryDirectory() as home:
        stdin.write(data)
        stdin.seek(0)
        if sandboxed:
            calls.write(seccomp.program())
            calls.seek(0)
        command = _bubblewrap(limits, fonts, calls.fileno()) if sandboxed else [*_limits(limits), sys.executable, "-I", "-c", INSIDE]
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=home, pass_fds=[calls.fileno()] if sandboxed else (),
            env=None if sandboxed else _environment(home), start_new_session=True,
        )
        try:
            return _read(process, limits)
        finally:
            _end(process)


def check(paths: list[Path], limits: Limits, fonts: Path | None = None) -> None:
    """Raise Unavailable unless the sandbox works here and hides the network, the processes and `paths`."""
    if not shutil.which("bwrap"):
        raise Unavailable("bubblewrap is not installed (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)")
    try:
        seccomp.program()
    except LookupError as error:
        raise Unavailable(f"the filter of system calls does not know this machine ({error})") from None
    with socket.create_server(("127.0.0.1", 0)) as server:
        job = {"what": "hello", "port": server.getsockname()[1], "paths": [str(p.resolve()) for p in paths]}
        why, data = run(job, limits, fonts)
    if why or not data:
        command = _bubblewrap(limits, fonts)
        command[-1] = "import numpy, ipykernel"
        error = subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
        raise Unavailable(f"bubblewrap does not work here: {error or why or 'no answer'}")
    saw = json.loads(data)
    if saw["network"] or saw["seen"] or saw["processes"] > 10 or saw["reached"] or set(saw["environ"]) - set(_environment("")) - {"PWD"}:
        raise Unavailable(f"bubblewrap does not hide everything here: {saw}")


def _environment(home: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin", "HOME": home, "MPLCONFIGDIR": f"{home}/matplotlib", "IPYTHONDIR": f"{home}/ipython", "ANSWERS": f"{home}/answers",
        "LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    }


def _limits(limits: Limits) -> list[str]:
    # Address space is not memory: threads and BLAS reserve far more than they use. The watch in _read counts memory.
    processes = limits.processes
    if os.geteuid():  # the limit counts everything that this user runs
        processes += sum(p.info["num_threads"] or 0 for p in psutil.process_iter(["num_threads"]))
    return [
        "prlimit", f"--as={limits.memory + 2 * 2**30}", f"--fsize={2**28}", f"--nproc={processes}", "--core=0", "--nofile=512",
        f"--cpu={limits.seconds}",
    ]


def _bubblewrap(limits: Limits, fonts: Path | None, calls: int | None = None) -> list[str]:
    # --as-pid-1: no process of bubblewrap's own stays inside, with the job and the result open, where a student could look.
    command = [
        "bwrap", "--unshare-pid", "--as-pid-1", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev",
        "--size", str(2**26), "--perms", "1777", "--tmpfs", "/dev/shm", "--size", str(2**28), "--perms", "1777", "--tmpfs", "/tmp",
        "--size", str(2**25), "--perms", "1777", "--tmpfs", "/tmp/answers",
    ]
    if calls is not None:
        command += ["--seccomp", str(calls)]
    for name, value in _environment("/tmp").items():
        command += ["--setenv", name, value]
    for place in ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"):
        path = Path(place)
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), place]
        elif path.exists():
            command += ["--ro-bind", place, place]
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    for place in sorted(p for p in python if not p.is_relative_to("/usr")):
        for parent in reversed(place.parents[:-1]):
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(place), str(place)]
    if fonts:
        command += ["--ro-bind", str(fonts), "/tmp/fonts"]
    # All that is mounted is read-only but /tmp and /dev/shm, which are small and in memory.
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    if os.geteuid() == 0:  # become nobody in there: to root, the limit on processes does not apply
        user = str(61_000 + next(USERS) % 1000)
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        command += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    else:
        command[1:1] = ["--unshare-user"]
    return [*command, *_limits(limits), sys.executable, "-I", "-c", INSIDE]


def _read(process: subprocess.Popen, limits: Limits) -> tuple[str | None, bytes]:
    """Read until the end of the output or the breach of a limit."""
    data, deadline, look, used = bytearray(), time.monotonic() + PATIENCE * limits.seconds, 0.0, clock.Clock(process.pid)
    while True:
        if select.select([process.stdout], [], [], 0.2)[0]:
            chunk = os.read(process.stdout.fileno(), 2**16)
            if not chunk:
                return None, bytes(data)
            data += chunk
        now = time.monotonic()
        if len(data) > 4 * limits.output:
            return "output", b""
        if now > look:
            look = now + 0.3
            if now > deadline or used.used() > limits.seconds:
                return "timeout", b""
            if clock.memory(process.pid, limits.memory) > limits.memory:
                return "memory", b""


def _end(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.stdout.close()
    process.wait()
