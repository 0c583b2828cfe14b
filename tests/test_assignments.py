"""The assignments: right answers get all points, no answer none, and a mistake costs what it should.

Every variant of a master is run cell by cell in this process, as nbgrader would: a test cell that raises
loses its points. `tests/test_grading.py` sends the same variants through the grader itself.
"""

import re
import sys
import warnings
from functools import cache
from pathlib import Path

import jupytext
import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from grading import asking, measure, outside, seeded

ASSIGNMENTS = Path(__file__).resolve().parent.parent / "assignments"
SLUGS = ["01-rescaling", "02-closed-form", "03-arbitrary", "04-weight-decay", "05-clusters", "06-price", "07-audit"]
POINTS = dict(zip(SLUGS, (12, 20, 16, 18, 24, 15, 17)))
MINUTES = dict(zip(SLUGS, ("45 minutes", "90 minutes", "75 minutes", "90 minutes", "2 hours", "75 minutes", "90 minutes")))
UNSEEN = {"arguments overwritten", "d is not finite"}  # by the check outside: values are right all the same
SEEDS = 12  # each test cell draws several data sets, so that more than 50 stand behind every identity

HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.DOTALL)
matplotlib.use("Agg")


@cache
def read(slug):
    return (ASSIGNMENTS / slug / f"{slug}.md").read_text(encoding="utf-8")


@cache
def variants(slug):
    return seeded.variants(ASSIGNMENTS / slug / f"{slug}.md")


@cache
def verify(slug):
    return outside.load(ASSIGNMENTS / slug / "verify.py")


@cache
def cells_of(text):
    return [(cell, cell.metadata["nbgrader"]) for cell in jupytext.reads(text, "md:myst").cells
            if "nbgrader" in cell.metadata]


def questions(slug, manual=False):
    """grade_id -> points of the questions that are marked by tests, or by hand."""
    return {meta["grade_id"]: meta["points"] for _, meta in cells_of(read(slug))
            if meta["grade"] and meta["solution"] == manual}


def strip(text, solutions=False):
    """The text without hidden tests, or without solutions: what students see, but for nbgrader's wording."""
    if solutions:
        text = seeded.SOLUTION.sub("raise NotImplementedError()", text)
    else:
        text = HIDDEN.sub("", text)
    return text


@cache
def slow_cell():
    """The one answer that takes seconds: where it is as in the master, the same law for all users at once takes its place."""
    return next(cell.source for cell, meta in cells_of(read(measure.SLOW)) if "def simulate(" in cell.source and meta["solution"])


def run(text, seed=0, broken=False, pictures=False, quick=True):
    """Run the code cells; return the points per question, what lost them, and the student's namespace.

    The namespace is that of a second run without the test cells, as the grader makes it for `verify`. Cells that
    only look at the data, and the figures that are marked by hand, run with `pictures`.
    """
    points, messages = {}, {}
    namespaces = {"__name__": "__main__"}, {"__name__": "__main__"}
    for cell, meta in cells_of(text):
        if cell.cell_type != "code":
            continue
        source = measure.FAST.format(law=measure.RIGHT) if quick and cell.source == slow_cell() else cell.source
        source = source.replace("STUDENT_SEED = 0", f"STUDENT_SEED = {seed}")
        code = compile(source, meta["grade_id"], "exec")
        is_test = meta["grade"] and not meta["solution"]
        is_function = meta["solution"] and not meta["grade"] or meta["grade_id"] == "setup"
        if not (is_test or is_function or pictures):
            continue
        for namespace in namespaces if is_function else namespaces[:1]:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", PendingDeprecationWarning)  # of np.matrix
                    if broken:  # in a notebook a warning stops nothing
                        warnings.simplefilter("ignore")
                    exec(code, namespace)
                if is_test:
                    points[meta["grade_id"]] = meta["points"]
            except Exception as problem:
                if not is_test:
                    raise
                points[meta["grade_id"]] = 0
                messages[meta["grade_id"]] = f"{type(problem).__name__}: {problem}"
    plt.close("all")
    return points, messages, namespaces[1]


def ask(namespace, code, calls):
    """What the grader asks of a sandbox, asked of a namespace of this process."""
    kept = dict(namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, namespace)
        arrays = asking.answers(namespace, calls)
    namespace.update(kept)
    return arrays


