"""The grader meets what students may hand in: each gets what it deserves, and no other grade changes."""

import csv
import html
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import nbformat
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from test_site import browser  # noqa: F401

from grading import leaks, sandbox, store
from grading.handins import Submission
from grading.store import Store

ROOT = Path(__file__).resolve().parents[1]
GRADE, TRIAL, RELEASE = (["-m", f"grading.{name}"] for name in ("grade", "trial", "release"))
LIMITS = ["--cell-seconds", "10", "--seconds", "100", "--memory", "1000", "--output", "5", "--processes", "64"]

META = ":nbgrader: {{grade_id: {}, cell_type: code, grade: {}, locked: {}, solution: {}, task: false, schema_version: 3{}}}"
SETUP = META.format("setup", "false", "true", "false", "")
DOUBLE = META.format("double-answer", "false", "false", "true", "")
DOUBLE_TEST = META.format("double", "true", "true", "false", ", points: 2")
TOTAL = META.format("total-answer", "false", "false", "true", "")
TOTAL_TEST = META.format("total", "true", "true", "false", ", points: 3")
MASTER = f"""---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Two questions

```{{code-cell}} ipython3
{SETUP}

import numpy as np

STUDENT_SEED = 0
data = np.random.default_rng(STUDENT_SEED).normal(size=9)
```

```{{code-cell}} ipython3
{DOUBLE}

def double(x):
    ### BEGIN SOLUTION
    zebra_factor_known_to_the_teacher = 2
    return zebra_factor_known_to_the_teacher * np.asarray(x)
    ### END SOLUTION
```

```{{code-cell}} ipython3
{DOUBLE_TEST}

np.testing.assert_allclose(double([1.0, 2.0]), [2.0, 4.0], err_msg="twice 1 is 2")
### BEGIN HIDDEN TESTS
giraffe = np.random.default_rng(1).normal(size=5)
np.testing.assert_allclose(double(giraffe) - giraffe, giraffe, err_msg="double minus one is one")
assert np.all(double(giraffe) == 2 * giraffe), "double must be exact"
### END HIDDEN TESTS
```

```{{code-cell}} ipython3
{TOTAL}

def total(x):
    ### BEGIN SOLUTION
    return sum(okapi for okapi in np.asarray(x).ravel())
    ### END SOLUTION
```

```{{code-cell}} ipython3
{TOTAL_TEST}

np.testing.assert_allclose(total([1.0, 2.0]), 3.0, err_msg="1 and 2 are 3")
### BEGIN HIDDEN TESTS
np.testing.assert_allclose(total(np.arange(9.0)), 36.0, err_msg="0 to 8 are 36")
### END HIDDEN TESTS
```

+++ {{"nbgrader": {{"grade_id": "why-prompt", "grade": false, "locked": true, "solution": false, "task": false, "schema_version": 3}}}}

Why?

+++ {{"nbgrader": {{"grade_id": "why", "grade": true, "points": 1, "locked": false, "solution": true, "task": false, "schema_version": 3}}}}

Because the walrus of the model answer says so.
"""
VERIFY = """
import numpy as np
from grading.outside import Call, Question

def inputs(rng):
    return (rng.normal(size=7),)

def calls(x):
    return {"double": Call("double", (x,), (7,)), "total": Call("total", (x,), ())}

QUESTIONS = {
    "double": Question(lambda got, x: np.allclose(got["double"], x + x), "wrong on other data"),
    "total": Question(lambda got, x: np.allclose(got["total"], np.sum(x)), "wrong on other data"),
}
"""
RIGHT = {"double-answer": "def double(x):\n    return np.asarray(x) + np.asarray(x)", "total-answer": "def total(x):\n    return np.sum(x)"}
WRONG = {"double-answer": "def double(x):\n    return 3 * np.asarray(x)", "total-answer": "def total(x):\n    return 7.0"}
FULL, NONE = {"double": 2, "total": 3}, {"double": 0, "total": 0}
ONLY_TOTAL = {"double": 0, "total": 3}
ONE_WRONG = RIGHT | {"double-answer": WRONG["double-answer"]}


def in_a_process(arguments, environment):
    return subprocess.run([sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True, check=False, cwd=ROOT)


def in_this_process(arguments, environment):
    """The same. To start Python and import what nbgrader does takes longer than most of what is to be done."""
    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environment), patch.object(sys, "argv", arguments[1:]), redirect_stdout(out), redirect_stderr(err), chdir(ROOT):
        try:
            code = import_module(arguments[1]).main()
        except SystemExit as end:
            code = end.code
    told = code if isinstance(code, str) else ""
    return subprocess.CompletedProcess(arguments, 1 if told else code or 0, out.getvalue(), err.getvalue() + told)


