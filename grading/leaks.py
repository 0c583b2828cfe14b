"""What must not be seen: texts of solutions and hidden tests, and the search for them.

Touches: nothing.
"""
import html
import re

import jupytext
from nbgrader.utils import is_solution

SECRET_REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END \1", re.DOTALL)
LONG = 40  # from this length on, a single line of a solution is a leak


def squeeze(text: str) -> str:
    """Text without its white space: a leak is a leak however it is laid out."""
    return re.sub(r"\s+", "", text)


def markers(master: str) -> list[str]:
    """What must not be seen: every solution, model answer and hidden test as a whole, and every long line of one."""
    regions, public = [], []
    for cell in jupytext.reads(master, fmt="md:myst").cells:
        inside = [region[2] for region in SECRET_REGION.finditer(cell.source)]
        if is_solution(cell) and not inside:
            inside = [cell.source]
        else:
            public.append(SECRET_REGION.sub("", cell.source))
        regions += inside
    lines = [line for region in regions for line in region.splitlines() if len(squeeze(line)) >= LONG]
    shown = squeeze("\n".join(public))
    return [marker for marker in map(squeeze, [*regions, *lines]) if marker and marker not in shown]


def leaks(secrets: list[str], text: str) -> list[str]:
    """The markers that stand in a text (of a page: after its markup is taken away)."""
    plain = [squeeze(text), squeeze(html.unescape(re.sub(r"<[^>]*>", "", text)))]
    return [marker for marker in secrets if any(marker in form for form in plain)]


def refuse(secrets: list[str], text: str, where: str) -> None:
    """SystemExit if a text gives something away."""
    found = leaks(secrets, text)
    if found or re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)", text):
        raise SystemExit(f"{where} would give away a solution or a hidden test: {found[:1]}")
