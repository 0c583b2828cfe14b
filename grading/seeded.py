"""Seeded mistakes and other solutions: variants of a master whose score is known in advance.

Every `assignments/<slug>/mistakes.py` lists them; `tests/test_assignments.py` and `trial.py` grade them. A variant that
changes nothing would silently be a perfect answer, so a text to replace must stand exactly once in the
solutions of the master.

Touches: runs the assignments' `mistakes.py`.
"""
import re
import runpy
from pathlib import Path
from typing import NamedTuple

SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)


class Mistake(NamedTuple):
    """One wrong turn of a student: what it replaces, the points it costs, a word of the message that helps."""

    name: str
    find: str
    replace: str
    loses: dict[str, int]
    message: str


class Alternative(NamedTuple):
    """Another way that is right: pairs of a text of the master's solutions and what replaces it."""

    name: str
    changes: list[tuple[str, str]]


def variants(master: Path) -> tuple[list[Mistake], list[Alternative]]:
    """The mistakes and the other right ways that are listed next to a master."""
    listed = runpy.run_path(str(master.with_name("mistakes.py")))
    return listed["MISTAKES"], listed["ALTERNATIVES"]


def plant(master: str, find: str, replace: str) -> str:
    """Return the master's text with `find` replaced in its one place inside the solutions."""
    places = [solution.start(1) + at.start() for solution in SOLUTION.finditer(master)
              for at in re.finditer(re.escape(find), solution[1])]
    if len(places) != 1:
        raise ValueError(f"find must stand exactly once in the solutions; got {len(places)} places for {find!r}")
    if find == replace:
        raise ValueError(f"replace must differ from find; got {replace!r}")
    start = places[0]
    return master[:start] + replace + master[start + len(find):]


def change(master: str, variant: Mistake | Alternative) -> str:
    """Return the master's text with a variant's changes."""
    changes = variant.changes if isinstance(variant, Alternative) else [(variant.find, variant.replace)]
    for find, replace in changes:
        master = plant(master, find, replace)
    return master
