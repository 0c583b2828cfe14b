"""The notebooks of the book, the guards that keep nbval honest, and the guards on wrong notebooks."""

import re
import subprocess
import sys

import guards
import pytest
from guards import BOOK, ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

GUARDS = [guards.is_fresh, guards.has_text_outputs, guards.skips_nothing, guards.runs_clean,
          guards.ends_no_cell_with_a_semicolon, guards.has_no_machine_noise, guards.describes_figures,
          guards.has_short_cells, guards.explains_every_cell, guards.prints_no_booleans,
          guards.has_no_directives, guards.solves_exercises, guards.anchors_numbers,
          guards.prints_no_wide_table, guards.prints_nothing_between_displays]
NOTEBOOKS = [path.name for path in sorted(BOOK.glob("*.ipynb"))]
PAGES = [path.name for path in sorted(BOOK.glob("*.md"))]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SANITIZER = ROOT / "tests" / "nbval-sanitize.cfg"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook(name, guard):
    guards.assert_none(guards.problems(guard, name, guards.read(BOOK / name)))


@pytest.mark.parametrize("name", PAGES)
def test_page_states_no_results_of_its_own(name):
    text = (BOOK / name).read_text(encoding="utf-8")
    guards.assert_none(guards.page_problems(name, text, guards.notebooks()))


def test_toc_is_the_files_in_book():
    guards.assert_none(guards.toc_problems(ROOT))


def test_sanitizer_leaves_numbers_alone():
    guards.assert_none(guards.sanitizer_problems(SANITIZER.read_text(encoding="utf-8")))


# --- the guards themselves --------------------------------------------------------------------

ABOUT = "> **About this chapter.** **Time:** 45 minutes,\n>\n> 99.9 %.\n\n"
TITLES = ["1. Recall", "2. Code", "3. Break the claim", "4. Open"]
SOLUTION = "### Solution {}\n\n<details>\n<summary>Open the solution</summary>\n\nSo:\n\n</details>"
FOLDED = {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "tags": ["solution"]}


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def picture():
    return new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 64x36 with 1 Axes>"})


def good():
    """The smallest chapter that satisfies every guard."""
    figure = {"figure": {"name": "fig-a"}, "image": {"alt": "A line."}}
    cells = [new_markdown_cell(ABOUT + "In Eq. 5 and Sections 2.1 and 2.2 (2024), .25 comes out."),
             new_code_cell("print(0.25)", outputs=[printed("0.25\n")]),
             new_markdown_cell("See it."),
             new_code_cell("ax.plot(x)", outputs=[picture()], metadata={"mystnb": figure}),
             new_markdown_cell("**How to read the figure.** Up is .25.\n\nUp it goes."),
             new_markdown_cell("\n\n".join(f"### Exercise {title}\n\nWhy?" for title in TITLES))]
    for name in TITLES:
        cells += [new_markdown_cell(SOLUTION.format(name)),
                  new_code_cell(f'claims.check("{name}", 1, 1)', outputs=[printed(f"{name} holds\n")], metadata=FOLDED)]
    nb = new_notebook(cells=cells, metadata=KERNEL)
    for count, (_, cell) in enumerate(guards.cells(nb, "code"), 1):
        cell.execution_count = count
    return nb


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_guard_passes_a_good_notebook(guard):
    assert guards.problems(guard, "good.ipynb", good()) == []


def edit(i, **fields):
    return lambda nb: nb.cells[i].update(fields)


def output(*outputs):
    return edit(1, outputs=list(outputs))


def strip_outputs(nb):
    for _, cell in guards.cells(nb, "code"):
        cell.outputs = []


def only_pictures(nb):
    for _, cell in guards.cells(nb, "code"):
        cell.outputs = [picture()]


def solutions_first(nb):
    nb.cells.append(nb.cells.pop(5))


