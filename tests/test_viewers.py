"""The chapters where readers run them: JupyterLab and Notebook 7 in a browser, and nbconvert's HTML.

A server of its own serves copies. What is seen of a notebook goes into a dictionary, which `reading_problems` reads.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires
from urllib.error import URLError
from urllib.request import Request, urlopen

import guards
import pytest
from bs4 import BeautifulSoup
from guards import BOOK, ROOT
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_notebooks import FOLDED, KERNEL
from test_site import DESKTOP, browser  # noqa: F401

CHAPTERS = {name: nb for name, nb in guards.notebooks().items() if guards.is_chapter(nb)}
RUN = ["the-question.ipynb", "full-rank.ipynb"]  # run whole in JupyterLab; short ones
WAIT = 120_000  # milliseconds, for a busy machine
SERVER = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.log_level=ERROR"]

SETTINGS = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings", '{"kernelShutdown": true}'  # a notebook's kernel ends with its tab
DEBUGGER = "Could not restore the debugger state"  # JupyterLab's own complaint when it opens a first notebook

# What a reader sees, when every cell is there.
ALL = "n => document.querySelectorAll('.jp-Notebook .jp-Cell').length >= n"
SEE = r"""() => {
  const all = selector => [...document.querySelectorAll('.jp-Notebook ' + selector)];
  const shown = e => e.checkVisibility({contentVisibilityAuto: false});
  const prose = all('.jp-MarkdownOutput').map(e => {
    const copy = e.cloneNode(true);
    copy.querySelectorAll('code, pre, mjx-container').forEach(part => part.remove());
    return copy.textContent;
  });
  return {
    title: all('h1').map(e => e.innerText.replace('¶', '')),
    cells: document.querySelectorAll('.jp-Notebook .jp-Cell').length,
    prose: prose.join('\n'),
    open: all('details[open] summary').map(e => e.innerText),
    code: all('.jp-CodeCell').map(e => ({
      shown: [...e.querySelectorAll('.jp-InputArea-editor, .jp-OutputArea-output')].some(shown),
      folded: Boolean(e.querySelector('.jp-Placeholder'))})),
    badly_typeset: all('mjx-merror').map(e => e.innerText),
    images: all('img').filter(e => !e.naturalWidth && shown(e)).length,
  };
}"""


class Viewer:
    """A Jupyter server and a page of a browser that looks at its notebooks."""

    def __init__(self, browser, folder):  # noqa: F811
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.token = secrets.token_hex()
        private = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR",
                                                         "JUPYTERLAB_WORKSPACES_DIR")}
        path = folder / "JUPYTERLAB_SETTINGS_DIR" / SETTINGS[0]
        path.parent.mkdir(parents=True)
        path.write_text(SETTINGS[1], encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *SERVER, f"--port={self.url.rpartition(':')[2]}",
             f"--ServerApp.root_dir={folder / 'book'}", f"--IdentityProvider.token={self.token}"], env=os.environ | private)
        self.browser, self.folder = browser, folder / "book"

    def wait(self):
        for _ in range(WAIT // 1000):
            try:
                return self.api("")
            except URLError:
                time.sleep(1)
        raise TimeoutError(self.url)

    def api(self, path, method="GET"):
        request = Request(f"{self.url}/api{path}", method=method, headers={"Authorization": f"token {self.token}"})
        with urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def page(self, address):
        """A page of the server, and a list that its problems are put into."""
        page, problems = self.browser.new_page(viewport=DESKTOP), []
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: message.type == "error" and DEBUGGER not in message.text
                and problems.append(f"{message.text} {message.location['url']}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())  # that a notebook is not saved
        page.on("request", lambda request: problems.append(f"external request: {request.url}")
                if not request.url.startswith((self.url, "data:", "blob:")) else None)
        page.goto(f"{self.url}/{address}?token={self.token}")
        return page, problems

    def open(self, name, where="doc/tree"):
        """A page that shows the notebook, and its problems."""
        page, problems = self.page(f"{where}/{name}")
        self.wait_for(page, name)
        return page, problems

    @staticmethod
    def wait_for(page, name):
        page.wait_for_selector(".jp-Notebook .jp-MarkdownOutput h1")
        page.wait_for_function(ALL, arg=len(CHAPTERS[name].cells))  # they come one by one
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")  # its kernel has started

    def close(self, page):
        page.close()
        for session in self.api("/sessions"):
            self.api(f"/sessions/{session['id']}", "DELETE")


@pytest.fixture(scope="module")
def viewer(browser, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(BOOK, folder / "book", ignore=shutil.ignore_patterns("_*", ".*"))
    viewer = Viewer(browser, folder)
    try:
        viewer.wait()
        yield viewer
    finally:
        viewer.process.terminate()
        viewer.process.wait()


@pytest.fixture(scope="module")
def lab(viewer):
    """JupyterLab without a notebook: starting it takes longer than opening a chapter."""
    page, problems = viewer.page("lab")
    page.wait_for_selector(".jp-Launcher")
    return page, problems


def choose(page, menu, item):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def reading_problems(nb, seen, problems):
    """Seen in JupyterLab: `nb` as it should be read."""
    yield from problems
    yield from (f"only the site understands {found.strip()[:40]!r}" for found in guards.DIRECTIVE.findall(seen["prose"]))
    yield from (f"TeX or Markdown left as text: {found!r}"
                for found in re.findall(r".{0,20}(?:\$|\\begin|\*\*|\]\().{0,20}", seen["prose"]))
    yield from (f"badly typeset: {formula}" for formula in seen["badly_typeset"])
    yield from (f"open before it is asked for: {summary}" for summary in seen["open"])
    if seen["images"]:
        yield f"{seen['images']} images are not shown"
    if seen["cells"] != len(nb.cells):
        yield f"{seen['cells']} cells of {len(nb.cells)}"
    code = [cell for _, cell in guards.cells(nb, "code")]
    for cell, look in zip(code, seen["code"]):
        solution = "solution" in cell.metadata.get("tags", [])
        if solution and (look["shown"] or not look["folded"]):
            yield f"the code of a solution stands open: {cell.source[:40]!r}"
        if not solution and not look["shown"]:
            yield f"a cell is not seen: {cell.source[:40]!r}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_in_jupyterlab(viewer, lab, name):
    page, problems = lab
    problems.clear()
    choose(page, "File", "Open from Path…")
    page.fill(".jp-Dialog input", name)
    page.keyboard.press("Enter")
    try:
        viewer.wait_for(page, name)
        seen = page.evaluate(SEE)
        found = list(reading_problems(CHAPTERS[name], seen, problems))
        page.click(".lm-TabBar-tab.jp-mod-current .lm-TabBar-tabCloseIcon")
        page.click(".jp-Dialog .jp-mod-warn")  # not to be saved: the kernel has put its version into the notebook
        page.wait_for_function("!document.querySelector('.jp-Notebook')")
    except BaseException:
        page.goto(f"{viewer.url}/lab?reset")  # the next chapter finds no notebook, whatever happened here
        page.wait_for_selector(".jp-Launcher")
        raise
    assert len(seen["title"]) == 1
    guards.assert_none(found)


def test_link_leads_to_the_other_chapter(viewer):
    page, problems = viewer.open("two-objectives.ipynb")
    page.get_by_role("link", name="the model", exact=True).click()
    page.wait_for_selector(".jp-mod-current >> text=matrix-factorization.ipynb", state="attached")
    viewer.close(page)
    guards.assert_none(problems)


@pytest.mark.parametrize("name", RUN)
def test_chapter_runs_in_jupyterlab(viewer, name):
    """All cells, through the menu; what is saved then is what stands in the repository."""
    page, problems = viewer.open(name)
    choose(page, "Edit", "Clear Outputs of All Cells")
    choose(page, "Run", "Run All Cells")
    path, deadline = viewer.folder / name, time.time() + WAIT / 1000
    while guards.cells(guards.read(path), "code")[-1][1].execution_count is None and time.time() < deadline:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(2000)
    viewer.close(page)
    found = guards.read(path)
    assert [list(guards.texts(cell)) for _, cell in guards.cells(found, "code")] == [
        list(guards.texts(cell)) for _, cell in guards.cells(CHAPTERS[name], "code")]
    guards.assert_none(problems)


def test_chapter_in_notebook_7(viewer):
    page, _ = viewer.open(RUN[0], where="notebooks")  # other extensions of this environment complain in its console
    seen = page.evaluate(SEE)
    viewer.close(page)
    guards.assert_none(reading_problems(CHAPTERS[RUN[0]], seen, []))


# --- nbconvert --------------------------------------------------------------------------------


def export_problems(nb):
    """What nbconvert's HTML shows of a notebook."""
    soup = BeautifulSoup(HTMLExporter().from_notebook_node(nb)[0], "html.parser")
    for pre in soup.select("pre, code, script, style"):
        pre.decompose()
    yield from (f"only the site understands {found.strip()[:40]!r}" for found in guards.DIRECTIVE.findall(soup.get_text()))
    yield from ("a solution stands open" for box in soup.select("details[open]"))
    # Its default template gives no image an alt text, whatever the notebook says: the caption must be there.
    captions = soup.get_text().count(guards.CAPTION.strip("* "))
    figures = len(soup.select(".jp-RenderedImage img"))
    if captions < figures:
        yield f"{figures} figures, but {captions} captions"


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_as_html_by_nbconvert(name):
    guards.assert_none(export_problems(CHAPTERS[name]))


