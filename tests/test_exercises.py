"""The exercises that check themselves: verdicts on right answers and on likely mistakes, and no spoiler in a notebook."""

import re
from math import pi, sqrt

import guards
import numpy as np
import pytest
from guards import BOOK

import cosim
from cosim import exercises

# What the solutions of the chapters find, in all forms that a reader may give it.
RIGHT = {
    "the-question-1": [["scores"], "scores", ("Scores",)],
    "the-question-2": [3, 3.0],
    "matrix-factorization-1": ["undefined", "Not defined.", float("nan")],
    "matrix-factorization-2": [[3, 1, 2], np.array([3.0, 1, 2])],
    "two-objectives-1": [0, -0.0],
    "two-objectives-2": [22.6, 22.6315],
    "first-objective-1": [100, np.float32(100)],
    "full-rank-1": [["user-item", "user-user"], ["User–user", "user item"]],
    "full-rank-2": [sqrt(19), 4.36],
    "second-objective-1": [29.588, 29.6],
    "remedies-1": [["project back", "layer normalization", "train for the cosine"]],
    "remedies-2": [0.474],
    "experiment-1": [["predictions", "loss", "ranking"]],
    "experiment-2": [1.0],
    "figure-1-1": ["lower", " Lower"],
    "figure-1-2": [[0, -1]],
    "robustness-1": [2**-20, 1 / 1048576, 9.54e-7],
    "robustness-2": ["paired", "the paired one"],
    "how-arbitrary-1": [sqrt(3), 1.73, 1.732],
    "optimizers-1": [2],
    "towers-1": ["no", "No."],
    "films-1": ["no"],
    "films-2": ["E.T. the Extra-Terrestrial (1982)", "E. T. the Extra Terrestrial", "E.T."],
    "past-one-machine-1": [[]],
    "audit-1": [["neighbours", "effective rank"]],
    "films-which-1": [sqrt(1 + 20 / 3), 2.77],
    "fixing-the-freedom-1": ["whitened", ["Whitened"]],
    "losses-1": ["implicit", "Implicit's"],
}
MISTAKES = [
    ("the-question-1", ["scores", "lengths"], "almost: one of them does not belong there"),
    ("the-question-1", ["scores", "lengths", "distances"], "wrong"),
    ("the-question-2", sqrt(3), "almost: that is an entry"),
    ("the-question-2", 1 / 3, "almost: turn the fraction over"),
    ("the-question-2", -3, "almost: the sign is not right"),
    ("the-question-2", pi, "wrong"),
    ("matrix-factorization-1", 0, "wrong: a cosine of 0 says"),
    ("matrix-factorization-1", "undetermined", "wrong"),
    ("matrix-factorization-2", [4.5, 3.5, 1], "almost: A and B are of two different models"),
    ("matrix-factorization-2", [2, 1], "almost: that is the user's embedding"),
    ("matrix-factorization-2", [1, 2, 3], "almost: these are the numbers, in another order"),
    ("matrix-factorization-2", [3, 1], "wrong"),
    ("two-objectives-1", 3, "wrong: compute the cosine"),
    ("two-objectives-2", 22.6315 / 2, "almost: A and B both count"),
    ("two-objectives-2", 22, "wrong"),
    ("two-objectives-2", 22.5, "almost: right to about two digits"),
    ("first-objective-1", 10_000, "almost: that is λ"),
    ("full-rank-1", ["user-item"], "almost: all of them belong there, and one is missing"),
    ("full-rank-1", [], "wrong: the items are spoiled"),
    ("full-rank-2", 19, "almost: that is the ratio of the squares"),
    ("full-rank-2", -sqrt(19), "almost: it solves it, too"),
    ("second-objective-1", 29.588**2, "almost: objective 1 measures λ in this unit"),
    ("remedies-1", ["project back", "train for the cosine"], "almost: all of them belong there"),
    ("remedies-1", ["standardize", "inverse propensity", "negative sampling"], "almost: those are the ones of the other kind"),
    ("remedies-2", 0.351476, "wrong: that is the cosine of the embeddings"),
    ("remedies-2", 47.4, "almost: as a share of 1, not in percent"),
    ("experiment-1", "AUC", "almost: that is the only one that is not the same"),
    ("experiment-2", 0.902, "almost: that is the AUC at k = 50"),
    ("figure-1-1", "higher", "wrong: how is a negative cosine drawn"),
    ("figure-1-2", [-1, 0], "almost: these are the numbers, in another order"),
    ("robustness-1", 2**-19, "almost: that counts twenty losses as well"),
    ("robustness-2", "independent", "wrong: both methods see the same draws"),
    ("how-arbitrary-1", 3, "almost: that is κ²"),
    ("how-arbitrary-1", 1.7, "almost: right to about two digits"),
    ("optimizers-1", 1, "wrong: which of A and B"),
    ("towers-1", "yes", "wrong: what may lie between"),
    ("films-1", "yes", "wrong: what does a cosine divide"),
    ("films-2", "Jaws", "wrong"),
    ("past-one-machine-1", ["loss"], "almost: one of them does not belong there"),
    ("past-one-machine-1", ["loss", "cosines"], "wrong"),
    ("audit-1", ["effective rank", "neighbours", "predictions"], "almost: one of them does not belong there"),
    ("audit-1", ["zero rows", "predictions"], "wrong"),
    ("films-which-1", 1 + 20 / 3, "almost: that is the factor of the variance"),
    ("films-which-1", 2.8, "almost: right to about two digits"),
    ("fixing-the-freedom-1", ["projected back"], "almost: it would, but it needs the users"),
    ("losses-1", "lightfm", "wrong: look at the penalties"),
]