def grader(*arguments, check=True, run=in_this_process, **environment):
    result = run(list(map(str, arguments)), environment)
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def read_rows(out):
    text = (out / "grades.csv").read_text(encoding="utf-8-sig")
    assert (out / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # Excel takes it for another encoding without
    rows = csv.DictReader(text.splitlines(), delimiter=";" if text.startswith("student;") else ",")
    return [{key.partition(" (of ")[0]: value for key, value in row.items()} for row in rows]


def read_grades(out):
    return {row["student"]: row for row in read_rows(out)}


def points(row):
    return {name: int(row[f"tiny:{name}"]) for name in FULL} if row["total"] else None


def kept(out, student, slug="tiny"):
    """The notebook as the grader kept it."""
    return Store(out / "state").load(Submission(student, slug, out)).verdict.notebook


@pytest.fixture(scope="session")
def masters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masters")
    (folder / "tiny").mkdir()
    (folder / "tiny" / "tiny.md").write_text(MASTER)
    (folder / "tiny" / "verify.py").write_text(VERIFY)
    return folder


@pytest.fixture(scope="session")
def released(masters, tmp_path_factory):
    out = tmp_path_factory.mktemp("release")
    grader(*RELEASE, out, "--masters", masters, run=in_a_process)
    with zipfile.ZipFile(out / "tiny.zip") as archive:
        return archive.read("tiny/tiny.ipynb").decode()


def notebook(released, answers, first="", last=""):
    """A student's notebook: the released one with answers, and perhaps a cell more at its start or end."""
    nb = nbformat.reads(released, as_version=4)
    for cell in nb.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    if first:
        nb.cells.insert(0, nbformat.v4.new_code_cell(first))
    if last:
        nb.cells.append(nbformat.v4.new_code_cell(last))
    return nb


def is_test(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id") in FULL


def deleted(nb):
    nb.cells = [cell for cell in nb.cells if not is_test(cell)]
    return nb


def edited(nb):
    for cell in nb.cells:
        if is_test(cell):
            cell.source, cell.metadata.nbgrader.points = "pass", 100
    return nb


def stripped(nb):
    for cell in nb.cells:
        cell.metadata = {}
    return nb


PATCH = """
import numpy.testing
for name in dir(numpy.testing):
    if name.startswith("assert"):
        setattr(numpy.testing, name, lambda *a, **k: None)
numpy.all = lambda *a, **k: True
"""
SLY_PATCH = """
import numpy as np, numpy.testing
honest = numpy.testing.assert_allclose
def sly(a, b, **k):
    if np.size(a) == 1 and np.ndim(a) == 1:  # looks like a check of the checker
        honest(a, b, **k)
numpy.testing.assert_allclose = sly
real = np.all
np.all = lambda x, **k: True
"""
TRANSFORMER = """
import ast
class Lenient(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Expr(self, node):
        return ast.Pass() if "assert" in ast.unparse(node) else node
get_ipython().ast_transformers.append(Lenient())
"""
SEARCH = """
import os
found = []
for folder, _, files in os.walk("/"):
    if folder.startswith(("/proc", "/usr", "/lib", "/dev")) or "site-packages" in folder or "/lib/python" in folder:
        continue
    for name in files:
        path = os.path.join(folder, name)
        if name.endswith((".ipynb", ".db", ".csv", ".md")) and "/site-packages/" not in path:
            found.append(path)
for path in PATHS:
    try:
        found.append(open(path).read()[:50])
    except OSError:
        pass
print("FOUND", found, sorted(k for k in os.environ if "SECRET" in k))
"""
SABOTAGE = """
import os, sqlite3
for path in PATHS:
    for action in (lambda: open(path, "w").write("mine"), lambda: os.remove(path),
                   lambda: sqlite3.connect(path).execute("update grade set auto_score = 100").connection.commit()):
        try:
            action()
            print("WROTE", path)
        except Exception as error:
            pass
"""
LOOPBACK = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET6, ("::1", PORT))):
    try:
        socket.create_connection(address[:2], timeout=3).send(b"hello")
        print("CONNECTED")
    except OSError as error:
        print("no way", type(error).__name__)
"""
LEFT = "import subprocess; subprocess.Popen(['sleep', '98765'], start_new_session=True)"
OUTPUT = "for _ in range(2000):\n    print('x' * 10**6)"
FILES = "with open('/tmp/full', 'wb') as file:\n    while True:\n        file.write(b'x' * 2**24)"
MEMORY = "import numpy as np\nheld = [np.ones(2**24) for _ in range(40)]"
HERD = "import os\nfor _ in range(10**4):\n    if os.fork() == 0:\n        import time\n        time.sleep(1000)"
STUBBORN = "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass"
GOSSIP = """
print(In)
raise ValueError("\\n".join(In))
"""
TELLTALE = "def double(x):\n    import inspect\n    raise ValueError(inspect.getsource(inspect.currentframe().f_back))"
FORGED = """def double(x):
    import os
    if "asking" in globals():
        np.savez_compressed = lambda path, **arrays: open(path, "wb").write(b"junk")
    return 2 * np.asarray(x)
"""
ABSENT = """def total(x):
    import os
    if "asking" in globals():
        os._exit(0)
    return np.sum(x)
"""
MEMFD = """
import ctypes, os
made = ctypes.CDLL(None, use_errno=True).memfd_create(b"x", 0)
print("memfd", made)
held = []
for i in range(8):
    import mmap
    shared = mmap.mmap(-1, 150 * 2**20)
    for page in range(0, 150 * 2**20, 4096):
        shared[page] = 1
    if os.fork() == 0:
        import time
        time.sleep(60)
    shared.close()