# --- the checks themselves --------------------------------------------------------------------

GOOD_LOOK = {"title": ["A"], "cells": 3, "prose": "A", "open": [], "badly_typeset": [], "images": 0,
             "code": [{"shown": True, "folded": False}, {"shown": False, "folded": True}]}
NOTEBOOK = new_notebook(metadata=KERNEL, cells=[new_markdown_cell("# A"), new_code_cell("1"), new_code_cell("2", metadata=FOLDED)])


@pytest.mark.parametrize("change, ok", [
    ({}, True), ({"prose": ":::{note}"}, False), ({"prose": "See {ref}`x`"}, False), ({"prose": "It is $x"}, False),
    ({"open": ["Open the solution"]}, False), ({"badly_typeset": ["x"]}, False), ({"images": 1}, False), ({"cells": 2}, False),
    ({"code": [{"shown": False, "folded": True}] * 2}, False), ({"code": [{"shown": True, "folded": False}] * 2}, False)])
def test_reading_problems(change, ok):
    assert (list(reading_problems(NOTEBOOK, GOOD_LOOK | change, [])) == []) == ok
    assert list(reading_problems(NOTEBOOK, GOOD_LOOK, ["error in the console"]))


@pytest.mark.parametrize("source, ok", [("A.", True), (":::{note}\nA.\n:::", False), ("<details open>\n\nA.\n\n</details>", False)])
def test_export_problems(source, ok):
    assert (list(export_problems(new_notebook(metadata=KERNEL, cells=[new_markdown_cell(source)]))) == []) == ok


# --- a reader's environment -------------------------------------------------------------------


def installed_with(requirements):
    """Every distribution that a file of requirements brings, in this environment."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    found, queue = set(), [re.split(r"[=<>\[ ;]", line)[0] for line in lines if line[:1].isalpha()] + ["cosim"]
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name not in found:
            found.add(name)
            try:
                needs = requires(name) or []
            except PackageNotFoundError:
                continue
            queue += [re.match(r"[\w.-]+", need)[0] for need in needs if "extra ==" not in need]
    return found


def test_a_reader_gets_nothing_of_the_grader():
    """nbgrader puts buttons into JupyterLab that no reader needs."""
    assert "jupyterlab" in installed_with(ROOT / "requirements.txt")
    assert not {"nbgrader", "notebook", "jupytext"} & installed_with(ROOT / "requirements.txt")
    assert {"nbgrader", "notebook", "jupytext"} <= installed_with(ROOT / "requirements-grading.txt")


def test_every_chapter_was_measured_and_is_small():
    """The table that benchmarks/chapters.py prints, with its bars."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| (\d+) \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == sorted(path.stem for path in BOOK.glob("*.ipynb"))
    guards.assert_none(row for row in rows if int(row[1]) > 700 or float(row[2]) > 3)
