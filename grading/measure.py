"""How sure the checks are: `python -m grading.measure` (or `make grade-measure`), 10,000 seeds.

For every seed the model solution must keep all points, in the tests at that student's data and in the check outside on fresh
data; wrong answers that differ by chance only (`mistakes.py`) must lose theirs. What fails is printed, and counted.

Touches: runs the masters' own solutions and tests in this process; writes nothing.
"""
import argparse
import sys
import time
import warnings

import jupytext
import matplotlib
import numpy as np
from nbgrader.utils import is_grade, is_solution

from grading import asking, course, outside, roster, seeded
from grading.course import grade_id, is_test

SLOW = "05-clusters"  # its simulation takes a second in plain Python; the same law, for all users at once:
FAST = '''
def simulate(n, sizes, exponents, max_items, rng):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.concatenate([np.arange(1, size + 1) for size in sizes])
    popularity = rank ** -np.asarray(exponents, dtype=float)[cluster]
    counts = np.arange(1, max_items + 1)
    k = rng.choice(counts, size=n, p=counts**-0.5 / (counts**-0.5).sum())
    X = np.zeros((n, len(cluster)))
    for start in range(0, n, 500):
        users = np.arange(start, min(n, start + 500))
        {law}
        race = rng.standard_exponential((len(users), len(cluster)), dtype=np.float32) / (preference[:, cluster] * popularity)
        most = min(max_items, len(cluster))
        first = np.argpartition(race, most - 1, axis=1)[:, :most]
        first = np.take_along_axis(first, np.argsort(np.take_along_axis(race, first, axis=1), axis=1), axis=1)
        X[np.repeat(users, k[users]), first[np.arange(most) < k[users][:, None]]] = 1
    return X, cluster
'''
LAWS = {
    "": "preference = rng.dirichlet(np.ones(len(sizes)), len(users))",
    "Dirichlet(2)": "preference = rng.dirichlet(2 * np.ones(len(sizes)), len(users))",
    "uniform": "preference = rng.random((len(users), len(sizes)))",
    "softmax": "preference = np.exp(rng.normal(size=(len(users), len(sizes))))",
    "absolute normal": "preference = np.abs(rng.normal(size=(len(users), len(sizes))))",
}


def steps(text: str, law: str | None) -> list[tuple[str, bool, object]]:
    """The cells that decide points: name, whether it is a test, code."""
    made = []
    for cell in jupytext.reads(text, fmt="md:myst").cells:
        name = grade_id(cell)
        if cell.cell_type != "code" or not name or not (is_test(cell) or name == "setup" or is_solution(cell) and not is_grade(cell)):
            continue
        source = FAST.format(law=law) if law and "def simulate(" in cell.source else cell.source
        made.append((name, is_test(cell), source if name == "setup" else compile(source, name, "exec")))
    return made


def lost(cells: list[tuple[str, bool, object]], verify: object, seed: int, wanted: set[str]) -> set[str]:
    """The questions that lose points at a seed, in their test or in the check outside."""
    names, functions, found = {"__name__": "__main__"}, {"__name__": "__main__"}, set()
    for name, test, code in cells:
        if name == "setup":
            code = code.replace("STUDENT_SEED = 0", f"STUDENT_SEED = {seed}")
        if test and wanted and name not in wanted:
            continue
        try:
            exec(code, names)
            if not test:
                exec(code, functions)
        except AssertionError:
            found.add(name)
    inputs = verify.inputs(np.random.default_rng([seed, 1]))
    calls = verify.calls(*inputs)
    found |= set(outside.judge(verify, inputs, calls, asking.answers(functions, calls)))
    return found & wanted if wanted else found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how sure the checks are.")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    parser.add_argument("--only", default="", help="one assignment")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    matplotlib.use("Agg")
    failed = 0
    for slug, path in course.masters(args.masters).items():
        if args.only not in ("", slug):
            continue
        verify, text = outside.load(path.with_name("verify.py")), path.read_text(encoding="utf-8")
        for law in LAWS if slug == SLOW else [""]:
            wanted = {"sim-preference"} if law else set()
            start, count, examples = time.monotonic(), 0, []
            cells = steps(text, LAWS[law] if slug == SLOW else None)
            for seed in range(args.first, args.first + args.seeds):
                if gone := lost(cells, verify, seed, wanted):
                    count += 1
                    examples.append((seed, sorted(gone)))
            failed += 0 if law else count
            print(f"{slug}, {law or 'right answer'}: {count} of {args.seeds} seeds lose points, {time.monotonic() - start:.0f} s", examples[:3] if not law else "", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
