"""The ledger cosim/ledger/ against the paper's equations, the chapters, the code and the tests."""

import ast
import re
from functools import reduce

import cosim
import guards
import pytest
from cosim import claims
from guards import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output

REQUIRED = {"place", "statement", "symbols", "kind", "relation", "tolerance", "reason", "status", "chapter"}
MEASUREMENT = {"kind", "relation", "tolerance", "reason"}  # what a claim that can't be tested does not have
ALLOWED = {"kind": {"proved", "measured", "definition"},
           "relation": {"==", "<=", "<", "!="},
           "scale": {"column", "entry"},
           "status": {"holds", "holds under conditions", "goes beyond", "differs from the paper", "not testable"}}
LOOSE = range(1, 9)  # the points of book/where-the-paper-is-loose.md, an optional field of a claim
PLACE = r"(Abstract|Section (1|2|2\.1|2\.2|2\.3|3|4)|Conclusions)\b|beyond the paper$"
EQUATIONS = ["1", "2", "3", "4", "5", "6"]


def entry_problems(ledger):
    """Every field there, of an allowed value, and none besides."""
    for name, claim in ledger.items():
        untestable = claim.get("status") == "not testable"
        required = REQUIRED - MEASUREMENT if untestable else REQUIRED
        required = required | ({"note"} if claim.get("status") != "holds" else set())
        required = required | ({"draws"} if claim.get("kind") == "measured" else set())
        required = required | ({"share"} if claim.get("relation") == "!=" else set())
        optional = {"loose"} | (set() if untestable else {"share", "scale"})
        yield from (f"{name}: {field} is missing" for field in sorted(required - set(claim)))
        yield from (f"{name}: {field} does not belong here" for field in sorted(set(claim) - required - optional))
        yield from (f"{name}: {field} is {claim[field]!r}" for field, allowed in ALLOWED.items()
                    if field in claim and claim[field] not in allowed)
        yield from (f"{name}: {field} is empty" for field, value in claim.items() if not str(value).strip())
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            yield f"{name}: not a slug"
        if not re.match(PLACE, claim.get("place", "")):
            yield f"{name}: place {claim.get('place')!r} does not start with a section of the paper"
        if claim.get("loose", 1) not in LOOSE:
            yield f"{name}: loose is {claim['loose']!r}, not one of the eight points"
        if not 0 <= claim.get("tolerance", 0) < (1 if claim.get("relation") != "<" else float("inf")):
            yield f"{name}: tolerance {claim['tolerance']} is not in [0, 1)"
        if not (isinstance(claim.get("draws", 1), int) and claim.get("draws", 1) >= 1):
            yield f"{name}: draws is {claim['draws']!r}, not a whole number of at least 1"
        if not 0 < claim.get("share", 1) <= 1:
            yield f"{name}: share {claim['share']} is not in (0, 1]"
        if claim.get("scale") and claim.get("relation") == "<":
            yield f"{name}: the margin of < is in left's unit and has no scale"


def check_problems(ledger, notebooks):
    """Each claim is checked in the chapter it names and nowhere else, and each check is in the ledger.

    A check counts where the call stands in the source and its line in the saved output, which nbval
    compares with a fresh one: a call in a branch that never runs is no check.
    """
    checked = {}
    for name, nb in notebooks.items():
        for i, cell in guards.cells(nb, "code"):
            ids = {getattr(node.args[0], "value", None) for call, node in guards.calls(cell) if call == "check"}
            printed = set(re.findall(r"^(\S+) holds \(", "\n".join(guards.texts(cell)), re.MULTILINE))
            yield from (f"{name}, cell {i}: {claim} is checked in the source or in the output, but not in both"
                        for claim in sorted(map(str, ids ^ printed)))
            for claim in ids & printed:
                checked.setdefault(claim, set()).add(name.removesuffix(".ipynb"))
    yield from (f"{claim}: checked in {', '.join(sorted(checked[claim]))}, but not in the ledger"
                for claim in sorted(set(checked) - set(ledger)))
    for name, claim in ledger.items():
        expected = set() if claim["status"] == "not testable" else {claim["chapter"]}
        if checked.get(name, set()) != expected:
            yield f"{name}: checked in {sorted(checked.get(name, []))}, but should be in {sorted(expected)}"
        if f"{claim['chapter']}.ipynb" not in notebooks:
            yield f"{name}: there is no chapter {claim['chapter']}"


def equation_problems(ledger, equations, notebooks):
    """No equation of the paper is without claim, function, chapter and test."""
    if sorted(equations) != EQUATIONS:
        yield f"the equations table has {sorted(equations)}, the paper {EQUATIONS}"
    for number, row in equations.items():
        if not any(re.search(rf"\bEq\. {number}\b", claim["place"]) for claim in ledger.values()):
            yield f"Eq. {number}: no claim names it as its place"
        function = reduce(lambda found, part: getattr(found, part, None), row["function"].split("."), cosim)
        if not callable(function) or not re.search(rf"\bEqs?\. [\d, and]*\b{number}\b", function.__doc__ or ""):
            yield f"Eq. {number}: cosim.{row['function']} does not exist, or its docstring does not name the equation"
        if f"{row['chapter']}.ipynb" not in notebooks:
            yield f"Eq. {number}: there is no chapter {row['chapter']}"
        path, _, test = row["test"].partition("::")
        source = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).is_file() else ""
        if test not in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}:
            yield f"Eq. {number}: there is no test {row['test']}"


def test_entries():
    guards.assert_none(entry_problems(claims.ledger()["claims"]))


