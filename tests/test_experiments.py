"""The multi-seed studies: their files are what the code gives, and an interrupt loses nothing."""

import importlib
import itertools
import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments"))
import conventions
import losses
import run
import simulation

DATA = files("cosim") / "data"
KEY = ["study", "setting", "method", "seed"]
STUDIES = [importlib.import_module(name) for name in run.STUDIES]
# Other builds of BLAS round differently: a few pairs of 499,500 change order, now and then an item its cluster.
TOLERANCE = {"ari": 0.05}
# Hundreds of training steps carry a rounding further.
TOLERANCE |= dict.fromkeys(["cosine", "correlation", "top", "unexplained", "mapped", "back", "truth"], 0.02)
TOLERANCE["neighbours"] = 0.05
# Orthonormal items without their mean have many directions of the same length: which is the first is a matter of rounding.
ROUNDED, ANY_DIRECTION = ("conventions", "first direction dropped", "B^T B = I"), 0.1
# Of each study: function, setting, seed, and how many of its rows are computed anew (None: all).
SAMPLES = {
    "simulation": [
        ("figure1", "fixed", 3, None), ("figure1", "concentration 3", 19, None), ("sensitivity", "max_items 50", 7, None),
        ("sensitivity", "activity_exponent 1", 0, None), ("retrieval", "default", 5, None),
        ("recovery", "default", 11, 24), ("remedies", "default", 2, 9)],
    # Only settings with one minimum: which of several a start finds is a matter of rounding.
    "losses": [("starts", "squared, k = 3", 4, None), ("starts", "softmax, k = 20", 2, None),
               ("starts", "one encoder, squared, decay, k = 20", 7, None)],
    "conventions": [("conventions", "default", 3, 4), ("scalings", "default", 8, 3)],
    "repeated": [("items", "default", 4, None), ("users", "default", 9, None), ("flat", "default", 13, None),
                 ("ranks", "fixed", 6, None), ("active", "max_items 900, concentration 3", 17, 20)],
    "towers": [("towers", "teacher", 3, None)],
    "films": [("knobs", "small", 3, None), ("films", "all", 5, 20)],
    "causes": [("simulated", "40 clusters, active users", 3, None)],
    "choices": [("stored", "simulation", 6, None), ("stored", "films", 2, None), ("knobs", "small", 8, None),
                ("choices", "50 clicks", 4, None), ("digits", "k = 50", 1, None), ("simulation", "default", 7, None)],
}
TINY = [("sensitivity", "default", seed) for seed in range(12)]


def stored(study):
    return pd.read_csv(DATA / f"{study.__name__}.csv", dtype={"setting": str}).set_index(KEY)


@pytest.mark.parametrize("study, name, setting, seed, rows", [
    (study, *sample) for study in STUDIES for sample in SAMPLES[study.__name__]])
def test_sample_of_the_file_is_recomputed(study, name, setting, seed, rows):
    table, count = stored(study), 0
    for row in itertools.islice(getattr(study, name)(setting, seed), rows):
        kept = table.loc[tuple(row[part] for part in KEY)]
        least = ANY_DIRECTION if tuple(row[part] for part in KEY[:3]) == ROUNDED else 0.002
        for column in set(study.COLUMNS) - set(KEY) - set(getattr(study, "SMALL", ())):
            value = np.nan if row.get(column) is None else float(row[column])
            np.testing.assert_allclose(value, kept[column], rtol=0, atol=TOLERANCE.get(column, least),
                                       err_msg=f"{row}: {column}")
        count += 1
    assert count == rows or (rows is None and count > 0)


@pytest.mark.parametrize("study", STUDIES)
def test_file_holds_every_seed_once_and_is_sorted(study):
    table = stored(study)
    assert study.COLUMNS[:4] == run.KEY and table.index.is_unique
    assert list(table.index) == sorted(table.index, key=lambda key: (*key[:3], key[3]))
    assert list(table.columns) == study.COLUMNS[4:]
    assert set(table.index.get_level_values("seed")) == {seed for _, _, seed in study.tasks()}
    assert table.groupby(["study", "setting", "method"]).size().min() >= 10


def test_simulation_has_every_variant():
    table = stored(simulation)
    per_seed = table.groupby(["study", "setting", "method"]).size()
    few = per_seed.index.get_level_values("study") == "sensitivity"
    assert (per_seed[few] == 10).all() and (per_seed[~few] == 20).all()
    for part, settings in (("figure1-variants", simulation.FIGURE1_VARIANTS), ("sensitivity", simulation.VARIANTS)):
        assert set(table.loc[part].index.get_level_values("setting")) == set(settings)


@pytest.mark.parametrize("study", STUDIES)
def test_settings_seeds_and_versions_are_recorded(study):
    recorded = json.loads((DATA / f"{study.__name__}.json").read_text(encoding="utf-8"))
    assert set(recorded["libraries"]) == set(study.LIBRARIES) and recorded["python"]
    now = json.loads(json.dumps(run.record(study)))
    for machine in ("libraries", "python"):
        del recorded[machine], now[machine]
    assert recorded == now


