"""Grade a class of made-up students whose grades are known: `python assignments/trial.py OUT` (or `make grade-trial`).

The hand-ins are the model solutions, the untouched notebooks, and every seeded mistake and other right way in
`mistakes.py`, each on data of its own. The run fails if one grade is not exactly as seeded.
"""
import argparse
import csv
import itertools
import math
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import classroom
import jupytext
import nbformat
import seeded
from nbgrader.utils import is_grade, is_solution


def variants(master: Path) -> list[tuple[str, str | None, dict[str, int] | None]]:
    """(name, text of the master as changed, points lost) of everything a made-up student can hand in; None: nothing done."""
    text = master.read_text()
    mistakes, alternatives = seeded.variants(master)
    made = [("model", text, {}), ("untouched", None, None)]
    made += [(mistake.name, seeded.change(text, mistake), mistake.loses) for mistake in mistakes]
    return made + [(other.name, seeded.change(text, other), {}) for other in alternatives]


def choose(masters: dict[str, Path], count: int) -> list[tuple[str, Path, tuple]]:
    """`count` hand-ins: the assignments in turn until each has had all of its variants (they are fewer than 100), then anew."""
    listed = [[(master, variant) for variant in variants(master)] for master in masters.values()]
    order = [hand_in for turn in itertools.zip_longest(*listed) for hand_in in turn if hand_in]
    return [(f"student{i:03}", *hand_in) for i, hand_in in zip(range(count), itertools.cycle(order))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder, made anew")
    parser.add_argument("--count", type=int, default=100, help="hand-ins")
    parser.add_argument("--masters", type=classroom.path, default=classroom.HERE, help="folder with the masters")
    parser.add_argument("--minutes", type=float, default=math.inf, help="fail if grading takes longer")
    args = parser.parse_args()
    masters = classroom.masters(args.masters)
    if args.out.exists() and any(args.out.iterdir()):
        parser.error(f"{args.out} must be empty")
    submissions, grades, secret = args.out / "submissions", args.out / "grades", args.out / "secret"
    submissions.mkdir(parents=True)
    secret.write_text("a secret for made-up students\n")
    expected = {}
    with tempfile.TemporaryDirectory() as course:
        released = {slug: classroom.convert(Path(course), master) for slug, master in masters.items()}
        for student, master, (name, text, lost) in choose(masters, args.count):
            slug = master.stem
            nb = classroom.set_seed(deepcopy(released[slug]), classroom.student_seed(student, classroom.read_secret(secret)))
            answers = {} if text is None else {classroom.grade_id(c): c.source for c in jupytext.reads(text, fmt="md:myst").cells if is_solution(c)}
            for cell in nb.cells:
                cell.source = answers.get(classroom.grade_id(cell), cell.source)
            points = {classroom.grade_id(c): c.metadata.nbgrader.points for c in nb.cells if is_grade(c) and not is_solution(c)}
            expected[student] = name, slug, {q: 0 if lost is None else most - lost.get(q, 0) for q, most in points.items()}
            (submissions / student).mkdir()
            nbformat.write(nb, submissions / student / f"{slug}.ipynb")
    start = time.monotonic()
    command = [sys.executable, classroom.HERE / "grade.py", submissions, grades, "--secret", secret, "--masters", args.masters]
    subprocess.run(command, check=True)
    minutes = (time.monotonic() - start) / 60
    wrong = 0
    with (grades / "grades.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    for student, (name, slug, points) in expected.items():
        row = rows.get(student, {"status": "lost"})
        got = {q: row.get(f"{slug}:{q}") for q in points}
        if row["status"] != "ok" or got != {q: f"{p:g}" for q, p in points.items()}:
            wrong += 1
            print(f"{student} ({slug}, {name}): {row['status']} {row.get('note', '')}\n  got {got}\n  for {points}")
    print(f"{len(expected) - wrong} of {len(expected)} graded exactly as seeded, in {minutes:.1f} minutes")
    if minutes > args.minutes:
        print(f"{'No grade is wrong, but it' if not wrong else 'It also'} took longer than the {args.minutes:g} minutes allowed with --minutes")
    sys.exit(bool(wrong or minutes > args.minutes))


if __name__ == "__main__":
    main()
