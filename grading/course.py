"""The masters of a course, and what is made of them.

A master is a notebook in Markdown, `<slug>/<slug>.md`, with the solutions and the hidden tests in it. jupytext makes
it a notebook and nbgrader's preprocessors strip it.

Touches: reads the masters and the files next to them.
"""
import ast
import hashlib
import re
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import jupytext
from nbformat import NotebookNode
from nbgrader.preprocessors import CheckCellMetadata, ClearHiddenTests, ClearOutput, ClearSolutions, ComputeChecksums, LockCells
from nbgrader.utils import is_grade, is_solution

from grading import leaks

HERE = Path(__file__).resolve().parents[1] / "assignments"
SEED = re.compile(r"^STUDENT_SEED = (\d+)$", re.MULTILINE)


class Assignment(NamedTuple):
    """A master: as students get it (`released`), and the same with the hidden tests (`tested`)."""

    slug: str
    path: Path
    released: NotebookNode
    tested: NotebookNode
    secrets: list[str]

    @property
    def verify(self) -> Path:
        """The check outside the student's process, if there is one."""
        return self.path.with_name("verify.py")

    @property
    def questions(self) -> dict[str, float]:
        """Points of each question, in the order of the notebook."""
        return {grade_id(cell): float(cell.metadata.nbgrader.points) for cell in self.tested.cells if is_grade(cell)}

    @property
    def by_hand(self) -> list[str]:
        """The questions that a person marks."""
        return [grade_id(cell) for cell in self.tested.cells if is_grade(cell) and is_solution(cell)]


def masters(folder: Path = HERE) -> dict[str, Path]:
    """The masters in a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*/*.md")) if path.stem == path.parent.name}


def read(path: Path) -> Assignment:
    """Make the notebooks of a master; SystemExit if the student's gives something away."""
    text, slug = path.read_text(encoding="utf-8"), path.stem
    nb = jupytext.reads(text, fmt="md:myst")
    for i, cell in enumerate(nb.cells):  # the same id in every release: the grader knows a cell by it
        cell.id = f"{slug}-{i}"
    nb.metadata = {"kernelspec": nb.metadata["kernelspec"], "language_info": {"name": "python"}}
    for step in (CheckCellMetadata, LockCells, ClearSolutions, ClearOutput, ComputeChecksums):
        nb, _ = step().preprocess(nb, {})
    released = deepcopy(nb)
    for step in (ClearHiddenTests, ComputeChecksums):
        released, _ = step().preprocess(released, {})
    secrets = leaks.markers(text)
    leaks.refuse(secrets, "\n".join(cell.source for cell in released.cells), f"{slug}.ipynb")
    return Assignment(slug, path, released, nb, secrets)


def read_all(folder: Path) -> dict[str, Assignment]:
    """All assignments of a folder; SystemExit if there is none."""
    found = {slug: read(path) for slug, path in masters(folder).items()}
    if not found:
        raise SystemExit(f"{folder} must hold masters, <name>/<name>.md; it holds none")
    return found


def grade_id(cell: NotebookNode) -> str | None:
    """nbgrader's name of a cell, None for an ordinary one (or for nonsense in a student's file)."""
    named = cell.metadata.get("nbgrader") if isinstance(cell.metadata, dict) else None
    name = named.get("grade_id") if isinstance(named, dict) else None
    return name if isinstance(name, str) else None


def is_test(cell: NotebookNode) -> bool:
    """Whether points are read off what the cell does."""
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def defined(source: str) -> set[str]:
    """The functions that a cell defines at its top level; lines of IPython and half-written code are no obstacle."""
    try:
        return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^def\s+(\w+)", source, re.MULTILINE))


def student_seed(student: str, secret: str | None) -> int:
    """The seed of a student's own data; 0, the same for all, without a course secret."""
    return int(hashlib.sha256(f"{secret}:{student}".encode()).hexdigest()[:7], 16) if secret else 0


def set_seed(nb: NotebookNode, seed: int) -> NotebookNode:
    """Write a student's seed into the set-up cell."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"^STUDENT_SEED = 0$", f"STUDENT_SEED = {seed}", cell.source, flags=re.MULTILINE)
    return nb
