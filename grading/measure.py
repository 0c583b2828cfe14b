"""How sure the checks are: `python -m grading.measure` (or `make grade-measure`), 10,000 seeds.

For every seed the model solution must keep all points, in the tests at that student's data and in the check outside on fresh
data; wrong answers that differ from it by chance only (`LAWS`) must lose theirs. The other right ways and the mistakes of
`mistakes.py` are held to the same, over a twentieth of the seeds. What fails is printed, and counted.

Touches: runs the masters' own solutions and tests in this process; writes nothing.
"""
import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import jupytext
import matplotlib
import numpy as np
from nbgrader.utils import is_grade, is_solution

from grading import asking, course, outside, roster, seeded
from grading.course import defined, grade_id, is_test

SLOW, CHANCE = "05-clusters", "sim-preference"  # its simulation takes a second in plain Python; the same law, for all users at once:
FAST = '''
def simulate(n, sizes, exponents, max_items, rng):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.concatenate([np.arange(1, size + 1) for size in sizes])
    popularity = rank ** -np.asarray(exponents, dtype=float)[cluster]
    counts = np.arange(1, max_items + 1)
    k = rng.choice(counts, size=n, p=counts**-0.5 / (counts**-0.5).sum())
    preference = {law}
    X, users = np.zeros((n, len(cluster)), dtype=np.uint8), np.arange(n)
    if len(cluster) <= 5 * max_items:  # a race: the first k to arrive, at exponential times
        race = rng.standard_exponential((n, len(cluster))) / (preference[:, cluster] * popularity)
        first = np.argsort(race, axis=1)[:, :max_items]
        X[np.repeat(users, k), first[np.arange(first.shape[1]) < k[:, None]]] = 1
        return X, cluster
    heap, left = np.cumsum(popularity), k.copy()
    ends = heap[np.cumsum(sizes) - 1]
    starts = np.append(0, ends[:-1])
    chances = np.cumsum(preference * (ends - starts), axis=1)
    while len(users):  # draw for all at once; an item that the user has is no draw
        c = (rng.random(len(users)) * chances[users, -1] > chances[users].T).sum(axis=0)
        item = np.searchsorted(heap, starts[c] + rng.random(len(users)) * (ends - starts)[c])
        left[users] -= 1 - X[users, item]
        X[users, item] = 1
        users = users[left[users] > 0]
    return X, cluster
'''
RIGHT = "rng.dirichlet(np.ones(len(sizes)), n)"
LAWS = {
    "Dirichlet(2)": "rng.dirichlet(2 * np.ones(len(sizes)), n)",
    "Dirichlet(1/2)": "rng.dirichlet(np.ones(len(sizes)) / 2, n)",
    "uniform": "rng.random((n, len(sizes)))",
    "softmax": "np.exp(rng.normal(size=(n, len(sizes))))",
    "absolute normal": "np.abs(rng.normal(size=(n, len(sizes))))",
    "squared": "rng.dirichlet(np.ones(len(sizes)), n) ** 2",
    "root": "np.sqrt(rng.dirichlet(np.ones(len(sizes)), n))",
}


class Trial(NamedTuple):
    """An answer to be tried: the master's text with it, the questions that it must lose, how many seeds."""

    name: str
    text: str
    loses: set[str]
    seeds: int
    law: str | None = None


def trials(slug: str, text: str, listed: tuple[list, list], seeds: int) -> Iterator[Trial]:
    """All that is tried of an assignment. Mistakes in what differs by chance are those of `LAWS`."""
    law = RIGHT if slug == SLOW else None
    yield Trial("right answer", text, set(), seeds, law)
    for name, wrong in LAWS.items() if law else ():
        yield Trial(name, text, {CHANCE}, seeds, wrong)
    few = -(-seeds // 20)
    mistakes, alternatives = listed
    for other in alternatives:
        yield Trial(other.name, seeded.change(text, other), set(), few, law)
    for mistake in mistakes:
        if CHANCE not in mistake.loses:
            yield Trial(mistake.name, seeded.change(text, mistake), set(mistake.loses), few)


def steps(trial: Trial) -> list[tuple[str, bool, set[str], object]]:
    """The cells that decide points: name, whether it is a test, functions that it defines, code."""
    made = []
    for cell in jupytext.reads(trial.text, fmt="md:myst").cells:
        name = grade_id(cell)
        if cell.cell_type != "code" or not name or not (is_test(cell) or name == "setup" or is_solution(cell) and not is_grade(cell)):
            continue
        source = FAST.format(law=trial.law) if trial.law and "def simulate(" in cell.source else cell.source
        made.append((name, is_test(cell), defined(source), source if name == "setup" else compile(source, name, "exec")))
    return made


def lost(cells: list[tuple[str, bool, set[str], object]], verify: ModuleType, seed: int, wanted: set[str]) -> set[str]:
    """The questions that lose points at a seed, in their test or in the check outside; of those wanted, if any are."""
    names, functions, found = {"__name__": "__main__"}, {"__name__": "__main__"}, set()
    for name, test, _, code in cells:
        if name == "setup":
            code = code.replace("STUDENT_SEED = 0", f"STUDENT_SEED = {seed}")
        if test and wanted and name not in wanted:
            continue
        try:
            exec(code, names)
            if not test:
                exec(code, functions)
        except Exception:
            found.add(name)
    if wanted and found == wanted:
        return found
    inputs = verify.inputs(np.random.default_rng([seed, 1]))
    calls = verify.calls(*inputs)
    found |= set(outside.judge(verify, inputs, calls, asking.answers(functions, calls)))
    return found & wanted if wanted else found


def try_it(slug: str, verify: ModuleType, trial: Trial, first: int) -> int:
    """Count the seeds at which an answer does not get what it should, and print it."""
    start, odd, cells = time.process_time(), [], steps(trial)
    for seed in range(first, first + trial.seeds):
        if (gone := lost(cells, verify, seed, trial.loses)) != trial.loses:
            odd.append((seed, sorted(gone ^ trial.loses)))
    what = f"pass {', '.join(sorted(trial.loses))}" if trial.loses else "lose points"
    print(f"{slug}, {trial.name}: {len(odd)} of {trial.seeds} seeds {what}, {time.process_time() - start:.0f} s", *odd[:3], flush=True)
    return len(odd)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how sure the checks are.")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    parser.add_argument("--only", default="", help="one assignment")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    matplotlib.use("Agg")
    odd = 0
    for slug, path in course.masters(args.masters).items():
        if args.only in ("", slug):
            verify = outside.load(path.with_name("verify.py"))
            for trial in trials(slug, path.read_text(encoding="utf-8"), seeded.variants(path), args.seeds):
                odd += try_it(slug, verify, trial, args.first)
    print(f"{odd} seeds at which an answer does not get what it should")
    sys.exit(bool(odd))


if __name__ == "__main__":
    main()
