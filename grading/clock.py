"""Time and memory that a computation used: not the time that passed, for on a busy machine an honest notebook waits.

Its text also goes into the sandbox, ahead of `inside.py`.

Touches: reads /proc.
"""
import os
import re
import time

import psutil

SHARED = re.compile(r"^(\w+)-(\w+) ..?.?s \S+ (\S+) (\d+) +(?:/dev/zero|/memfd:|/SYSV)", re.MULTILINE)


class Clock:
    """Seconds that a process and its descendants have used since the start: processor time, or sleep, whichever is more.

    Waiting for a processor is not counted (`run_delay` of Linux, in /proc/PID/task/TID/schedstat); sleeping, or waiting for a file, is.
    """

    def __init__(self, pid):
        self.pid = pid
        self.start()

    def start(self):
        self.wall, (self.cpu, self.waits) = time.monotonic(), spent(self.pid)

    def used(self):
        cpu, waits = spent(self.pid)
        return max(cpu - self.cpu, time.monotonic() - self.wall - (waits - self.waits))


def family(pid):
    """A process and its descendants."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def spent(pid):
    """Seconds of processor time, and of waiting for a processor, of a process and all its descendants."""
    cpu = waits = 0.0
    for process in family(pid):
        try:
            with open(f"/proc/{process}/stat") as file:  # the name, in brackets, may hold anything
                cpu += sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
            for thread in os.listdir(f"/proc/{process}/task"):  # a kernel's threads wake each other, and each one waits
                with open(f"/proc/{process}/task/{thread}/schedstat") as file:
                    waits += int(file.read().split()[1]) / 1e9
        except (OSError, IndexError):  # it has ended, or this Linux does not tell: then all time counts
            pass
    return cpu, waits


def memory(pid, limit):
    """Bytes that a process and its descendants hold: their own pages, shared ones whoever holds them, and files in memory.

    Pages that a fork shares are counted once; as that takes longer, only if the sum seems to exceed the limit.
    """
    processes = family(pid)[1:]
    shared = sum(mapped(processes).values()) + in_files(processes)
    own = sum(kilobytes(process, "status", ("RssAnon", "VmSwap")) for process in processes)
    if own + shared > limit:
        own = sum(kilobytes(process, "smaps_rollup", ("Pss_Anon", "Swap")) for process in processes)
    return own + shared


def kilobytes(process, file, names):
    """The sum of fields of a file of /proc, in bytes."""
    try:
        with open(f"/proc/{process}/{file}") as lines:
            return sum(int(line.split()[1]) << 10 for line in lines if line.partition(":")[0] in names)
    except OSError:
        return 0


def mapped(processes):
    """Sizes of the shared mappings of memory, each once, whether its pages are in a process at the moment or not."""
    sizes = {}
    for process in processes:
        try:
            with open(f"/proc/{process}/maps") as file:
                for start, end, device, inode in SHARED.findall(file.read()):
                    size = int(end, 16) - int(start, 16)
                    sizes[device, inode] = max(size, sizes.get((device, inode), 0))
        except OSError:
            pass
    return sizes


def in_files(processes):
    """Bytes in the files that are kept in memory, as the first process sees them; not in places that are this process's own too."""
    used = 0
    for place in ("tmp", "dev/shm"):
        for process in processes:
            try:
                if os.stat(f"/proc/{process}/root/{place}").st_dev == os.stat(f"/{place}").st_dev:
                    break
                found = os.statvfs(f"/proc/{process}/root/{place}")
            except OSError:
                continue
            used += (found.f_blocks - found.f_bfree) * found.f_frsize
            break
    return used