def test_small_numbers_keep_their_digits():
    assert run._plain(0.000012345, False) == 0 and run._plain(0.000012345, True) == 0.0000123


def test_unknown_study_is_refused():
    with pytest.raises(SystemExit, match="STUDIES must be among .*simulation.*; got loses"):
        run.main(["loses"])


def test_published_block_means_are_whole():
    published = simulation.published()
    assert set(published) == set("2345")
    for means in published.values():
        assert means.shape == (5, 5) and (0 <= means).all() and (means <= 1).all()
        np.testing.assert_allclose(means, means.T, atol=0.011)


def test_block_means_clip_and_count_the_diagonal():
    S = np.array([[1, 0.5, -0.2], [0.5, 1, 0.1], [-0.2, 0.1, 1]])
    np.testing.assert_allclose(simulation.block_means(S, np.array([0, 0, 1])), [[0.75, 0.05], [0.05, 1]])


def test_hidden_items_are_a_fifth_and_nothing_is_lost():
    X = simulation.cosim.simulate_clicks(300, 40, 3, rng=np.random.default_rng(0), max_items=30).X
    train, hidden = simulation.hold_out(X, np.random.default_rng(1))
    assert abs(train + hidden - X).max() == 0
    np.testing.assert_array_equal(hidden.sum(axis=1), X.sum(axis=1) // 5)


def test_recall_by_hand():
    scores = np.arange(30.0)[None]
    known, hidden = np.zeros((1, 30), dtype=bool), np.zeros((1, 30))
    known[0, 29] = True  # already known: not recommended, so item 9 moves into the top 20
    hidden[0, [9, 8]] = 1
    assert simulation.recall(scores, known, hidden) == 0.5


@pytest.mark.parametrize("k", losses.WIDTHS)
def test_gradients_of_all_losses_against_differences(k):
    rng, data = np.random.default_rng(0), losses.draw(0)
    for name, model in losses.models(k):
        theta, direction = rng.normal(size=(2, model.size))
        slope = model(theta, data)[1] @ direction
        above, below = (model(theta + step * direction, data)[0] for step in (1e-6, -1e-6))
        np.testing.assert_allclose((above - below) / 2e-6, slope, rtol=1e-5, err_msg=name)


def test_two_ends_of_one_balanced_model_have_its_cosines():
    rng = np.random.default_rng(1)
    W = rng.normal(size=(losses.USERS, 4)) @ rng.normal(size=(4, losses.ITEMS))
    root = losses.root(W)
    np.testing.assert_allclose(root @ root.T @ root @ root.T, W.T @ W, atol=1e-8)
    assert losses.apart([np.eye(2), np.eye(2), [[1, 0.25], [0, 1]]]) == 0.25
    assert losses.apart([np.eye(2)]) == 0


def test_health_by_hand():
    assert conventions.effective_rank(np.diag([2.0, 2.0, 2.0])) == pytest.approx(3)
    assert conventions.isotropy(np.vstack([np.eye(3), -np.eye(3)])) == pytest.approx(1)
    assert conventions.isotropy(np.ones((5, 1))) == pytest.approx(np.exp(-2))
    S = np.random.default_rng(3).normal(size=(30, 30))
    S += S.T
    lists = [sorted(set(range(30)) - {i}, key=lambda j: -S[i, j])[:10] for i in range(30)]
    counts = np.array([sum(j in near for near in lists) for j in range(30)])
    third, second = (np.mean((counts - counts.mean()) ** power) for power in (3, 2))
    assert conventions.hubness(S) == pytest.approx(third / second**1.5)


def test_first_direction_is_gone():
    E = np.random.default_rng(2).normal(size=(40, 4)) * [9, 2, 1, 1] + 5
    rest = conventions.without_first(E)
    np.testing.assert_allclose(rest.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.svd(rest, compute_uv=False)[:3],
                               np.linalg.svd(E - E.mean(axis=0), compute_uv=False)[1:])


def tiny(task, study, folder):
    simulation.N, simulation.P, simulation.K, simulation.VARIANTS["default"] = 200, 40, 10, dict(max_items=20)
    run.work(task, study, folder)


def interrupt_at_third_update(bar, n=1):
    bar.n += n
    if bar.n == 3:
        raise KeyboardInterrupt


def test_resumes_after_an_interrupt_without_loss(tmp_path, monkeypatch):
    folder, whole = tmp_path / "interrupted", tmp_path / "whole"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run.tqdm, "update", interrupt_at_third_update)
        run.run(simulation, folder, job=tiny, processes=1, todo=TINY)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert 3 <= len(before)
    (folder / "sensitivity-default-4.99.partial").write_text("[{", encoding="utf-8")  # what a killed process leaves behind

    run.run(simulation, folder, job=tiny, processes=1, todo=TINY)
    assert len(list(folder.glob("*.json"))) == len(TINY)
    assert before == {path: path.stat().st_mtime_ns for path in before}  # nothing was done twice

    run.run(simulation, whole, job=tiny, processes=1, todo=TINY)
    for place in (folder, whole):
        assert run.assemble(simulation, place, place, TINY) == 6 * len(TINY)
    for name in ("simulation.csv", "simulation.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
