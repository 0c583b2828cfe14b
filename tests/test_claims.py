"""The check that chapters run: each relation holds up to its tolerance and fails just beyond it."""

import numpy as np
import pytest
from scipy import sparse

from cosim import claims

TOLERANCE = 0.25  # a power of two, so that the edges below are exact
ABOVE, BELOW = np.nextafter(1, 2), np.nextafter(1, 0)


@pytest.fixture(autouse=True)
def ledger(monkeypatch):
    entries = {name: dict(relation=relation, tolerance=TOLERANCE, statement=f"Left {relation} right.")
               for name, relation in {"eq": "==", "le": "<=", "lt": "<", "ne": "!="}.items()}
    entries |= {"eq-column": {**entries["eq"], "scale": "column"}, "eq-entry": {**entries["eq"], "scale": "entry"},
                "le-entry": {**entries["le"], "scale": "entry"}, "ne-half": {**entries["ne"], "share": 0.5},
                "lt-most": {**entries["lt"], "share": 0.75}, "ne-column": {**entries["ne"], "scale": "column"}}
    monkeypatch.setattr(claims, "ledger", lambda: {"claims": entries})


@pytest.mark.parametrize("claim, left, right, holds", [
    # == up to 0.25 of the larger side, here 4
    ("eq", 4, 3, True), ("eq", 3, 4, True), ("eq", 4, 3 * BELOW, False), ("eq", 3 * BELOW, 4, False),
    ("eq", -4, -3, True), ("eq", -4, 4, False), ("eq", 0, 0, True), ("eq", 0, 1e-300, False),
    ("eq", [4, 0], [4, 1], True), ("eq", [4, 0], [4, ABOVE], False), ("eq", [1, 2], [2, 1], False),
    ("eq", np.full((2, 2), 4), 3, True), ("eq", 3, np.full((2, 2), 4), True), ("eq", np.eye(2), 1, False),
    ("eq", True, 1, True), ("eq", np.uint8(1), np.uint8(2), False), ("eq", np.int8([100]), np.int8([-100]), False),
    # <= up to 0.25 of the larger side
    ("le", 1, 2, True), ("le", 4, 3, True), ("le", 4, 3 * BELOW, False), ("le", -3, -4, True),
    ("le", [0, 4], [9, 4], True), ("le", [0, 8], [9, 4], False), ("le", 2, [3, 4], True), ("le", -9, 9, True),
    # < by more than 0.25, in left's unit
    ("lt", 0, 1, True), ("lt", 1, 1 + TOLERANCE, False), ("lt", 1, 1 + TOLERANCE * 1.001, True),
    ("lt", 100, 100.2, False), ("lt", [0, 1], [1, 1], False), ("lt", [0, 1], 2, True), ("lt", 2, 0, False),
    # != by more than 0.25 of the larger side, somewhere
    ("ne", 4, 3, False), ("ne", 4, 3 * BELOW, True), ("ne", 3 * BELOW, 4, True), ("ne", -1, 1, True),
    ("ne", [4, 0], [4, 1], False), ("ne", [4, 0], [4, ABOVE], True), ("ne", 0, 0, False),
    # a weak column, or a weak entry, is tested on its own scale
    ("eq", [[4, 1]], [[4, 0.5]], True), ("eq-column", [[4, 1]], [[4, 0.5]], False),
    ("eq-column", [[4, 1], [4, 0.5]], [[3, 1], [4, 0.75]], True), ("eq-column", [[4, 1]], [[3, 0.75]], True),
    ("eq-entry", [4, 1], [3, 0.75], True), ("eq-entry", [4, 1], [4, 0.75 * BELOW], False), ("eq-entry", 0, 0, True),
    ("eq-entry", [4, 0], [4, 1e-9], False), ("eq-column", np.ones((2, 2)), 1, True),
    ("le-entry", [4, 1], [4, 0.75], True), ("le-entry", [4, 1], [4, 0.75 * BELOW], False),
    ("ne-column", [[4, 1]], [[4, 0.5]], True), ("ne-column", [[4, 1]], [[3, 0.75]], False),
    # a share of the entries
    ("ne-half", [4, 4], [4, 0], True), ("ne-half", [4, 4, 4], [4, 4, 0], False), ("ne-half", [4, 4], [4, 4], False),
    ("lt-most", [0, 0, 0, 9], 1, True), ("lt-most", [0, 0, 9, 9], 1, False)])
