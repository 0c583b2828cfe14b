"""What runs inside the sandbox, next to the student's code.

It is started with `python -c`, after the text of `clock.py`, reads one job (JSON) from standard input and writes one
result to the descriptor that was standard output. Nothing it says is trusted: the grader reads it as data, up to a limit, and checks the values.

Touches: in the sandbox, starts one kernel; reads what the kernel left in /tmp.
"""
import base64
import ctypes
import json
import os
import select
import shutil
import sys
import threading

# The kernel without its debugger, whose import would take a quarter of the kernel's start.
KERNEL = """import sys
sys.modules["debugpy"] = None
from ipykernel import ipkernel, kernelapp
del sys.modules["debugpy"]
kernelapp.launch_new_instance()"""
SOURCE_OF_FONTS = "/tmp/fonts"  # matplotlib's list of fonts, made once outside: saves seconds per notebook


def execute(job):
    """Run the cells in a kernel; return for each whether it ran, whether it failed, and its outputs."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError
    from nbformat import v4

    replies = {}

    limit = job["cell_seconds"]
    clock = Clock(os.getpid())  # noqa: F821

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=[sys.executable, "-c", KERNEL, "-f", "{connection_file}"])

    class Client(NotebookClient):
        printed = 0

        async def _async_handle_timeout(self, timeout, cell=None):
            return await super()._async_handle_timeout(timeout, cell) if clock.used() > 0.9 * limit else None

        def process_message(self, msg, cell, cell_index):
            self.printed += len(json.dumps(msg["content"], default=str))
            if self.printed > job["output"]:
                finish(json.dumps({"stopped": "output", "cell": cell_index}).encode())
            return super().process_message(msg, cell, cell_index)

    nb = v4.new_notebook(cells=[v4.new_code_cell(source) for source in job["cells"]])
    client = Client(
        nb, kernel_manager_class=Manager, timeout=limit, iopub_timeout=10 * limit,
        startup_timeout=10 * limit, interrupt_on_timeout=True, allow_errors=True, record_timing=False,
        error_on_timeout={"ename": "CellTimeoutError", "evalue": "stopped: it took too long", "traceback": []},
        on_cell_execute=lambda cell, cell_index: clock.start(),
        on_cell_executed=lambda cell, cell_index, execute_reply: replies.update({cell_index: execute_reply["content"]}),
    )
    stopped = None
    try:
        client.execute(cleanup_kc=False)  # the kernel ends with the sandbox, and need not be waited for
    except DeadKernelError:
        stopped = "died"
    cells = []
    for i, cell in enumerate(nb.cells):
        reply = replies.get(i, {})
        outputs = list(cell.outputs)
        late = reply.get("ename") == "CellTimeoutError"
        if late:
            outputs = [o for o in outputs if o["output_type"] != "error"]
        if late or reply.get("status") == "error" and not any(o["output_type"] == "error" for o in outputs):
            outputs.append(v4.new_output("error", ename=reply["ename"], evalue=reply["evalue"], traceback=[]))
        cells.append({"ran": bool(reply), "outputs": outputs})
    files = {}
    for name in job.get("files", ()):  # arrays that cells were asked for
        try:
            with open(os.path.join(os.environ["ANSWERS"], name), "rb") as file:
                files[name] = base64.b64encode(file.read(job["output"])).decode()
        except OSError:
            pass
    return json.dumps({"stopped": stopped, "cell": len(replies), "cells": cells, "files": files}).encode()


def hello(job):
    """Report what can be seen from here, for the test that the grader makes of its sandbox."""
    import socket
    import subprocess

    import ipykernel  # noqa: F401
    import numpy  # noqa: F401

    try:
        socket.create_connection(("127.0.0.1", job["port"]), timeout=5).close()
        network = True
    except OSError:
        network = False
    processes = [p for p in os.listdir("/proc") if p.isdigit()]
    seen = [p for p in job["paths"] if os.path.exists(p)]
    look = "import os\ntry: print(os.listdir('/proc/1/fd'), open('/proc/1/mem', 'rb').fileno())\nexcept OSError: print(end='')"
    reached = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False).stdout
    reached += "a namespace" * (subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0)
    return json.dumps({"network": network, "processes": len(processes), "seen": seen, "reached": reached, "environ": dict(os.environ)}).encode()


def watch():
    """End with the grader: bubblewrap's own way is lost when the user id changes. When nobody is left to read the result, all ends."""
    end = select.poll()
    end.register(RESULT, 0)
    end.poll()
    os._exit(1)


def finish(data):
    RESULT.write(data)
    RESULT.flush()
    os._exit(0)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE off: no process of this user's may look into this one
    RESULT = os.fdopen(os.dup(1), "wb")  # not inherited by the kernel
    threading.Thread(target=watch, daemon=True).start()
    JOB = json.load(sys.stdin)
    NULL = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(NULL, descriptor)
    if os.path.isdir(SOURCE_OF_FONTS):
        shutil.copytree(SOURCE_OF_FONTS, os.environ["MPLCONFIGDIR"], dirs_exist_ok=True)
    finish({"execute": execute, "hello": hello}[JOB["what"]](JOB))