def faults(slug, namespace, seed, *passed):
    """What the check outside says of the questions whose tests passed; of several such sets, from the same answers."""
    answers = {}

    def once(code, calls):
        if code not in answers:
            answers[code] = ask(namespace, code, calls)
        return answers[code]

    found = [outside.faults(verify(slug), np.random.default_rng(seed), set(names), once) for names in passed]
    return found if len(passed) > 1 else found[0]


@pytest.mark.parametrize("slug", SLUGS)
def test_points_and_minutes_are_as_announced(slug):
    text, auto, manual = read(slug), questions(slug), questions(slug, manual=True)
    assert sum(auto.values()) + sum(manual.values()) == POINTS[slug]
    assert f"**Time:** {MINUTES[slug]}. **Points:** {POINTS[slug]}." in text
    assert manual and (ASSIGNMENTS / slug / "rubric.md").stat().st_size > 1000
    announced = sum(int(row) for row in re.findall(r"^\| \d+ \|.*\| (\d+) \|$", text, re.MULTILINE))
    assert announced == POINTS[slug]


@pytest.mark.parametrize("slug", SLUGS)
def test_the_master_is_well_formed(slug):
    text = read(slug)
    cells = cells_of(text)
    ids = [meta["grade_id"] for _, meta in cells]
    assert len(set(ids)) == len(ids)
    assert text.count("STUDENT_SEED = 0") == 1
    assert len(cells) == len([c for c in jupytext.reads(text, "md:myst").cells if c.metadata.get("nbgrader")])
    for cell, meta in cells:
        if meta["grade"] and not meta["solution"]:  # a test cell: locked, something to see, then hidden tests
            assert meta["locked"] and "### BEGIN HIDDEN TESTS" in cell.source
            assert "assert" in HIDDEN.sub("", cell.source + "\n")
        else:
            assert "HIDDEN TESTS" not in cell.source
        assert ("### BEGIN SOLUTION" in cell.source) == meta["solution"]
        assert cell.source.count("### BEGIN") == cell.source.count("### END")
    code = "\n".join(cell.source for cell, _ in cells if cell.cell_type == "code")
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE))
    assert imported <= {"numpy", "scipy", "matplotlib"}, "students have nothing else"