"""
SPACES = """
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
print("unshare", libc.unshare(0x10000000), subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL).returncode != 0)
for path in ("/proc/1/mem", f"/proc/{os.getppid()}/mem", "/proc/1/fd/1", f"/proc/{os.getppid()}/fd/3"):
    try:
        open(path, "r+b" if "mem" in path else "wb", 0)
        print("REACHED", path)
    except OSError as error:
        print("no way", type(error).__name__)
"""
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
SCRIPT = {"why": "<script>alert('marked')</script> <img src=x onerror=alert(1)> A reason. [here](javascript:alert(3)) [there](JavaScript&colon;alert(4)) "
                 "<javascript:alert(5)> [d](data:text/html,<script>alert(6)</script>) ![p](http://127.0.0.1:9/p.png) ![j](javascript:alert(7)) "
                 "[r][r] $\\href{javascript:alert(8)}{x}$ $\\text{<img src=x onerror=alert(9)>}$ [web](https://example.org)\n\n[r]: javascript:alert(10)"}


@pytest.fixture(scope="session")
def batch(masters, released, tmp_path_factory):
    """Every submission of this module, graded in one run."""
    base = tmp_path_factory.mktemp("hostile")
    sub, out = base / "submissions", base / "out"
    server = socket.create_server(("127.0.0.1", 0))
    visitors = []

    def listen():
        try:
            while True:
                visitors.append(server.accept())
        except OSError:
            pass

    threading.Thread(target=listen, daemon=True).start()
    paths = [str(p) for p in (out / "marks.csv", out / "state", out / "grades.csv", masters / "tiny" / "tiny.md",
                              sub / "a-right" / "tiny.ipynb", ROOT / "grading" / "grade.py", "/etc/passwd")]
    known = f"PATHS = {paths!r}\nPORT = {server.getsockname()[1]}\n"

    def hand_in(student, nb, name="tiny.ipynb"):
        (sub / student).mkdir(parents=True)
        nbformat.write(nb, sub / student / name)

    hand_in("a-right", notebook(released, RIGHT | {"why": "Because."}))
    hand_in("untouched", nbformat.reads(released, as_version=4))
    hand_in("half", notebook(released, ONE_WRONG))
    hand_in("hidden-double", notebook(released, RIGHT | {"double-answer": "def double(x):\n    return 2 * np.asarray(x) if len(x) == 2 else np.zeros(len(x))"}))
    hand_in("hidden-total", notebook(released, RIGHT | {"total-answer": "def total(x):\n    return np.sum(x) if len(x) == 2 else 35"}))
    hand_in("left-running", notebook(released, RIGHT, first=LEFT))
    hand_in("output", notebook(released, RIGHT, first=OUTPUT))
    hand_in("files", notebook(released, RIGHT, first=FILES))
    hand_in("memory", notebook(released, RIGHT, first=MEMORY))
    hand_in("herd", notebook(released, RIGHT, first=HERD))
    hand_in("sys-exit", notebook(released, RIGHT, first="import sys; sys.exit(0)"))
    hand_in("os-exit", notebook(released, RIGHT, first="import os; os._exit(0)"))
    hand_in("deleted", deleted(notebook(released, ONE_WRONG)))
    hand_in("edited", edited(notebook(released, ONE_WRONG)))
    hand_in("stripped", stripped(notebook(released, ONE_WRONG | {"why": "Because."})))
    hand_in("patched", notebook(released, WRONG, first=PATCH))
    hand_in("sly", notebook(released, ONE_WRONG, first=SLY_PATCH))
    hand_in("transformer", notebook(released, WRONG, first=TRANSFORMER))
    hand_in("gossip", notebook(released, RIGHT | {"double-answer": TELLTALE}, last=GOSSIP))
    hand_in("forged", notebook(released, RIGHT | {"double-answer": FORGED}))
    hand_in("absent", notebook(released, RIGHT | {"total-answer": ABSENT}))
    hand_in("memfd", notebook(released, RIGHT, first=MEMFD))
    hand_in("spaces", notebook(released, RIGHT, first=SPACES))
    hand_in("magics", notebook(released, {name: f"%matplotlib inline\n%config InlineBackend.figure_formats = ['svg']\n{source}"
                                          for name, source in RIGHT.items()}, last=PLOT))
    hand_in("second-thoughts", notebook(released, RIGHT, last="def double(x):\n    return 'another'"))
    hand_in("forgetful", notebook(released, RIGHT, last="%reset -f"))
    hand_in("reader", notebook(released, RIGHT, first=known + SEARCH))
    hand_in("writer", notebook(released, WRONG, first=known + SABOTAGE))
    hand_in("loopback", notebook(released, RIGHT, first=known + LOOPBACK))
    hand_in("script", notebook(released, RIGHT | SCRIPT, last="from IPython.display import HTML; HTML('<script>alert(2)</script>')"))
    hand_in("wrong-name", notebook(released, RIGHT), name="Untitled7.ipynb")
    hand_in("O'Brien, José [x]", notebook(released, RIGHT))
    nbformat.write(notebook(released, RIGHT), sub / "file_tiny.ipynb")
    (sub / "empty.ipynb").write_bytes(b"")
    (sub / "corrupt.ipynb").write_text(released[:700])
    (sub / "nested.ipynb").write_text("[" * 10**6)
    (sub / "binary.ipynb").write_bytes(bytes(range(256)) * 9)
    (sub / "no-cells.ipynb").write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}')
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), sub / "another.ipynb")
    (sub / "nothing").mkdir()
    (sub / "link").symlink_to(sub / "a-right")
    (sub / "inner-link").mkdir()
    (sub / "inner-link" / "tiny.ipynb").symlink_to(sub / "a-right" / "tiny.ipynb")
    hand_in("z-right", notebook(released, RIGHT))
    run = grader(*GRADE, sub, out, "--masters", masters, *LIMITS, run=in_a_process, COURSE_SECRET="do not tell")
    server.close()
    return sub, out, visitors, run


DESERVED = {
    "hidden-double": ("ok", ONLY_TOTAL), "hidden-total": ("ok", {"double": 2, "total": 0}),
    "a-right": ("ok", FULL), "z-right": ("ok", FULL), "untouched": ("ok", NONE), "half": ("ok", ONLY_TOTAL),
    "left-running": ("ok", FULL), "output": ("failed", None), "files": ("ok", FULL), "memory": ("failed", None), "herd": ("ok", FULL),
    "sys-exit": ("ok", FULL), "os-exit": ("failed", None),
    "deleted": ("ok", ONLY_TOTAL), "edited": ("ok", ONLY_TOTAL), "stripped": ("ok", ONLY_TOTAL),
    "patched": ("flagged", NONE), "sly": ("flagged", ONLY_TOTAL), "transformer": ("flagged", NONE),
    "gossip": ("ok", ONLY_TOTAL), "forged": ("flagged", NONE), "absent": ("flagged", {"double": 2, "total": 0}), "memfd": ("failed", None),
    "spaces": ("ok", FULL), "magics": ("ok", FULL), "second-thoughts": ("ok", FULL), "forgetful": ("ok", FULL),
    "reader": ("ok", FULL), "writer": ("ok", NONE), "loopback": ("ok", FULL), "script": ("ok", FULL),
    "wrong-name": ("ok", FULL), "O'Brien, José [x]": ("ok", FULL), "file": ("ok", FULL),
    "empty": ("failed", None), "corrupt": ("failed", None), "nested": ("failed", None), "binary": ("failed", None),
    "no-cells": ("failed", None), "another": ("failed", None), "nothing": ("failed", None), "link": ("failed", None),
    "inner-link": ("failed", None),
}


@pytest.mark.parametrize("student", DESERVED)
def test_each_submission_gets_what_it_deserves(batch, student):
    row = read_grades(batch[1])[student]
    assert (row["status"], points(row)) == DESERVED[student], row["note"]
    assert row["status"] in ("ok", "failed") or row["note"]
    if row["status"] == "failed":  # a crash is no 0
        assert row["total"] == "" and row["note"]


def test_the_note_says_what_stopped(batch):
    """The number of the cell in the student's own file."""
    sub, out, *_ = batch
    cells = nbformat.read(sub / "os-exit" / "tiny.ipynb", as_version=4).cells
    guilty = next(i for i, cell in enumerate(cells, 1) if "_exit" in cell.source)
    assert read_grades(out)["os-exit"]["note"].endswith(f"Python ended in cell {guilty}")


