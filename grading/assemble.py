"""A student's answers among the master's own locked cells.

The result has every cell of the master, in the master's order; a student's cells follow the cell that they followed. So
what was deleted comes back, what was moved stands where it belongs, and a test always comes after its answer. A student's
cell keeps the number that it has in the file that was handed in, under PLACE in its metadata.

Touches: nothing.
"""
import ast
import re
from copy import deepcopy
from typing import NamedTuple

from nbformat import NotebookNode, v4
from nbgrader.utils import is_grade, is_solution

from grading.course import SEED, Assignment, defined, grade_id

PLACE = "cosim_place"
WORDS = 12  # from so many words on, text of a student's own may be an answer that stands in another place


class Assembled(NamedTuple):
    """The notebook to run; what was put right; why a person should look; written answers that are there or may be elsewhere."""

    notebook: NotebookNode
    notes: list[str]
    doubts: list[str]
    written: dict[str, bool]


def assemble(nb: NotebookNode, assignment: Assignment) -> Assembled:
    """Put the answers among the master's cells."""
    nb = numbered(nb)
    names = {grade_id(cell): cell for cell in assignment.tested.cells if grade_id(cell)}
    blank = {grade_id(cell): cell.source for cell in assignment.released.cells if grade_id(cell)}
    place, copies, lost = match(nb, assignment, blank)
    doubts = []
    by_place = put_by_place(nb, place, copies, names, blank)
    if lost:
        doubts += ["the names of its cells were lost; answers were recognized by their place: compare with the student's file"]
    elif by_place:
        doubts += [f"{', '.join(by_place)}: the answer cell was typed anew and recognized by its place"]
    after = foreign(nb, place, copies)
    cells = [own(cell, {}) for cell in after[None]]
    for name, cell in named_cells(assignment):
        made = deepcopy(cell)
        if name in place and is_solution(made):
            made = own(nb.cells[place[name]], made.metadata, made.cell_type)
        cells += [made, *(own(cell, {}) for cell in after.get(name, []))]
    moved = adopt(cells, blank)
    notes = [f"{name}: taken from a cell of the student's own" for name in moved]
    notes += changed_places(nb, place, names, blank)
    written, elsewhere = words_elsewhere(nb, cells, place, copies, assignment, blank)
    doubts += [f"{name}: the answer cell is empty, but there is text in other cells: mark what is meant" for name in elsewhere]
    idle = [name for name, cell in names.items() if is_solution(cell) and cell.cell_type == "code" and not is_grade(cell)]
    source = {grade_id(cell): cell.source for cell in cells}
    strangers = [cell for cell in cells if not grade_id(cell) and cell.cell_type == "code" and cell.source.strip()]
    if idle and strangers and all(source[name].strip() == blank[name].strip() for name in idle):
        doubts.append("no answer cell was filled in, but there is code in other cells: look whether the answers are there")
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"
    return Assembled(v4.new_notebook(cells=cells, metadata=deepcopy(assignment.tested.metadata)), notes, doubts, written)


def numbered(nb: NotebookNode) -> NotebookNode:
    """A copy whose cells know their place, from 1."""
    nb = deepcopy(nb)
    for place, cell in enumerate(nb.cells, 1):
        cell.metadata[PLACE] = place
    return nb


def called(cell: NotebookNode) -> str:
    """What a teacher finds a cell by: its number in the student's file, or the name of a test or of another locked cell."""
    if PLACE in cell.metadata:
        return f"cell {cell.metadata[PLACE]}"
    return f"the {'test' if is_grade(cell) else 'locked cell'} {grade_id(cell) or ''}".rstrip()


def named_cells(assignment: Assignment) -> list[tuple[str | None, NotebookNode]]:
    return [(grade_id(cell), cell) for cell in assignment.tested.cells]


def own(cell: NotebookNode, metadata: dict, kind: str = "") -> NotebookNode:
    """A student's cell under the master's metadata. A cell whose kind was changed is what the master says."""
    made = (v4.new_code_cell if (kind or cell.cell_type) == "code" else v4.new_markdown_cell)(cell.source)
    made.metadata = NotebookNode(deepcopy(metadata) | {PLACE: cell.metadata[PLACE]})
    if "attachments" in cell and made.cell_type == "markdown":
        made.attachments = cell.attachments
    return made


def match(nb: NotebookNode, assignment: Assignment, blank: dict[str, str]) -> tuple[dict[str, int], set[int], bool]:
    """Where each of the master's cells is, by name, else id, else text; further copies of it; whether all names were lost.

    Of several copies of an answer the last one counts that was changed.
    """
    ids = {cell.id: grade_id(cell) for cell in assignment.released.cells if grade_id(cell)}
    texts = {SEED.sub("", source).strip(): name for name, source in blank.items() if len(source) > 30}
    answers = {grade_id(cell) for cell in assignment.tested.cells if is_solution(cell)}
    plain = {cell.source.strip() for cell in assignment.released.cells if not grade_id(cell)}
    at, sure, copies = {}, False, set()
    for i, cell in enumerate(nb.cells):
        if cell.source.strip() in plain:  # the master's, which has no name and comes by itself
            copies.add(i)
            continue
        name = grade_id(cell) if grade_id(cell) in blank else ids.get(cell.id)
        sure |= name is not None
        name = name or texts.get(SEED.sub("", cell.source).strip())
        if name is not None:
            at.setdefault(name, []).append(i)
    place = {}
    for name, found in at.items():
        changed = [i for i in found if nb.cells[i].source.strip() != blank[name].strip()]
        place[name] = (changed if name in answers and changed else found)[-1]
        copies |= {i for i in found if i not in changed or name not in answers} - {place[name]}
    return place, copies, not sure