WRONG = {
    "never run": (guards.is_fresh, edit(1, execution_count=None)),
    "run out of order": (guards.is_fresh, edit(1, execution_count=2)),
    "stripped outputs": (guards.has_text_outputs, strip_outputs),
    "only pictures, which nbval ignores": (guards.has_text_outputs, only_pictures),
    "error": (guards.runs_clean, output(new_output("error", ename="ValueError"))),
    "warning": (guards.runs_clean, output(printed("a warning", name="stderr"))),
    "wide table": (guards.prints_no_wide_table, output(printed(f"{'a':>30}  {'b':>30}  {'c':>30}\n" * 2))),
    "titles between tables": (guards.prints_nothing_between_displays, edit(1, outputs=[printed("a\n"), picture(), printed("b\n")])),
    "semicolon": (guards.ends_no_cell_with_a_semicolon, edit(1, source="x;\n")),
    "path": (guards.has_no_machine_noise, output(printed("saved to /home/me/x.png"))),
    "timing": (guards.has_no_machine_noise, edit(1, metadata={"execution": {"iopub.status.idle": "2026"}})),
    "editor": (guards.has_no_machine_noise, lambda nb: nb.metadata.update(language_info={"version": "3.11"})),
    "figure without caption": (guards.describes_figures, edit(4, source="Up it goes.")),
    "figure at the end": (guards.describes_figures, lambda nb: nb.cells.__delitem__(slice(4, None))),
    "figure without alt text": (guards.describes_figures, edit(3, metadata={"mystnb": {"figure": {"name": "fig-a"}}})),
    "figure without name": (guards.describes_figures, edit(3, metadata={"mystnb": {"image": {"alt": "A line."}}})),
    "caption that only the site shows": (guards.describes_figures, lambda nb: (
        nb.cells[3].metadata.mystnb.figure.update(caption="Up is .25."))),
    "two figures in one cell": (guards.describes_figures, edit(3, outputs=[picture(), picture()])),
    "long cell": (guards.has_short_cells, edit(1, source="x = 1\n" * 16)),
    "wide line": (guards.has_short_cells, edit(1, source="x = 1" + " + 1" * 21)),
    "long median": (guards.has_short_cells,
                    lambda nb: [c.update(source="x\n" * 6) for _, c in guards.cells(nb, "code")]),
    "code after code": (guards.explains_every_cell, lambda nb: nb.cells.insert(1, new_code_cell("x"))),
    "boolean": (guards.prints_no_booleans, output(printed("np.True_\n"))),
    "array of booleans": (guards.prints_no_booleans, output(printed("[ True False]\n"))),
    "directive": (guards.has_no_directives, edit(2, source=":::{note}\nSee it.\n:::")),
    "role": (guards.has_no_directives, edit(2, source="See {ref}`it`.")),
    "exercise without solution": (guards.solves_exercises, lambda nb: nb.cells.__delitem__(slice(-2, None))),
    "solution without exercise": (guards.solves_exercises, edit(5, source="### Exercise 1. Recall")),
    "solution of another exercise": (guards.solves_exercises, edit(6, source=SOLUTION.format("1. Call"))),
    "solution before the exercise": (guards.solves_exercises, solutions_first),
    "solution in the open": (guards.solves_exercises, edit(6, source="### Solution 1. Recall\n\nSo:")),
    "solution with an open end": (guards.solves_exercises, edit(6, source=SOLUTION.format("1. Recall") + "\n\nAnd so on.")),
    "code of a solution in the open": (guards.solves_exercises, edit(7, metadata={"tags": ["solution"]})),
    "solution only prints": (guards.solves_exercises, edit(7, source="print(1)")),
    "solution without code": (guards.solves_exercises, lambda nb: nb.cells.pop(7)),
    "two solutions of one exercise": (guards.solves_exercises, lambda nb: nb.cells.extend(nb.cells[6:8])),
    "three exercises": (guards.solves_exercises, lambda nb: (
        edit(5, source=nb.cells[5].source.partition("### Exercise 4")[0])(nb), nb.cells.__delitem__(slice(-2, None)))),
    "number in an alt text": (guards.anchors_numbers,
                            lambda nb: nb.cells[3].metadata.mystnb.image.update(alt=".26")),
    "number only in a comment": (guards.anchors_numbers, lambda nb: (
        edit(0, source="It is .97.")(nb), edit(1, source="x = 1  # 0.97")(nb))),
    "number only in a script": (guards.anchors_numbers, lambda nb: (edit(0, source="It is .97.")(nb), output(
        new_output("display_data", {"text/html": "<script>0.97</script><img src=\"data:0.97\">"}))(nb))),
    **{f"tag {tag}": (guards.skips_nothing, edit(1, metadata={"tags": [tag]})) for tag in (
        "nbval-skip", "nbval-ignore-output", "nbval-raises-exception", "raises-exception", "skip-execution",
        "remove-output")},
    **{f"comment {comment}": (guards.skips_nothing, edit(1, source=f"# {comment}\nprint(0.25)")) for comment in (
        "NBVAL_SKIP", "NBVAL_IGNORE_OUTPUT", "PYTEST_VALIDATE_IGNORE_OUTPUT")},
}


@pytest.mark.parametrize("guard, spoil", WRONG.values(), ids=WRONG)
def test_guard_sees_what_is_wrong(guard, spoil):
    nb = good()
    spoil(nb)
    found = guards.problems(guard, "bad.ipynb", nb)
    assert found and all(message.startswith("bad.ipynb, cell ") for message in found)


