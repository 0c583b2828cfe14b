"""Time that a computation had, not time that passed: on a busy machine an honest notebook waits, and that is no fault of its own.

It reads /proc and nothing else. Its text also goes into the sandbox, ahead of `inside.py`.
"""
import os
import time

import psutil


class Clock:
    """Seconds that a process and its descendants have used since the start: processor time, or sleep, whichever is more.

    Waiting for a processor is not counted (`run_delay` of Linux, in /proc/PID/schedstat); sleeping, or waiting for a file, is.
    """

    def __init__(self, pid):
        self.pid = pid
        self.start()

    def start(self):
        self.wall, (self.cpu, self.waits) = time.monotonic(), spent(self.pid)

    def used(self):
        cpu, waits = spent(self.pid)
        return max(cpu - self.cpu, time.monotonic() - self.wall - (waits - self.waits))


def spent(pid):
    """Seconds of processor time, and of waiting for a processor, of a process and all its descendants."""
    cpu = waits = 0.0
    try:
        processes = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return cpu, waits
    for process in processes:
        try:
            with open(f"/proc/{process}/stat") as file:  # the name, in brackets, may hold anything
                cpu += sum(map(int, file.read().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
            with open(f"/proc/{process}/schedstat") as file:
                waits += int(file.read().split()[1]) / 1e9
        except (OSError, IndexError):  # it has ended, or this Linux does not tell: then all time counts
            pass
    return cpu, waits
