"""Grade a class of made-up students whose grades are known: `python -m grading.trial OUT` (or `make grade-trial`).

The hand-ins are the model solutions, the untouched notebooks, and the other right ways and seeded mistakes in
`mistakes.py`, each on data of its own, at first one of each kind. The run fails if one grade is not exactly as seeded.

Touches: writes OUT; starts `grade.py`.
"""
import argparse
import csv
import itertools
import math
import subprocess
import sys
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path

import jupytext
import nbformat
from nbgrader.utils import is_grade, is_solution

from grading import course, roster, seeded
from grading.course import grade_id


def variants(master: Path) -> list[tuple[str, str | None, dict[str, int] | None]]:
    """(name, text of the master as changed, points lost) of everything a made-up student can hand in; None: nothing done.

    The mistakes come in turns: one of each question, then the second of each, and so on.
    """
    text = master.read_text(encoding="utf-8")
    mistakes, alternatives = seeded.variants(master)
    made = [("model", text, {}), ("untouched", None, None)]
    made += [(other.name, seeded.change(text, other), {}) for other in alternatives]
    earlier = Counter()
    turns = [(earlier.update(mistake.loses) or max(earlier[question] for question in mistake.loses), mistake) for mistake in mistakes]
    return made + [(mistake.name, seeded.change(text, mistake), mistake.loses) for _, mistake in sorted(turns, key=lambda turn: turn[0])]


def choose(masters: dict[str, Path], count: int) -> list[tuple[str, Path, tuple]]:
    """`count` hand-ins: the assignments in turn until each has had all of its variants, then anew."""
    listed = [[(master, variant) for variant in variants(master)] for master in masters.values()]
    order = [hand_in for turn in itertools.zip_longest(*listed) for hand_in in turn if hand_in]
    return [(f"student{i:03}", *hand_in) for i, hand_in in zip(range(count), itertools.cycle(order))]


def hand_in(folder: Path, assignments: dict[str, course.Assignment], chosen: list, secret: str) -> dict[str, tuple]:
    """Write the hand-ins; return for each student the variant, the assignment and the points that it must get."""
    expected = {}
    for student, master, (name, text, lost) in chosen:
        slug = master.stem
        nb = course.set_seed(deepcopy(assignments[slug].released), course.student_seed(student, secret))
        answers = {} if text is None else {grade_id(c): c.source for c in jupytext.reads(text, fmt="md:myst").cells if is_solution(c)}
        for cell in nb.cells:
            cell.source = answers.get(grade_id(cell), cell.source)
        points = {grade_id(c): c.metadata.nbgrader.points for c in nb.cells if is_grade(c) and not is_solution(c)}
        expected[student] = name, slug, {q: 0 if lost is None else most - lost.get(q, 0) for q, most in points.items()}
        (folder / student).mkdir()
        nbformat.write(nb, folder / student / f"{slug}.ipynb")
    return expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=roster.path, help="folder, made anew")
    parser.add_argument("--count", type=int, default=100, help="hand-ins; all variants there are with 172")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters")
    parser.add_argument("--minutes", type=float, default=math.inf, help="fail if grading takes longer")
    args = parser.parse_args()
    masters = course.masters(args.masters)
    if args.out.exists() and any(args.out.iterdir()):
        parser.error(f"{args.out} must be empty")
    submissions, grades, secret = args.out / "submissions", args.out / "grades", args.out / "secret"
    submissions.mkdir(parents=True)
    secret.write_text("a secret for made-up students\n")
    expected = hand_in(submissions, course.read_all(args.masters), choose(masters, args.count), roster.read_secret(secret))
    start = time.monotonic()
    command = [sys.executable, "-m", "grading.grade", submissions, grades, "--secret", secret, "--masters", args.masters]
    subprocess.run(command, check=True, cwd=course.HERE.parent)
    minutes = (time.monotonic() - start) / 60
    wrong = 0
    with (grades / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    for student, (name, slug, points) in expected.items():
        row = rows.get(student, {"status": "lost"})
        got = {q: next((value for key, value in row.items() if key.startswith(f"{slug}:{q} (")), None) for q in points}
        if row["status"] != "ok" or got != {q: f"{p:g}" for q, p in points.items()}:
            wrong += 1
            print(f"{student} ({slug}, {name}): {row['status']} {row.get('note', '')}\n  got {got}\n  for {points}")
    print(f"{len(expected) - wrong} of {len(expected)} graded exactly as seeded, in {minutes:.1f} minutes")
    if minutes > args.minutes:
        print(f"{'No grade is wrong, but it' if not wrong else 'It also'} took longer than the {args.minutes:g} minutes allowed with --minutes")
    sys.exit(bool(wrong or minutes > args.minutes))


if __name__ == "__main__":
    main()