FOUND = {"an AUC of .97": [".97"], "−.19 and -0.35": ["−.19", "-0.35"], "12 % or 12%": ["12 %", "12%"],
         "20,000 × 1,000": ["20,000", "1,000"], "a 300x200 matrix": ["300", "200"], "ranges 10–20, 30-40":
         ["10", "20", "30", "40"], "to 1e-10 and 10⁻⁷": ["1e-10", "1e-7"],
         r"$10^{-10}$, $3 \cdot 10^5$": ["1e-10", "3e5"],
         r"$\lambda = 10{,}000$ and $\approx.5$": ["10000", ".5"], "**0.5**, _.25_": ["0.5", ".25"],
         "Panel 2, 0.034": ["0.034"], "In Section 2.2, 17 of 50": ["17", "50"], "Figure 1: 20,000": ["20,000"],
         "2024 items, 12 % in 2024": ["12 %"],
         SOLUTION.format("1. Is it .5?").replace("So:", "It is .97."): [".5", ".97"],
         "> **A box.** With .6.": [".6"]}
LEFT_ALONE = [
    "three items, k = 2, 1/2", "`0.97`", "```python\nx = 0.97\n```", "```\n0.97\n```", "[text](https://a.org/0.97)",
    "<https://a.org/0.97>", "Eq. 5, Eqs. 1–4, Sections 2.1, 2.2 and 12, Figure 11, Exercise 12",
    "arXiv:2105.12937, [2105.12937](x), doi 10.1145/3589335.3651526, in 2021 (1999)", r"$2^{24}$, $2^6$, $\sigma_{50}$",
    r"$x \tag{12}$", r"$\tfrac12$", "WWW ’24", "float32, L-BFGS, x86, σ_10", ABOUT, "Python 3.11, CC BY 4.0"]


@pytest.mark.parametrize("text, expected", [*FOUND.items(), *((text, []) for text in LEFT_ALONE)])
def test_finds_the_results_in_prose(text, expected):
    assert list(guards.unanchored(text, set())) == expected


@pytest.mark.parametrize("text, ok", [(".25", True), ("0.250", True), ("25 %", True), ("−.25", False), (".2", False),
                                      ("20,000", True), ("1,000", True), ("-3.5", True), ("3.5", True), (".97", False)])
def test_result_must_equal_an_anchor(text, ok):
    code = new_code_cell("n = 20_000", outputs=[printed("[0.25 -3.5] 7x1000")])
    nb = new_notebook(cells=[new_markdown_cell(text), code])
    assert (guards.problems(guards.anchors_numbers, "x.ipynb", nb) == []) == ok


@pytest.mark.parametrize("text, ok", [
    ("It is .25.", False), ("It is 25%.", False), ("It is .25, see [there](good.ipynb#a).", True),
    ("Of 1,000 items.", True), ("- [there](good.ipynb)\n- It is .25.", False),
    ("It is .25.\n\n[There](good.ipynb).", False),
    ("# Is it .25?\n\n[Yes](good.ipynb).", True), ("It is .26, see [there](good.ipynb).", False),
    ("It is .25, see [there](missing.ipynb).", False)])
def test_page_guard(text, ok):
    assert (guards.page_problems("page.md", text, {"good.ipynb": good()}) == []) == ok


@pytest.mark.parametrize("regex", [r"\d+", r"\d+\.\d+", r".*", r"0x[0-9a-f]+", r"\d+ %", r"1e-\d+", r"(?m)^.*holds.*$"])
def test_sanitizer_guard_sees_greed(regex):
    assert guards.sanitizer_problems(f"[x]\nregex: {regex}\nreplace: X\n")


def test_sanitizer_guard_sees_a_regex_that_nbval_drops():
    assert guards.sanitizer_problems("[x]\nregex: a\n\nreplace: b\n")


def test_toc_guard(tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("index.md", "a.ipynb", "orphan.ipynb"):
        (tmp_path / "book" / name).touch()
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n"
        "- caption: P\n  chapters:\n  - file: book/a\n  - file: book/missing\n", encoding="utf-8")
    assert guards.toc_problems(tmp_path) == ["book/missing: in _toc.yml, but not in book/",
                                             "book/orphan: in book/, but not in _toc.yml"]


def test_nbval_fails_on_a_changed_number(tmp_path):
    """With the project's own options, numbers, errors and missing outputs count; addresses do not."""
    cells = {"same": ("print(0.25)", "0.25\n"), "changed": ("print(0.25)", "0.26\n"), "stripped": ("print(0.25)", None),
             "raises": ("1 / 0", None), "address": ("print(object())", "<object object at 0x7f0123456789>\n")}
    nb = new_notebook(metadata=KERNEL)
    for source, saved in cells.values():
        nb.cells.append(new_code_cell(source, execution_count=1, outputs=[printed(saved)] if saved else []))
    path = tmp_path / "small.ipynb"
    path.write_text(guards.nbformat.writes(nb), encoding="utf-8")

    run = subprocess.run([sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".", "-rA", "--tb=no",
                          "-p", "no:cacheprovider", path], cwd=ROOT, capture_output=True, encoding="utf-8")
    verdicts = {name: re.search(rf"(\w+) \S*::Cell {i}\b", run.stdout)[1] for i, name in enumerate(cells)}
    assert verdicts == {"same": "PASSED", "changed": "FAILED", "stripped": "FAILED", "raises": "FAILED",
                        "address": "PASSED"}, run.stdout