def put_by_place(nb: NotebookNode, place: dict[str, int], copies: set[int], names: dict[str, NotebookNode], blank: dict[str, str]) -> list[str]:
    """Give an answer that was not found the student's cell that stands where it should; return the answers so found."""
    found, order = [], list(names)
    for k, name in enumerate(order):
        if name in place or not is_solution(names[name]):
            continue
        before = max((place[other] for other in order[:k] if other in place), default=-1)
        behind = min((place[other] for other in order[k + 1:] if other in place and place[other] > before), default=len(nb.cells))
        taken = set(place.values()) | copies
        between = [i for i in range(before + 1, behind) if i not in taken and nb.cells[i].source.strip()]
        wanted = defined(blank[name]) if names[name].cell_type == "code" else set()
        fit = [i for i in between if nb.cells[i].cell_type == names[name].cell_type and wanted <= defined(nb.cells[i].source)]
        if fit:
            place[name] = fit[-1]
            found.append(name)
    return found


def foreign(nb: NotebookNode, place: dict[str, int], copies: set[int]) -> dict[str | None, list[NotebookNode]]:
    """The student's own cells, by the master's cell that they follow."""
    at, last, found = {i: name for name, i in place.items()}, None, {None: []}
    for i, cell in enumerate(nb.cells):
        if i in at:
            last = at[i]
        elif i not in copies and cell.source.strip():
            found.setdefault(last, []).append(cell)
    return found


def adopt(cells: list[NotebookNode], blank: dict[str, str]) -> list[str]:
    """If an answer cell is untouched and another cell defines its function, that cell is the answer."""
    moved = []
    for cell in cells:
        name = grade_id(cell)
        if not (name and is_solution(cell) and cell.cell_type == "code"):
            continue
        wanted = defined(blank[name])
        if not wanted or (cell.source.strip() != blank[name].strip() and wanted <= defined(cell.source)):
            continue
        having = [other for other in cells if other is not cell and other.cell_type == "code" and wanted <= defined(other.source)
                  and (not grade_id(other) or is_solution(other))]
        if having and (cell.source.strip() == blank[name].strip() or "NotImplementedError" in cell.source or not cell.source.strip()):
            cell.source, cell.metadata[PLACE] = having[-1].source, having[-1].metadata[PLACE]
            moved.append(name)
    return moved


def changed_places(nb: NotebookNode, place: dict[str, int], names: dict[str, NotebookNode], blank: dict[str, str]) -> list[str]:
    """What was put right, to be told."""
    notes, order = [], [place[name] for name in names if name in place]
    if missing := [name for name in names if name not in place]:
        notes.append(f"deleted cells put back: {', '.join(missing)}")
    if order != sorted(order):
        notes.append("moved cells put in order")
    edited = [name for name, i in place.items() if not is_solution(names[name])
              and SEED.sub("", nb.cells[i].source).strip() != SEED.sub("", blank[name]).strip()]
    if edited:
        notes.append(f"changed cells made as they were: {', '.join(edited)}")
    return notes


def words(cell: NotebookNode) -> str:
    """What a cell may hold of an answer in words: of a code cell, what is no program."""
    if cell.cell_type != "code":
        return cell.source
    source = re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    return "" if any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body) else source


def words_elsewhere(nb: NotebookNode, cells: list[NotebookNode], place: dict[str, int], copies: set[int], assignment: Assignment,
                    blank: dict[str, str]) -> tuple[dict[str, bool], list[str]]:
    """Which answers by hand are there to be marked, and which of them have an empty cell but perhaps words in another one."""
    given = {grade_id(cell): cell for cell in cells}
    known = {i for name, i in place.items()} | copies
    loose = [words(cell) for i, cell in enumerate(nb.cells) if i not in known]
    for name, i in place.items():  # typed under the question, in the question's own cell
        if not is_solution(given[name]) and nb.cells[i].cell_type == "markdown":
            loose.append(nb.cells[i].source.replace(blank[name].strip(), ""))
    wordy = any(len(re.findall(r"\w+", text)) >= WORDS or "attachment:" in text for text in loose)
    written, elsewhere = {}, []
    for name in assignment.by_hand:
        answered = re.sub(r"\W", "", given[name].source) not in ("", re.sub(r"\W", "", blank[name]))
        written[name] = answered or wordy
        elsewhere += [name] * (wordy and not answered)
    return written, elsewhere
