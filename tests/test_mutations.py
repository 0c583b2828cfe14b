"""Claims can fail: the mistakes planted by mutations/plant.py, a sample of them again, and what they must have reached."""

import json
import os
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cosim import claims

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "mutations"))
import plant

SAMPLE = {"first-objective": 5, "words": 4}  # quick chapters, and how many mistakes are made again
RESULTS, COUNTS = plant.table(plant.RESULTS), {row["claim"]: row for row in plant.table(plant.COUNTS)}


def evidence():
    """The claims that count as evidence."""
    return [name for name, claim in claims.ledger()["claims"].items()
            if claim["status"] != "not testable" and claim["kind"] != "definition"]


def named_now(row, code):
    """The name of a mistake that was made in a cell with checks, where the cell stands now; None for other mistakes."""
    index = next((i for i, source in code if plant.checked(source) and set(plant.checked(source)) == set(row["reached"].split())), None)
    return index if index is None else f"{row['chapter']}-{index}-{row['mistake'].rpartition('-')[2]}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="mistakes are planted in forked processes")
@pytest.mark.parametrize("chapter", SAMPLE)
def test_a_sample_turns_the_same_claims_red(chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "check", claims.check)  # put back in the end what the planting replaces
    code = plant.cells(chapter)
    rows = {name: row for row in RESULTS if row["chapter"] == chapter and row["red"] and (name := named_now(row, code))}
    sample = sorted(rows)[::max(1, len(rows) // SAMPLE[chapter])][:SAMPLE[chapter]]
    assert len(sample) == SAMPLE[chapter]
    plant.plant(chapter, tmp_path, only=sample)
    for name in sample:
        again = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert again["what"] == rows[name]["what"], f"{chapter} has changed: make mutations CHAPTERS={chapter}"
        assert again["red"] == rows[name]["red"], name


def test_counts_are_those_of_the_mistakes():
    recounted = {row["claim"]: row for row in plant.counts(RESULTS)}
    for name in set(recounted) & set(COUNTS):
        assert {key: str(value) for key, value in recounted[name].items()} == COUNTS[name]


def test_every_chapter_with_checks_was_planted():
    assert {row["chapter"] for row in RESULTS} == set(plant.chapters())


def test_at_least_150_mistakes_of_each_kind_of_place():
    kinds = [row["kind"] for row in RESULTS]
    assert len(RESULTS) >= 150 and all(kinds.count(kind) >= 30 for kind in ("cosim", "code", "data"))


def test_nearly_every_claim_that_counts_as_evidence_can_fail():
    red = [int(COUNTS[name]["red"]) if name in COUNTS else 0 for name in evidence()]
    assert np.mean(np.array(red) > 0) >= 0.95, sorted(name for name, n in zip(evidence(), red) if n == 0)
    assert np.median(red) >= 3


def test_every_edit_fits_its_function():
    edits = tomllib.loads((ROOT / "mutations" / "edits.toml").read_text(encoding="utf-8"))
    for function, pairs in edits.items():
        source = plant.inspect.getsource(plant.function_named(function))
        for old, new in pairs:
            assert source.count(old) == 1 and old != new, f"{function}: {old!r}"
            compile(source.replace(old, new), function, "exec")


def test_every_mistake_by_hand_fits_one_cell_of_its_chapter():
    by_hand = tomllib.loads((ROOT / "mutations" / "chapters.toml").read_text(encoding="utf-8"))
    for chapter, pairs in by_hand.items():
        for old, new in pairs:
            assert [source.count(old) for _, source in plant.cells(chapter) if old in source] == [1] and old != new, old


def test_damage_is_done_to_a_copy():
    matrix = np.arange(12.0).reshape(4, 3)
    for mistake in plant.fitting(matrix):
        before = matrix.copy()
        assert not np.array_equal(plant.damaged(matrix, mistake), before) and np.array_equal(matrix, before)
    assert plant.damaged(np.array([3, 1, 2]), "permuted").sum() == 6
    runs = pd.DataFrame({"method": ["a", "b"], "seed": [0, 1]})
    assert plant.damaged(runs, "names exchanged")["method"].tolist() == ["b", "a"] and runs["method"].tolist() == ["a", "b"]
    assert plant.damaged([1.0, np.ones((2, 2))], "row negated")[1][0, 0] == -1
    assert plant.damaged({"a": 2.0, "b": 4.0}, "half as much again, first alone") == {"a": 3.0, "b": 4.0}
    assert plant.damaged({"a": 2.0, "b": 4.0}, "labels exchanged") == {"a": 4.0, "b": 2.0}
    flags = plant.damaged(pd.DataFrame({"a": [0.5, 1.0], "b": [True, False]}), "negated")
    assert flags["a"].tolist() == [-0.5, -1.0] and flags["b"].tolist() == [False, True]


@pytest.mark.parametrize("value", [
    2.5, np.arange(5.0), np.arange(30.0).reshape(2, 5, 3), np.arange(5) > 2, pd.Series(np.arange(5.0)), [1.0, 2.0, 4.0],
    pd.DataFrame(np.arange(15.0).reshape(5, 3)), {"x": np.eye(5), "y": {"z": 3.0}}, sparse.eye_array(5, format="csr")])
def test_every_mistake_that_fits_changes_the_value(value):
    assert plant.fitting(value)
    for mistake in plant.fitting(value):
        assert repr(plant.damaged(value, mistake)) != repr(value) or sparse.issparse(value), mistake


def test_what_no_mistake_fits_is_left_alone():
    for value in ("text", 3, None, len):
        assert plant.fitting(value) == [] and plant.damaged(value, "constant") is value


def test_code_mistakes_change_one_thing_each():
    found = dict(plant.code_mistakes("x = a * b + np.sqrt(c)\nprint(x * 2)"))
    assert set(found) == {"line 1: Add -> Sub", "line 1: Mult -> Div", "line 1: sqrt -> square"}
    assert "a / b + np.sqrt(c)" in found["line 1: Mult -> Div"]


def test_mistakes_follow_what_a_check_depends_on():
    cell = "noise = shown * 2\nprint(other)\nleft = f(data)\nclaims.check('one', left, 0)"
    assert plant.inputs(cell) == {"data", "f", "claims"}
    earlier = ["def g(x):\n    return x", "def f(x):\n    return g(x)", "def h(x):\n    return x"]
    assert plant.functions_called("y = f(1)", earlier).keys() == {"f", "g"}


def test_a_value_that_a_cell_assigns_can_be_damaged():
    versions = dict(plant.assigned_damaged("a = x\nfor i in range(2):\n    b = a + 1"))
    assert set(versions) == {"line 1, a", "line 3, b"}
    namespace = {"x": np.arange(4.0), "damaged_by_number": plant.damaged_by_number}
    exec(versions["line 1, a"], namespace)
    assert not np.array_equal(namespace["a"], namespace["x"])


def test_cells_that_need_other_processes_are_left_out():
    code = [(0, "client = Client(2)"), (1, "def m(v):\n    return client.map(v)"), (2, "y = m(1)"), (3, "z = 2")]
    assert plant.elsewhere(code) == {0, 1, 2} and plant.elsewhere(code[1:]) == set()


def test_a_mistake_that_never_ends_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(plant, "LIMIT", 0.5)
    monkeypatch.setattr(claims, "check", claims.check)
    path = tmp_path / "row.json"
    plant.in_a_child({"mistake": "m"}, lambda namespace, source: source, [(0, "while True:\n    pass")], {}, path)
    assert json.loads(path.read_text(encoding="utf-8"))["crashed"] == 1