def test_what_comes_to_no_end_is_stopped(masters, released, tmp_path):
    """With limits of their own, which are waited for, for those who compute and those who sleep."""
    (tmp_path / "submissions").mkdir()
    for student, nb in (("endless", notebook(released, RIGHT | {"total-answer": "def total(x):\n    while True:\n        pass"})),
                        ("stubborn", notebook(released, RIGHT, first=STUBBORN))):
        nbformat.write(nb, tmp_path / "submissions" / f"{student}_tiny.ipynb")
    grader(*GRADE, tmp_path / "submissions", tmp_path / "out", "--masters", masters, "--cell-seconds", 4, "--seconds", 25)
    grades = read_grades(tmp_path / "out")
    assert [(grades[student]["status"], points(grades[student])) for student in ("endless", "stubborn")] == [
        ("timeout", {"double": 2, "total": 0}), ("timeout", None)]
    assert "stopped after 4 s: the test total" in grades["endless"]["note"] and "stopped after 25 s" in grades["stubborn"]["note"]


def test_nobody_is_lost_or_added(batch):
    assert set(read_grades(batch[1])) == set(DESERVED)


def test_a_written_answer_waits_for_its_mark(batch):
    grades = read_grades(batch[1])
    assert (grades["a-right"]["pending"], grades["a-right"]["tiny:why"], grades["a-right"]["max"]) == ("1", "", "6")
    assert (grades["stripped"]["pending"], grades["stripped"]["tiny:why"]) == ("1", "")
    assert (grades["untouched"]["pending"], grades["untouched"]["tiny:why"]) == ("0", "0")


def test_no_process_is_left_running(batch):
    assert not [p for p in psutil.process_iter(["cmdline"]) if "98765" in (p.info["cmdline"] or [])]