def test_the_chapters_to_read_first_are_in_the_book():
    """By the titles that they have, and the same in the table for teachers."""
    book = ASSIGNMENTS.parent / "book"
    titles = {}
    for path in book.glob("*.ipynb"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
        titles[re.search(r"^# (.+)$", text, re.MULTILINE)[1]] = path.name
    rows = re.findall(r"^\| \d\. .*$", (book / "teaching.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(SLUGS)
    for slug, row in zip(SLUGS, rows):
        first = re.search(r"\*\*Read first:\*\* the chapters? (.*?) of\s+the\s+book", read(slug), re.DOTALL)[1]
        quoted = [" ".join(title.split()) for title in re.findall(r"\*([^*]+)\*", first)]
        assert quoted and [titles.get(title) for title in quoted] == re.findall(r"\((\S+\.ipynb)\)", row), quoted


def test_no_assignment_gives_away_the_solution_of_another():
    """Later assignments build on earlier ones; what they provide is not what an earlier one asks for."""
    lines = {line.strip() for slug in SLUGS for cell, meta in cells_of(read(slug)) if not meta["grade"]
             for region in seeded.SOLUTION.findall(cell.source) for line in region.splitlines()}
    public = "".join(strip(strip(read(slug)), solutions=True) for slug in SLUGS)
    assert not [line for line in lines if len(line) > 30 and line in public]


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_model_solution_scores_everything(slug, seed):
    points, messages, namespace = run(read(slug), seed, pictures=seed == 0, quick=seed > 1)
    assert not messages
    assert points == questions(slug)
    assert faults(slug, namespace, 1000 + seed, points) == {}


@pytest.mark.parametrize("slug", SLUGS)
def test_the_model_solution_passes_what_students_see(slug):
    points, messages, _ = run(strip(read(slug)))
    assert not messages
    assert points == questions(slug)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_untouched_notebook_scores_nothing(slug):
    points, messages, namespace = run(strip(read(slug), solutions=True), broken=True)
    assert points == dict.fromkeys(questions(slug), 0)
    assert set(messages) == set(questions(slug))
    assert set(faults(slug, namespace, 7, points)) == set(questions(slug))  # as if each test had been fooled


def every(kind):
    return [pytest.param(slug, variant, id=f"{slug}: {variant.name}")
            for slug in SLUGS for variant in variants(slug)[kind]]


@pytest.mark.parametrize("slug, mistake", every(0))
@pytest.mark.parametrize("seed", (0, 41))
def test_a_mistake_loses_its_points_and_no_others(slug, mistake, seed):
    points, messages, namespace = run(seeded.change(read(slug), mistake), seed, broken=True)
    lost = {question: full - points[question] for question, full in questions(slug).items()
            if points[question] < full}
    assert lost == mistake.loses, messages
    for question in lost:
        assert mistake.message in messages[question]
        assert messages[question].startswith("AssertionError: "), "a crash is no help"
    # The outside check never blames a question that was answered rightly.
    blamed, fooled = faults(slug, namespace, 1000 + seed, set(points) - set(lost), points)
    assert blamed == {}
    # And if every test had been fooled, it takes the same points, but for what it cannot see.
    if mistake.name not in UNSEEN:
        assert set(fooled) == set(lost)


@pytest.mark.parametrize("slug", SLUGS)
def test_there_are_enough_mistakes_and_each_question_has_one(slug):
    mistakes, alternatives = variants(slug)
    assert len(mistakes) >= 6 and alternatives
    assert set().union(*(m.loses for m in mistakes)) == set(questions(slug))


@pytest.mark.parametrize("slug, alternative", every(1))
@pytest.mark.parametrize("seed", range(3))
def test_another_right_way_scores_everything(slug, alternative, seed):
    points, messages, namespace = run(seeded.change(read(slug), alternative), seed)
    assert not messages
    assert points == questions(slug)
    assert faults(slug, namespace, 1000 + seed, points) == {}


@pytest.mark.parametrize("slug", SLUGS)
def test_the_outside_check_sees_answers_that_only_fool_the_tests(slug):
    """Numbers that belong to no data, of the right shape or not, and none at all: every question is faulted."""
    inputs = verify(slug).inputs(np.random.default_rng(5))
    calls = verify(slug).calls(*inputs)
    answers = ask(run(read(slug))[2], "", calls)
    assert outside.judge(verify(slug), inputs, calls, answers) == {}
    rng = np.random.default_rng(0)
    wrong = {name: -np.abs(values) - rng.uniform(1, 2, np.shape(values)) for name, values in answers.items()}
    misshapen = {name: values[None] for name, values in answers.items()}
    for bad in (wrong, misshapen, {}):
        assert set(outside.judge(verify(slug), inputs, calls, bad)) == set(questions(slug))


def test_a_mistake_must_be_found_in_the_master():
    master = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION\nx = 1\ny = 2\n"
    assert seeded.plant(master, "x = 1", "x = 3").startswith("### BEGIN SOLUTION\nx = 3\n### END SOLUTION\nx = 1")
    for find, replace in (("y = 2", "y = 3"), ("x", "x"), ("z", "q")):
        with pytest.raises(ValueError):
            seeded.plant(master, find, replace)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_measure_of_the_checks(slug, capsys, monkeypatch):
    """A sample of what `make grade-measure` does with 10,000 seeds; and whatever gets what it should not is counted."""
    mistakes, alternatives = variants(slug)
    monkeypatch.setattr(seeded, "variants", lambda path: (mistakes[:1], alternatives[:1]))
    monkeypatch.setattr(sys, "argv", ["measure", "--only", slug, "--seeds", "3", "--first", "26603"])  # 26604 had no neighbour to swap with
    with warnings.catch_warnings(), pytest.raises(SystemExit) as left:
        measure.main()
    *lines, last = capsys.readouterr().out.splitlines()
    assert left.value.code == 0 and last.startswith("0 seeds ")
    assert lines[0].startswith(f"{slug}, right answer: 0 of 3 seeds lose points")
    assert len(lines) == 3 + len(measure.LAWS) * (slug == measure.SLOW)
    wrong = measure.Trial("wrong", seeded.change(read(slug), mistakes[0]), set(), 1)
    right = measure.Trial("right", read(slug), set(mistakes[0].loses), 1, measure.RIGHT if slug == measure.SLOW else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [measure.try_it(slug, verify(slug), trial, 0) for trial in (wrong, right)] == [1, 1]
