"""The real assignments through the grader: their zips and pages give nothing away, and what is stolen earns nothing."""

import ast
import json
import re
import zipfile
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pytest
from test_grading import GRADE, RELEASE, ROOT, TRIAL, grader, in_a_process, read_grades, read_rows
from test_site import browser  # noqa: F401

from grading import course, leaks, outside, sandbox


@pytest.fixture(scope="session")
def handed_out(tmp_path_factory):
    """The student notebooks of the real assignments, as they are in their zips."""
    out = tmp_path_factory.mktemp("handed-out")
    grader(*RELEASE, out, run=in_a_process)
    notebooks = {}
    for path in out.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert sorted(archive.namelist()) == [f"{path.stem}/{name}" for name in (f"{path.stem}.ipynb", "README.txt", "requirements.txt")]
            notebooks[path.stem] = archive.read(f"{path.stem}/{path.stem}.ipynb").decode()
    return notebooks


def test_the_real_zips_give_nothing_away(handed_out):
    masters = course.masters()
    assert set(handed_out) == set(masters) and len(masters) == 7
    for slug, text in handed_out.items():
        nb = nbformat.reads(text, as_version=4)
        assert leaks.leaks(leaks.markers(masters[slug].read_text(encoding="utf-8")), "\n".join(cell.source for cell in nb.cells)) == []
        assert not any(cell.get("outputs") or cell.get("attachments") for cell in nb.cells)


def test_the_trial_tells_slow_from_wrong(tmp_path):
    slow = grader(*TRIAL, tmp_path, "--count", 0, "--minutes", 0, check=False)
    assert slow.returncode and "No grade is wrong, but it took longer than the 0 minutes allowed" in slow.stdout


def open_offline(browser, path):  # noqa: F811
    """What a feedback page asks for from elsewhere, its formulas, and what is left of TeX in its text."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    external = []
    page.on("request", lambda request: urlsplit(request.url).scheme in ("data", "blob") or external.append(request.url))
    page.goto(path.as_uri())
    formulas, wrong = (page.locator(what).count() for what in ("math", "merror, mtext:has(*)"))
    raw = page.evaluate("""() => [...document.querySelectorAll("pre, math, style, code")].forEach(part => part.remove())
                           || document.body.innerText.match(/[$][^$]+[$]/g) || []""")
    context.close()
    return external, formulas, wrong, raw


def test_the_real_assignments_through_the_grader(browser, tmp_path):  # noqa: F811
    """Of each the model solution and the untouched notebook; `make grade-trial` sends 100, mistakes and other right ways too."""

    found = course.masters()
    assert len(found) == 7
    run = grader(*TRIAL, tmp_path, "--count", 2 * len(found), check=False, run=in_a_process)
    assert run.returncode == 0, run.stdout + run.stderr
    for i, row in enumerate(sorted(read_grades(tmp_path / "grades").values(), key=lambda row: row["student"])):
        master = found[row["assignment"]].read_text(encoding="utf-8")
        secrets = leaks.markers(master)
        if i < len(found):  # the model solution is the student's own answer there; the hidden tests are not
            own = leaks.squeeze("".join(re.findall(r"### BEGIN SOLUTION(.*?)### END SOLUTION", master, re.DOTALL)))
            secrets = [secret for secret in secrets if secret not in own]
        assert len(secrets) > 10
        assert row["pending"] == "0" or i < len(found)
        page = tmp_path / "grades" / "feedback" / row["student"] / f"{row['assignment']}.html"
        assert leaks.leaks(secrets, page.read_text(encoding="utf-8")) == []
        assert page.stat().st_size <= 300_000
        assert i >= len(found) or "data:image/png" in page.read_text(encoding="utf-8")  # figures, 2 of them marked by hand
        external, formulas, wrong, raw = open_offline(browser, page)
        assert external == [page.as_uri()] and formulas > 10 and not wrong and not raw, (external, formulas, wrong, raw)


THIEF = '''
import gc, json, os, sys, types
import numpy as np

found = []

def see(text, where):  # shifted by one, so that the search does not find what it searches for
    moved = text.translate(bytes(range(1, 256)) + b"\\0")
    found.extend(f"{where}: marker {i}" for i, marker in enumerate(MARKERS) if bytes(marker) in moved)

def look():
    frame, codes = sys._getframe(), []
    while frame:
        codes += [frame.f_code, *frame.f_globals.values(), *frame.f_locals.values()]
        frame = frame.f_back
    codes += [thing for space in map(vars, list(sys.modules.values())) for thing in space.values()]
    codes += gc.get_objects()
    codes = [thing.__code__ if isinstance(thing, types.FunctionType) else thing for thing in codes]
    seen, codes = set(), [thing for thing in codes if isinstance(thing, types.CodeType)]
    while codes:
        code = codes.pop()
        if code not in seen and not code.co_filename.startswith((sys.prefix, sys.base_prefix, "/usr", "<frozen")):
            seen.add(code)
            codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
            if code.co_name in NAMES:
                found.append(f"code: {code.co_filename} {code.co_name}")
    for line in open("/proc/self/maps"):
        place, kind, *_ = line.split()
        start, end = (int(part, 16) for part in place.split("-"))
        if kind.startswith("rw") and "[v" not in line:
            with open("/proc/self/mem", "rb", 0) as memory:
                memory.seek(start)
                see(memory.read(end - start), "memory")
    skip = ("/usr", "/lib", "/dev", "/sys", "/tmp/fonts", sys.prefix, sys.base_prefix)
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if not os.path.join(folder, name).startswith(skip)]
        for name in files:
            if folder.startswith("/proc") and name not in ("cmdline", "environ"):
                continue
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    see(file.read(2**20), os.path.join(folder, name))
            except OSError:
                pass

def thief(*_):
    if not found:
        look()
        found.append("nothing more")
    return np.frombuffer(json.dumps(found).encode().ljust(SIZE), dtype=np.uint8)  # another shape is not let out

globals().update(dict.fromkeys(CALLED, thief))
'''


STEAL = """
import gc, sys, types