def test_nothing_outside_was_reached(batch):
    sub, out, visitors, _ = batch
    assert not visitors
    for student, sign in (("reader", "FOUND [] []"), ("writer", None), ("loopback", "no way")):
        text = "".join(o.get("text", "") for c in kept(out, student).cells for o in c.get("outputs", []))
        assert "WROTE" not in text and "CONNECTED" not in text
        assert sign is None or sign in text, text
    assert nbformat.read(sub / "a-right" / "tiny.ipynb", as_version=4).cells


def printed(text):
    """What a cell prints in the sandbox."""
    why, data = sandbox.run({"what": "execute", "cells": [text]}, sandbox.Limits(memory=2**30))
    assert why is None
    return "".join(output.get("text", "") for output in json.loads(data)["cells"][0]["outputs"])


@pytest.mark.parametrize("user", [0, 1234], ids=["root", "ordinary"])
def test_the_sandbox_has_no_namespaces_and_no_reach_to_its_parent(monkeypatch, user):
    """For an ordinary user bubblewrap makes a namespace of users, in which all processes are the same user's."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    text = printed(SPACES)
    assert text.startswith("unshare -1 True") and text.count("no way PermissionError") == 4 and "REACHED" not in text, text


def test_a_grader_that_is_killed_leaves_nothing_running():
    """Not interrupted, killed: what runs in a sandbox ends with it, whichever user it is."""
    marker = f"{time.time_ns()}"
    job = {"what": "execute", "cells": [f"import subprocess\nsubprocess.run(['sleep', '{marker}'])"]}
    grading = subprocess.Popen([sys.executable, "-c", f"from grading import sandbox\nsandbox.run({job}, sandbox.Limits())"], cwd=ROOT)

    def running():
        return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", marker]]

    def wait_for(state, seconds):
        end = time.monotonic() + seconds
        while bool(running()) != state and time.monotonic() < end:
            time.sleep(0.1)
        return bool(running()) == state

    assert wait_for(True, 100)
    grading.kill()
    grading.wait()
    assert wait_for(False, 20)  # a cell may take 60


def test_feedback_shows_the_message_and_no_hidden_test(batch, masters):
    secrets = leaks.markers(MASTER)
    assert len(secrets) >= 5
    pages = list((batch[1] / "feedback").rglob("*.html"))
    assert len(pages) == len(DESERVED)
    for page in pages:
        text = page.read_text()
        assert leaks.leaks(secrets, text) == [], page
        for word in ("zebra_factor", "okapi", "giraffe", "walrus"):
            assert word not in text, page
    told = (batch[1] / "feedback" / "gossip" / "tiny.html").read_text()
    assert told.count("left out: it shows a hidden test") >= 3


@pytest.mark.parametrize("student, question, said", [
    ("half", "double", "twice 1 is 2"), ("hidden-double", "double", "double minus one is one"), ("hidden-total", "total", "0 to 8 are 36"),
    ("untouched", "double", "NotImplementedError"), ("patched", "double", "wrong on other data")])
def test_the_message_of_a_failed_test_arrives(batch, student, question, said):
    """In the table of points, not only in the text of the visible check, which every page quotes."""
    page = BeautifulSoup((batch[1] / "feedback" / student / "tiny.html").read_text(), "html.parser")
    rows = {row.th.text: row for row in page.select("tbody tr")}
    assert said in rows[question].select_one(".message").text
    statistics = (batch[1] / "statistics.html").read_text()
    assert html.escape(re.sub(r"\d+", "#", said)) in statistics


def test_nothing_a_student_wrote_does_anything_in_a_browser(batch, browser):  # noqa: F811
    """Every link is clicked, on the feedback and on the marking page; the pages forbid what they do not hold."""
    pages = [batch[1] / "feedback" / "script" / "tiny.html", batch[1] / "marking" / "tiny--why.html"]
    for path in pages:
        context = browser.new_context()
        page, asked, events = context.new_page(), [], []
        context.route("**/*", lambda route: (asked.append(route.request.url), route.abort())[1] if urlsplit(route.request.url).scheme != "file" else route.continue_())
        page.on("dialog", lambda dialog: (events.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda message: events.append(message.text))
        page.goto(path.as_uri())
        assert "A reason." in page.inner_text("body") and asked == events == []
        for details in page.query_selector_all("details"):
            details.evaluate("node => { node.open = true }")
        assert page.locator("script, iframe, object, embed, form, [onerror], [onclick], [onload]").count() == 0
        links = page.locator("a")
        assert [links.nth(i).get_attribute("href") for i in range(links.count())] == ["https://example.org"]
        for i in range(links.count()):
            links.nth(i).click(no_wait_after=True)
        page.wait_for_timeout(200)
        assert asked == ["https://example.org/"] and not [event for event in events if "javascript" in event.lower() or event.isdigit()], events
        context.close()


def test_the_browser_would_notice(browser, tmp_path):  # noqa: F811
    """A page without the care that is taken does what the hand-in wants, so the test above can fail; the policy alone stops it."""
    from grading import pages

    for policy, seen in (("", ["8"]), (str(pages.TEMPLATES.get_template("style.html.j2").render(colours="")), [])):
        (tmp_path / "page.html").write_text(f"<!doctype html>{policy}<a href='javascript:alert(8)'>here</a><script>alert(8)</script>")
        page, events = browser.new_page(), []
        page.on("dialog", lambda dialog, events=events: (events.append(dialog.message), dialog.dismiss()))
        page.goto((tmp_path / "page.html").as_uri())
        page.click("a")
        page.wait_for_timeout(100)
        assert sorted(set(events)) == seen
        page.close()


@pytest.mark.parametrize("student", ["script", "half", "magics", "os-exit"])
def test_pages_are_light_accessible_and_fit_a_phone(batch, browser, student):  # noqa: F811
    paths = [batch[1] / "feedback" / student / "tiny.html"] + [batch[1] / "marking" / "tiny--why.html", batch[1] / "statistics.html"] * (student == "half")
    for path in paths:
        assert path.stat().st_size <= 300_000
        context = browser.new_context(viewport={"width": 360, "height": 740})
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()
        context = browser.new_context(bypass_csp=True)  # axe is a script
        page = context.new_page()
        page.goto(path.as_uri())
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        context.close()


def test_figures_are_on_the_pages(batch):
    page = (batch[1] / "feedback" / "magics" / "tiny.html").read_text()
    assert "data:image/svg+xml;base64," in page


def test_the_files_for_canvas_and_moodle_hold_final_grades_only(batch):
    for name, column in (("canvas.csv", "SIS Login ID"), ("moodle.csv", "username")):
        with (batch[1] / name).open(newline="") as file:
            rows = {row[column]: row["tiny"] for row in csv.DictReader(file)}
        assert rows["untouched"] == "0"
        assert rows["a-right"] == rows["os-exit"] == rows["patched"] == ""


def test_a_second_run_runs_nothing_again(batch, masters):
    sub, out, *_ = batch
    before = (out / "grades.csv").read_text()
    states = {p: p.stat().st_mtime_ns for p in (out / "state").glob("*.json")}
    grader(*GRADE, sub, out, "--masters", masters, *LIMITS, run=in_a_process)
    assert (out / "grades.csv").read_text() == before
    assert states == {p: p.stat().st_mtime_ns for p in (out / "state").glob("*.json")}


def mark_by_hand(out, student, points, comment, question="why"):
    """As a teacher does it in a spreadsheet."""
    with (out / "marks.csv").open(newline="", encoding="utf-8-sig") as file:
        separator = ";" if ";" in file.readline() else ","
        file.seek(0)
        rows = list(csv.DictReader(file, delimiter=separator))
    mine = [row for row in rows if (row["student"], row["question"]) == (student, question)]
    if not mine:
        mine = [dict.fromkeys(rows[0], "") | {"student": student, "assignment": "tiny", "question": question}]
        rows += mine
    mine[0] |= {"points": points, "comment": comment}
    with (out / "marks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_a_mark_given_by_hand_arrives_everywhere(batch, masters, tmp_path):
    sub, out, *_ = batch
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    page = copy / "feedback" / "a-right" / "tiny.html"
    assert page.read_text().count("not marked yet") == 1
    mark_by_hand(copy, "a-right", "0,5", "half <b>of</b> it")
    mark_by_hand(copy, "half", "1", "the idea was right", question="double")  # a person may overrule a test
    (copy / "decisions.csv").write_text("student,assignment,status\nsly,tiny,ok\nforged,tiny,ok\nos-exit,tiny,ok\n")
    grader(*GRADE, sub, copy, "--masters", masters, *LIMITS)
    rows = read_grades(copy)
    assert (rows["a-right"]["tiny:why"], rows["a-right"]["total"], rows["a-right"]["pending"]) == ("0.5", "5.5", "0")
    assert "half &lt;b&gt;of&lt;/b&gt; it" in page.read_text() and "not marked yet" not in page.read_text()
    assert (rows["half"]["tiny:double"], rows["half"]["total"]) == ("1", "4")
    assert rows["sly"]["status"] == rows["forged"]["status"] == "ok" and points(rows["forged"]) == FULL  # the teacher has decided
    assert rows["os-exit"]["status"] == "failed" and "no points that decisions.csv could accept" in rows["os-exit"]["note"]
    with (copy / "moodle.csv").open(newline="") as file:
        assert {r["username"]: r["tiny"] for r in csv.DictReader(file)}["a-right"] == "5.5"


def test_a_mark_by_hand_stays_as_long_as_its_answer(masters, released, tmp_path):
    sub, out = tmp_path / "submissions", tmp_path / "out"
    sub.mkdir()
    for student in ("same", "new-code", "new-words"):
        nbformat.write(notebook(released, RIGHT | {"why": "Because."}), sub / f"{student}_tiny.ipynb")
    grader(*GRADE, sub, out, "--masters", masters)
    for student in ("same", "new-code", "new-words"):
        mark_by_hand(out, student, "0.5", "half of it")
    nbformat.write(notebook(released, ONE_WRONG | {"why": "Because."}), sub / "new-code_tiny.ipynb")
    nbformat.write(notebook(released, RIGHT | {"why": "A second thought."}), sub / "new-words_tiny.ipynb")
    for _ in range(2):
        grader(*GRADE, sub, out, "--masters", masters)
        got = {student: (row["tiny:why"], row["pending"], row["total"]) for student, row in read_grades(out).items()}
        assert got == {"same": ("0.5", "0", "5.5"), "new-code": ("0.5", "0", "3.5"), "new-words": ("", "1", "5")}
    assert "0.5" in (out / "marks.csv").read_text(encoding="utf-8-sig").split("new-words")[0].splitlines()[-1]  # what it was is told
    mark_by_hand(out, "same", "many", "")
    refused = grader(*GRADE, sub, out, "--masters", masters, check=False)
    assert refused.returncode and "points must be a number, 0 or more; got 'many' in the row of same, tiny" in refused.stderr


def test_what_a_mark_by_hand_is_for(released):
    first, words = (notebook(released, RIGHT | {"why": text}) for text in ("Because.", "A second thought."))
    code, more = notebook(released, ONE_WRONG | {"why": "Because."}), notebook(released, RIGHT | {"why": "Because."}, last="helper = 1")
    seed = nbformat.from_dict(json.loads(json.dumps(first).replace("STUDENT_SEED = 0", "STUDENT_SEED = 7")))
    changed = [{question for question in ("why", "double") if store.fingerprint(nb, question) != store.fingerprint(first, question)}
               for nb in (first, words, code, more, seed)]
    assert changed == [set(), {"why"}, {"double"}, {"double"}, set()]


def test_late_days_and_one_question_graded_again(masters, released, tmp_path):
    sub, out, mine = tmp_path / "submissions", tmp_path / "out", tmp_path / "masters"
    shutil.copytree(masters, mine)
    sub.mkdir()
    for student in ("ada", "bob"):
        nbformat.write(notebook(released, RIGHT), sub / f"{student}_tiny.ipynb")
    out.mkdir()
    (out / "late.csv").write_text("student;assignment;days\nada;tiny;2\nbob;tiny;3,5\n")
    command = [*GRADE, sub, out, "--masters", mine, "--free-days", 2, "--late-cap", 0.5]
    grader(*command)
    assert {student: row["total"] for student, row in read_grades(out).items()} == {"ada": "5", "bob": "3"}
    assert "4 days late, 2 free days left: at most 50% of the points" in read_grades(out)["bob"]["note"]
    text = (mine / "tiny" / "tiny.md").read_text()
    broken = text.replace('36.0, err_msg', '99.0, err_msg').replace("[2.0, 4.0], err_msg", "[9.0, 9.0], err_msg")
    (mine / "tiny" / "tiny.md").write_text(broken)  # both tests are changed, one is graded again
    grader(*command, "--only", "tiny:total")
    assert points(read_grades(out)["ada"]) == {"double": 2, "total": 0}
    refused = grader(*command, "--only", "tiny:nothing", check=False)
    assert refused.returncode and "--only must name an assignment and a question of it" in refused.stderr


def test_class_list_decisions_and_two_notebooks(masters, released, tmp_path):
    sub, out, decisions = tmp_path / "submissions", tmp_path / "out", tmp_path / "out" / "decisions.csv"
    (sub / "bob").mkdir(parents=True)
    (tmp_path / "class.csv").write_text("student;name\nada;Ada\nbob;Bob\n;\n")
    for name, answers in (("ada_tiny.ipynb", RIGHT), ("eve_tiny.ipynb", RIGHT), ("bob/tiny.ipynb", RIGHT), ("bob/tiny (2).ipynb", WRONG)):
        nbformat.write(notebook(released, answers), sub / name)
    command = [*GRADE, sub, out, "--masters", masters, "--class", tmp_path / "class.csv"]
    run = grader(*command)
    assert "not in the class list: eve" in run.stdout
    rows = [(row["student"], row["status"], row["total"], row["note"]) for row in read_rows(out)]
    assert rows == [
        ("ada", "ok", "5", ""),
        ("bob", "failed", "", "2 notebooks for one assignment: bob/tiny (2).ipynb, bob/tiny.ipynb; delete all but one"),
        ("eve", "flagged", "5", "not in the class list: rename the file or folder, or add the student to the list")]
    for text, message in (("student,assignment,status\neve,tiny,accepted\n", "one of ok, failed, timeout, flagged; got .*accepted"),
                          ("student,status\neve,ok\n", "must have the columns student, assignment and status"),
                          ("student,assignment,status\nçem,tiny,ok\n".encode("latin-1"), "must be text in UTF-8")):
        decisions.write_bytes(text if isinstance(text, bytes) else text.encode())
        refused = grader(*command, check=False)
        assert refused.returncode and re.search(message, refused.stderr), refused.stderr
    decisions.write_text("student;assignment;status\nada;tiny;flagged\neve;tiny;ok\nnobody;tiny;ok\n", encoding="utf-8-sig")
    assert "decisions.csv names what is not in grades.csv: nobody tiny\n" in grader(*command).stdout
    assert {student: row["status"] for student, row in read_grades(out).items()} == {"ada": "flagged", "bob": "failed", "eve": "ok"}


def test_an_interrupted_run_goes_on_where_it_stopped(masters, released, tmp_path):
    sub, out = tmp_path / "submissions", tmp_path / "out"
    sub.mkdir()
    for i in range(4):
        nbformat.write(notebook(released, RIGHT if i % 2 else ONE_WRONG), sub / f"s{i}_tiny.ipynb")
    command = [sys.executable, *GRADE, str(sub), str(out), "--masters", str(masters), *LIMITS]
    # A job in the background ignores Ctrl-C, and with it whatever it starts.
    process = subprocess.Popen(["env", "--default-signal=INT", *command], stderr=subprocess.DEVNULL, cwd=ROOT)
    while not list((out / "state").glob("*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(300) != 0
    finished = {p: p.stat().st_mtime_ns for p in (out / "state").glob("*.json")}
    assert 0 < len(finished) < 4
    grader(*command[1:])
    assert {s: points(r) for s, r in read_grades(out).items()} == {f"s{i}": FULL if i % 2 else ONLY_TOTAL for i in range(4)}
    assert finished.items() <= {p: p.stat().st_mtime_ns for p in (out / "state").glob("*.json")}.items()
    # Handed in again with the same points: the page shows the new answers.
    nbformat.write(notebook(released, RIGHT | {"why": "A second thought."}), sub / "s1_tiny.ipynb")
    grader(*command[1:])
    assert "A second thought." in (out / "feedback" / "s1" / "tiny.html").read_text()
    assert points(read_grades(out)["s1"]) == FULL


def test_no_sandbox_no_grading_unless_told_so(masters, released, tmp_path):
    sub = tmp_path / "submissions"
    sub.mkdir()
    nbformat.write(notebook(released, RIGHT, last="import os; print(os.getpid())"), sub / "one_tiny.ipynb")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "prlimit").symlink_to(shutil.which("prlimit"))
    without = grader(*GRADE, sub, tmp_path / "out", "--masters", masters, check=False, PATH=str(tools))
    assert without.returncode and "bubblewrap is not installed" in without.stderr
    for script in ("#!/bin/sh\nexit 1\n", "#!/bin/sh\nwhile [ \"$1\" != prlimit ]; do shift; done\nexec \"$@\"\n"):
        (tools / "bwrap").write_text(script)
        (tools / "bwrap").chmod(0o755)
        broken = grader(*GRADE, sub, tmp_path / "out", "--masters", masters, check=False, PATH=str(tools))
        assert broken.returncode and "Not grading: bubblewrap does not" in broken.stderr, broken.stderr
    assert not (tmp_path / "out" / "grades.csv").exists()
    told = grader(*GRADE, sub, tmp_path / "out", "--masters", masters, PATH=str(tools), ALLOW_UNSANDBOXED="1")
    assert "WITHOUT a sandbox" in told.stderr
    assert points(read_grades(tmp_path / "out")["one"]) == FULL
    kernel, end = int(kept(tmp_path / "out", "one").cells[-1].outputs[0].text), time.monotonic() + 100
    while psutil.pid_exists(kernel) and time.monotonic() < end:  # nobody waits for it, and no sandbox ends it
        time.sleep(0.1)
    assert not psutil.pid_exists(kernel)


def test_each_student_has_data_of_their_own(masters, tmp_path):
    (tmp_path / "class.csv").write_text("student,name\nada,Ada L\nbob,Bob M\n")
    (tmp_path / "secret").write_text("0123456789abcdef0123\n")
    grader(*RELEASE, tmp_path / "release", "--masters", masters, "--class", tmp_path / "class.csv", "--secret", tmp_path / "secret")
    seeds, sub = {}, tmp_path / "submissions"
    sub.mkdir()
    for student in ("ada", "bob"):
        with zipfile.ZipFile(tmp_path / "release" / student / "tiny.zip") as archive:
            text = archive.read("tiny/tiny.ipynb").decode()
        seeds[student] = re.search(r"STUDENT_SEED = (\d+)", text)[1]
        look = f"assert STUDENT_SEED == {seeds[student]}; print('own data')"
        nbformat.write(notebook(text, RIGHT, last=look), sub / f"{student}_tiny.ipynb")
    assert len(set(seeds.values()) | {"0"}) == 3
    grader(*GRADE, sub, tmp_path / "out", "--masters", masters, "--class", tmp_path / "class.csv", "--secret", tmp_path / "secret")
    for student in seeds:
        assert ">own data\n</pre>" in (tmp_path / "out" / "feedback" / student / "tiny.html").read_text()
        assert points(read_grades(tmp_path / "out")[student]) == FULL


def test_a_release_gives_nothing_away_and_the_same_twice(released, masters, tmp_path):
    assert leaks.leaks(leaks.markers(MASTER), "\n".join(c.source for c in nbformat.reads(released, as_version=4).cells)) == []
    for word in ("zebra", "okapi", "giraffe", "walrus"):
        assert word not in released
    grader(*RELEASE, tmp_path, "--masters", masters)
    with zipfile.ZipFile(tmp_path / "tiny.zip") as archive:
        assert archive.read("tiny/tiny.ipynb").decode() == released


def test_a_leak_would_be_found():
    secrets = leaks.markers(MASTER)
    page = "<pre><span>return</span> sum(okapi <span>for</span> okapi in np.asarray(x).ravel())</pre>"
    assert leaks.leaks(secrets, page)
    assert leaks.leaks(secrets, "Because the walrus of the\n model answer says so.")
    assert not leaks.leaks(secrets, MASTER.split("### BEGIN SOLUTION")[0])