def test_relations_hold_up_to_their_tolerance(claim, left, right, holds, capsys):
    if holds:
        assert claims.check(claim, left, right) is None
    else:
        with pytest.raises(AssertionError, match=f"^{claim} fails"):
            claims.check(claim, left, right)
    assert len(capsys.readouterr().out.splitlines()) == holds  # one line if it holds, nothing if not


@pytest.mark.parametrize("claim, line", [
    ("eq", "eq holds (==, 0.25): Left == right."), ("lt-most", "lt-most holds (<, 0.25, share 0.75): Left < right."),
    ("eq-column", "eq-column holds (==, 0.25, by column): Left == right.")])
def test_the_line_says_how_the_claim_was_checked(claim, line, capsys):
    claims.check(claim, np.zeros((2, 2)), np.full((2, 2), float("lt" in claim)))
    assert capsys.readouterr().out == line + "\n"


def test_the_line_is_the_same_whatever_the_numbers(capsys):
    claims.check("eq", 1, 1)
    claims.check("eq", np.full(3, np.pi), np.full(3, 3.14159))
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == "eq holds (==, 0.25): Left == right."


@pytest.mark.parametrize("claim, left, right, measured", [
    ("eq", [1, 5], [3, 4], "largest |left - right| = 2, largest left - right = 1, tolerance 0.25"),
    ("le", [1.125, 9], [1, 4], "largest |left - right| = 5, largest left - right = 5"),
    ("lt", [0, 1], [7, 1.125], "largest |left - right| = 7, largest left - right = -0.125"),
    ("ne", 1, [1.0625, 1], "largest |left - right| = 0.0625, largest left - right = 0")])
def test_a_failure_says_by_how_much(claim, left, right, measured):
    with pytest.raises(AssertionError) as caught:
        claims.check(claim, left, right)
    assert measured in str(caught.value) and "Claim: Left" in str(caught.value)
    assert "right is off in 0.5 of the entries" in str(caught.value) or claim == "ne"


@pytest.mark.parametrize("claim", list("eltn"))
def test_unknown_claims(claim):
    with pytest.raises(KeyError, match=f"claim_id must be in the ledger; got '{claim}'"):
        claims.check(claim, 1, 1)


@pytest.mark.parametrize("claim", ["eq", "le", "lt", "ne"])
@pytest.mark.parametrize("left, right, message", [
    (np.ones(2), np.ones(3), "left and right must be of one shape, or one of them a number; got (2,) and (3,)"),
    (np.ones((2, 1)), np.ones(2), "left and right must be of one shape, or one of them a number; got (2, 1)"),
    ([], [], "left and right must be finite and not empty; got [] and []"),
    (1, [], "left and right must be finite and not empty; got 1.0 and []"),
    (np.nan, 1, "left and right must be finite and not empty; got nan and 1.0"),
    ([1, np.nan], [1, np.nan], "left and right must be finite and not empty; got [ 1. nan] and"),
    (1, np.inf, "left and right must be finite and not empty; got 1.0 and inf"),
    ("1", 1, "left must be made of real numbers; got dtype <U1"),
    (1, None, "right must be made of real numbers; got dtype object"),
    (1, 1j, "right must be made of real numbers; got dtype complex128"),
    (sparse.eye_array(2), np.eye(2), "left must be made of real numbers; got dtype object"),
    (1, [[1], [1, 2]], "right must be rectangular; got rows of different lengths")])
def test_input_that_makes_no_sense(claim, left, right, message, capsys):
    with pytest.raises(ValueError) as caught:
        claims.check(claim, left, right)
    assert str(caught.value).startswith(message)
    assert capsys.readouterr().out == ""


def test_the_real_ledger_is_read_and_read_only(monkeypatch, capsys):
    monkeypatch.undo()
    book = claims.ledger()
    assert book is claims.ledger() and len(book["claims"]) > 10
    with pytest.raises(TypeError):
        book["claims"] = {}
    claims.check("eq5-ridge", 1.0, 1.0 + 1e-11)
    entry = book["claims"]["eq5-ridge"]
    assert capsys.readouterr().out == f"eq5-ridge holds (==, {entry['tolerance']:g}): {entry['statement']}\n"
    with pytest.raises(AssertionError):
        claims.check("eq5-ridge", 1.0, 1.0 + 1e-9)