def said(capsys, exercise, answer):
    cosim.self_check(exercise, answer)
    return capsys.readouterr().out.removesuffix("\n")


@pytest.mark.parametrize("exercise, answer", [(name, answer) for name, answers in RIGHT.items() for answer in answers])
def test_right_answers_are_right(capsys, exercise, answer):
    assert said(capsys, exercise, answer) == "right"


@pytest.mark.parametrize("exercise, answer, verdict", MISTAKES)
def test_mistakes_are_told_apart(capsys, exercise, answer, verdict):
    found = said(capsys, exercise, answer)
    assert found.startswith(verdict) and (verdict != "wrong" or found == "wrong")


@pytest.mark.parametrize("exercise", RIGHT)
@pytest.mark.parametrize("answer", [..., [..., 1]])
def test_no_answer_is_no_mistake(capsys, exercise, answer):
    assert said(capsys, exercise, answer) == "not answered yet"


@pytest.mark.parametrize("exercise, answer, message", [
    ("full-rank-9", 1, "exercise must be chapter and number of one that can be checked, like 'full-rank-2'; got 'full-rank-9'"),
    ("full-rank-2", "a lot", "answer must be made of numbers; got 'a lot'"),
    ("full-rank-2", [1, 2], r"answer must be one number; got shape \(2,\)"),
    ("full-rank-2", float("inf"), "answer must be finite; got inf"),
    ("full-rank-2", 1j, "answer must be made of real numbers; got dtype complex128"),
    ("figure-1-2", 1, r"answer must be a list of numbers; got shape \(\)"),
    ("towers-1", ["no"], r"answer must be a text, in quotes; got \['no'\]"),
    ("full-rank-1", 2, "answer must be a list of texts; got 2"),
    ("full-rank-1", ["items"], "answer must be made of 'user-item', 'user-user'; got 'items'")])
def test_what_is_no_answer_is_an_error(exercise, answer, message):
    with pytest.raises(ValueError, match=message):
        cosim.self_check(exercise, answer)


def test_every_sentence_says_almost_or_wrong():
    for asked in exercises._exercises().values():
        assert all(re.match("almost: |wrong: ", hint) for hint in asked.get("hints", {}).values())
        assert not set(asked["right"]) & asked.get("hints", {}).keys()


# --- in the notebooks ---------------------------------------------------------------------------

CALL = re.compile(r'self_check\("([\w-]+)", (.+)\)$', re.MULTILINE)
CHAPTERS = {name: nb for name, nb in guards.notebooks(BOOK).items()
            if any(re.search("^### Exercise", cell.source, re.MULTILINE) for cell in nb.cells)}


def self_check_problems(chapter, nb):
    """Every check stands open in a cell with no answer, and again, with the right one, in the solution of its exercise."""
    asked, solved, exercise = {}, {}, None
    for cell in nb.cells:
        titles = re.findall(r"^### (?:Exercise|Solution) (\d)", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
        exercise = titles[-1] if titles else exercise
        for name, answer in CALL.findall(cell.source) if cell.cell_type == "code" else ():
            solution = "solution" in cell.metadata.get("tags", [])
            (solved if solution else asked)[name] = list(guards.texts(cell))
            if name != f"{chapter}-{exercise}":
                yield f"{name} stands under exercise {exercise}"
            if not solution and cell.source != f'answer = ...\n{cell.source.splitlines()[-1]}' or not solution and answer != "answer":
                yield f"{name}: the reader's cell must be empty but for its question"
    yield from (f"{name}: is not asked" for name in solved.keys() - asked.keys())
    yield from (f"{name}: prints {shown}" for name, shown in asked.items() if shown != ["not answered yet\n"])
    yield from (f"{name}: its solution is not called right" for name in asked
                if not any(re.search(r"^right$", text, re.MULTILINE) for text in solved.get(name, [])))
    if not {f"{chapter}-1", f"{chapter}-2"} & asked.keys():
        yield "neither exercise 1 nor exercise 2 can be checked"


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_checks_its_exercises(name):
    guards.assert_none(self_check_problems(name.removesuffix(".ipynb"), CHAPTERS[name]))


def test_every_check_is_asked_somewhere():
    asked = {name for nb in CHAPTERS.values() for _, cell in guards.cells(nb, "code") for name, _ in CALL.findall(cell.source)}
    assert asked == exercises._exercises().keys() == RIGHT.keys()


def change(nb, tag, **fields):
    """The first cell with a check, of the reader or of a solution, gets other fields."""
    next(cell for _, cell in guards.cells(nb, "code") if CALL.search(cell.source)
         and ("solution" in cell.metadata.get("tags", [])) == (tag == "solution")).update(fields)


@pytest.mark.parametrize("tag, fields", [
    ("reader", {"source": 'answer = 4.36\ncosim.self_check("full-rank-1", answer)'}),
    ("reader", {"source": 'answer = ...  # two\ncosim.self_check("full-rank-1", answer)'}),
    ("reader", {"source": 'answer = ...\ncosim.self_check("full-rank-2", answer)'}),
    ("reader", {"source": "1"}), ("reader", {"outputs": []}), ("solution", {"outputs": []}), ("solution", {"source": "1"})])
def test_what_a_notebook_must_not_show_is_seen(tag, fields):
    nb = guards.read(BOOK / "full-rank.ipynb")
    assert list(self_check_problems("full-rank", nb)) == []
    change(nb, tag, **fields)
    assert list(self_check_problems("full-rank", nb))
