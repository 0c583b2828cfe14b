"""Claims can fail: the mistakes planted by mutations/plant.py, a sample of them again, and what they must have reached."""

import csv
import json
import os
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim import claims

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "mutations"))
import plant

SAMPLE = {"the-question": 8, "index": 4, "first-objective": 3}  # quick chapters, and how many mistakes are made again


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


RESULTS, COUNTS = table(plant.RESULTS), {row["claim"]: row for row in table(plant.COUNTS)}
DONE = {row["chapter"] for row in RESULTS}


def evidence():
    """The claims that count as evidence, in the chapters in which mistakes were planted."""
    return [name for name, claim in claims.ledger()["claims"].items()
            if claim["status"] != "not testable" and claim["kind"] != "definition" and claim["chapter"] in DONE]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="mistakes are planted in forked processes")
@pytest.mark.parametrize("chapter", SAMPLE)
def test_a_sample_turns_the_same_claims_red(chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "check", claims.check)  # put back in the end what the planting replaces
    rows = {row["mistake"]: row for row in RESULTS if row["chapter"] == chapter and row["red"]}
    step = max(1, len(rows) // SAMPLE[chapter])
    sample = sorted(rows)[::step][:SAMPLE[chapter]]
    plant.plant(chapter, tmp_path, only=sample)
    for name in sample:
        again = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert again["what"] == rows[name]["what"]
        assert again["red"] == rows[name]["red"], name


def test_counts_are_those_of_the_mistakes():
    rows = [{**row, "reached": row["reached"], "red": row["red"]} for row in RESULTS]
    recounted = {row["claim"]: row for row in plant.counts(rows)}
    for name in set(recounted) & set(COUNTS):
        assert (str(recounted[name]["reached"]), str(recounted[name]["red"])) == (COUNTS[name]["reached"], COUNTS[name]["red"])


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


def test_damage_is_done_to_a_copy():
    matrix = np.arange(12.0).reshape(4, 3)
    for mistake in plant.fitting(matrix):
        before = matrix.copy()
        assert not np.array_equal(plant.damaged(matrix, mistake), before) and np.array_equal(matrix, before)
    assert plant.damaged(np.array([3, 1, 2]), "permuted").sum() == 6
    runs = pd.DataFrame({"method": ["a", "b"], "seed": [0, 1]})
    assert plant.damaged(runs, "names exchanged")["method"].tolist() == ["b", "a"] and runs["method"].tolist() == ["a", "b"]
    assert plant.damaged([1.0, np.ones((2, 2))], "row negated")[1][0, 0] == -1


def test_code_mistakes_change_one_thing_each():
    found = dict(plant.code_mistakes("x = a * b + np.sqrt(c)\nprint(x * 2)"))
    assert set(found) == {"line 1: Add -> Sub", "line 1: Mult -> Div", "line 1: sqrt -> square"}
    assert "a / b + np.sqrt(c)" in found["line 1: Mult -> Div"]