known = dict(globals())  # a hidden test that was moved to the front and failed has left its stand-ins behind

def steal(name, *arguments):
    for kept in ("marked_" + name, name):
        if kept in known:
            return known[kept](*arguments)
    things, frame = gc.get_objects(), sys._getframe()
    while frame:
        things += [*frame.f_globals.values(), *frame.f_locals.values()]
        frame = frame.f_back
    for thing in things:
        if isinstance(thing, types.FunctionType) and thing.__name__ == name and "steal" not in thing.__code__.co_names:
            if not thing.__code__.co_filename.startswith((sys.prefix, sys.base_prefix, "/usr")):
                return thing(*arguments)
    raise LookupError(name)
"""


def test_stolen_functions_earn_nothing(handed_out, tmp_path):
    """The stand-ins of a hidden test can be stolen in the kernel; they are not there when it counts."""
    stolen = {"01-rescaling": (["cosine", "nearest", "rescale", "find_swap"], "swap"),
              "02-closed-form": (["spectrum", "gains", "solve", "loss"], "solve-equation")}
    honest = "def gain_path(sigma, lams):\n    return np.array([gains(sigma, lam) for lam in lams])"
    for slug, (functions, first) in stolen.items():
        nb = nbformat.reads(handed_out[slug], as_version=4)
        for cell in nb.cells:
            name = re.match(r"def (\w+)", cell.source)  # no other cell begins with one
            if name and name[1] in functions:
                cell.source = f"def {name[1]}(*arguments):\n    return steal({name[1]!r}, *arguments)"
            elif name and name[1] == "gain_path":
                cell.source = honest
        moved = next(cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == first)
        nb.cells.remove(moved)
        nb.cells[2:2] = [moved, nbformat.v4.new_code_cell(STEAL)]
        (tmp_path / "submissions" / "thief").mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, tmp_path / "submissions" / "thief" / f"{slug}.ipynb")
    grader(*GRADE, tmp_path / "submissions", tmp_path / "out")
    rows = {row["assignment"]: row for row in read_rows(tmp_path / "out")}
    for slug, earned in ("01-rescaling", {}), ("02-closed-form", {"02-closed-form:path": "2"}):
        row = rows[slug]
        assert "moved cells put in order" in row["note"]
        assert {name: points for name, points in row.items() if name.startswith(slug) and points not in ("", "0")} == earned, row


@pytest.mark.parametrize("slug", course.masters())
def test_the_check_outside_lets_no_answer_in(slug):
    """Student functions that search frames, live objects, memory and files of the process they are called in."""
    path = ROOT / "assignments" / slug / "verify.py"
    verify = outside.load(path)
    size = 50_000
    calls = {name: call._replace(part=None, shape=(size,)) for name, call in verify.calls(*verify.inputs(np.random.default_rng())).items()}
    names = {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}
    lines = [line.strip().encode() for line in path.read_text(encoding="utf-8").splitlines() if len(line.strip()) > 30]
    markers = [[byte + 1 for byte in line] for line in lines if b"import" not in line]
    known = f"SIZE = {size}\nNAMES = {names}\nMARKERS = {markers}\nCALLED = {[call.function for call in calls.values()]}\n"

    def ask(code):
        got = outside.ask_sandbox([known + THIEF, calls], code, limits=sandbox.Limits(), fonts=None, sandboxed=True)
        assert set(got) == set(calls)
        return set().union(*(json.loads(bytes(array.astype(np.uint8))) for array in got.values()))

    assert len(names) >= 5 and len(markers) > 15
    assert ask("") == {"nothing more"}
    leak = ask(f"kept = {lines[0].decode()!r}\ndef {sorted(names)[0]}():\n    pass")  # the search would find it
    assert any(what.startswith("memory: ") for what in leak) and any(what.startswith("code: ") for what in leak)


def test_the_built_site_and_the_chapters_give_nothing_away():
    """No text of a solution or of a hidden test of any real master, in any file that is published."""
    secrets = [m for path in course.masters().values() for m in leaks.markers(path.read_text(encoding="utf-8"))]
    assert secrets
    site = ROOT / "_build" / "html"
    assert site.is_dir(), "run make book first"
    readable = [p for folder in (site, ROOT / "book") for p in folder.rglob("*")
                if p.suffix in (".html", ".ipynb", ".md", ".txt", ".js", ".json") and "_static" not in p.parts]
    assert len(readable) > 20
    for path in readable:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
        found = leaks.leaks(secrets, text)
        assert not found, f"{path} shows {found[0][:80]}"