def test_every_claim_is_checked_where_it_says():
    guards.assert_none(check_problems(claims.ledger()["claims"], guards.notebooks()))


def test_every_equation_has_claim_function_chapter_and_test():
    ledger = claims.ledger()
    guards.assert_none(equation_problems(ledger["claims"], ledger.get("equations", {}), guards.notebooks()))


@pytest.mark.parametrize("point", LOOSE)
def test_every_loose_point_has_a_claim(point):
    assert any(claim.get("loose") == point for claim in claims.ledger()["claims"].values())


# --- the checks themselves --------------------------------------------------------------------

CLAIM = dict(place="Section 2.2, Eq. 5", statement="One is one.", symbols="1 = 1", kind="proved", relation="==",
             tolerance=1e-10, reason="Exact.", status="holds", chapter="one")
UNTESTABLE = {**{k: v for k, v in CLAIM.items() if k not in MEASUREMENT}, "status": "not testable", "note": "No data."}
ROW = dict(function="models.solve_product", chapter="one", test="tests/test_ledger.py::test_entries")


def chapter(*ids, source="claims.check({!r}, 1, 1)", output="{} holds (==, 1e-10): One is one."):
    return new_notebook(cells=[new_code_cell(source.format(name), outputs=[
        new_output("stream", name="stdout", text=output.format(name))]) for name in ids])


@pytest.mark.parametrize("claim", [
    CLAIM, UNTESTABLE, {**CLAIM, "status": "differs from the paper", "note": "How."},
    {**CLAIM, "place": "Conclusions", "status": "goes beyond", "note": "The paper does not say it."},
    {**CLAIM, "kind": "measured", "draws": 20}, {**CLAIM, "relation": "!=", "share": 0.5, "scale": "column"},
    {**CLAIM, "kind": "definition", "scale": "entry"}])
def test_entry_problems_passes_good_entries(claim):
    assert list(entry_problems({"one-is-one": claim})) == []


@pytest.mark.parametrize("name, change", [
    ("One is one", {}), ("one--one", {}), ("one", {"kind": "identity"}), ("one", {"relation": "="}),
    ("one", {"kind": "measured"}), ("one", {"draws": 5}), ("one", {"kind": "measured", "draws": 0}),
    ("one", {"kind": "measured", "draws": "five"}), ("one", {"relation": "!="}), ("one", {"share": 0}),
    ("one", {"scale": "row"}), ("one", {"scale": "entry", "relation": "<"}),
    ("one", {"status": "not testable", "note": "No data.", "share": 0.5}),
    ("one", {"status": "true"}),
    ("one", {"status": "holds under conditions"}), ("one", {"status": "not testable", "note": "No data."}),
    ("one", {"note": "Where it holds, nothing is to be noted."}), ("one", {"place": "page 3"}),
    ("one", {"reason": " "}),
    ("one", {"tolerance": -1}), ("one", {"tolerance": 2}), ("one", {"extra": 1}), ("one", {"loose": 9}),
    *(("one", {field: None}) for field in sorted(REQUIRED))])
def test_entry_problems_sees_what_is_wrong(name, change):
    claim = {field: value for field, value in {**CLAIM, **change}.items() if value is not None}
    assert list(entry_problems({name: claim}))


def test_check_problems_passes_good_chapters():
    assert list(check_problems({"a": CLAIM, "b": UNTESTABLE}, {"one.ipynb": chapter("a")})) == []


@pytest.mark.parametrize("ledger, notebooks", [
    ({"a": CLAIM}, {"one.ipynb": chapter()}),  # unchecked
    ({"a": CLAIM}, {"one.ipynb": chapter("a"), "two.ipynb": chapter("a")}),  # checked twice
    ({"a": CLAIM}, {"one.ipynb": chapter(), "two.ipynb": chapter("a")}),  # checked elsewhere
    ({"a": CLAIM}, {"one.ipynb": chapter("a", "b")}),  # a check without claim
    ({"a": CLAIM}, {}),  # no such chapter
    ({"b": UNTESTABLE}, {"one.ipynb": chapter("b")}),
    ({"a": CLAIM}, {"one.ipynb": chapter("a", source="if False:\n    claims.check({!r}, 1, 1)", output="")}),
    ({"a": CLAIM}, {"one.ipynb": chapter("a", source="print({!r})")}),
])
def test_check_problems_sees_what_is_wrong(ledger, notebooks):
    assert list(check_problems(ledger, notebooks))


def test_equation_problems_passes_a_good_table():
    notebooks = {"one.ipynb": chapter("a")}
    assert list(equation_problems({"a": CLAIM}, {"5": ROW}, notebooks)) == [
        f"the equations table has ['5'], the paper {EQUATIONS}"]


@pytest.mark.parametrize("ledger, change, message", [
    ({}, {}, "no claim"), ({"a": {**CLAIM, "place": "Section 2.2, Eq. 15"}}, {}, "no claim"),
    ({"a": CLAIM}, {"function": "models.solve"}, "does not exist"),
    ({"a": CLAIM}, {"function": "models.loss_product"}, "does not name the equation"),
    ({"a": CLAIM}, {"chapter": "two"}, "no chapter"), ({"a": CLAIM}, {"test": "tests/test_no.py::test_x"}, "no test"),
    ({"a": CLAIM}, {"test": "tests/test_ledger.py::test_x"}, "no test")])
def test_equation_problems_sees_what_is_wrong(ledger, change, message):
    found = list(equation_problems(ledger, {"5": {**ROW, **change}}, {"one.ipynb": chapter("a")}))
    assert len(found) == 2 and message in found[1]
