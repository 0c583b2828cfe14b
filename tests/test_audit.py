"""The audit: every number against something independent, planted faults found and named, invariances, files, report, command."""

import json
import re
import subprocess
import sys
from fnmatch import fnmatch

import numpy as np
import pytest
from guards import BOOK
from scipy import stats

import cosim
from cosim import audit, gauge
from cosim.audit import command, findings, known, measure, sentences
from cosim.audit.command import main

N, M, K = 300, 200, 6


def a_model():
    """Users and items with groups of items, and rows of very different lengths."""
    rng = np.random.default_rng(5)
    group = np.arange(N) % 5
    Q = (rng.normal(size=(N, K)) + 2 * rng.normal(size=(5, K))[group]) * np.geomspace(2, 0.5, K) * rng.lognormal(0, 0.5, size=(N, 1))
    return rng.normal(size=(M, K)) * np.geomspace(3, 0.4, K), Q, group


@pytest.fixture
def model():
    return a_model()


def run(items, seed=0, **given):
    return audit(items, rng=np.random.default_rng(seed), **given)


def finding(found, name):
    return next(entry for entry in found.findings if entry.name == name)


def cos(E, i, j):
    return E[i] @ E[j] / np.sqrt(E[i] @ E[i] * (E[j] @ E[j]))


def all_pairs(E):
    S = cosim.cosine_similarity(E)
    return S[np.triu_indices(len(E), 1)]


# --- numbers against something independent ------------------------------------------------------


def test_numbers_of_one_table(model):
    P, Q, _ = model
    numbers = run(Q).numbers
    z = np.abs(np.arctanh(all_pairs(Q)))
    for kappa in (1.5, 2, 5):
        assert numbers[f"flip_share_{kappa:g}"] == np.mean(z < np.log(kappa))
    s = np.linalg.svd(Q, compute_uv=False)
    assert numbers["effective_rank"] == pytest.approx(np.exp(stats.entropy(s / s.sum())), rel=1e-10)
    assert numbers["condition"] == pytest.approx(np.linalg.cond(Q), rel=1e-10)
    assert numbers["mean_cosine"] == pytest.approx(all_pairs(Q).mean(), abs=1e-12)
    for metric in ("dot", "l2"):
        assert run(Q, metric=metric).numbers["mean_cosine"] == numbers["mean_cosine"]
    S = cosim.cosine_similarity(Q)
    for name, other in (("dot", Q @ Q.T), ("l2", -((Q[:, None] - Q) ** 2).sum(axis=2))):
        assert numbers[f"overlap_{name}"] == pytest.approx(brute_overlap(S, other), abs=1e-12)


def brute_overlap(S, T, m=10):
    S, T = S.copy(), T.copy()
    np.fill_diagonal(S, -np.inf), np.fill_diagonal(T, -np.inf)
    return np.mean([len(set(np.argsort(-a)[:m]) & set(np.argsort(-b)[:m])) / m for a, b in zip(S, T)])


def test_conventions_are_those_of_gauge(model):
    P, Q, _ = model
    maps = measure.conventions(measure.Rows(Q).form, measure.Rows(P).form)
    centred = Q - Q.mean(axis=0)
    expected = {"as served": Q, "unit variance": gauge.unit_variance(Q), "orthonormal": np.linalg.svd(Q, full_matrices=False)[0],
                "centred": centred, "centred, whitened": gauge.whiten(Q), "balanced": gauge.split_product(P, Q, 0.5)[1],
                "projected back": cosim.project_back(Q, P), "centred, projected back": cosim.project_back(centred, P)}
    assert list(maps) == list(expected)
    for name, table in expected.items():
        np.testing.assert_allclose(maps[name](Q) @ maps[name](Q).T, cosim.cosine_similarity(table), atol=1e-10, err_msg=name)
        after = measure.form_after(measure.Rows(Q).form, maps[name])
        unscaled = (Q - maps[name].shift) @ maps[name].M
        np.testing.assert_allclose(after.T @ after, unscaled.T @ unscaled, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind, error", [(np.float16, 1e-7), (np.float32, 1e-7), (np.float64, 1e-13)])
def test_the_triangle_has_the_digits_of_the_table(kind, error):
    E = (np.random.default_rng(0).normal(size=(500, K)) * np.geomspace(1, 1e-4, K) + 1).astype(kind)
    form = measure.Rows(E).form
    centred = E.astype(float) - E.astype(float).mean(axis=0)
    for R, table in ((form.R, E.astype(float)), (form.R_centred, centred)):
        s = np.linalg.svd(table, compute_uv=False)
        np.testing.assert_allclose(np.linalg.svd(R, compute_uv=False), s, atol=error * s[0], rtol=0)
    np.testing.assert_allclose(form.mean, E.astype(float).mean(axis=0), rtol=1e-12)


def test_overlaps_of_conventions_by_brute_force(model):
    P, Q, _ = model
    numbers = run(Q, users=P).numbers
    S = cosim.cosine_similarity(Q)
    for name, table in (("balanced", gauge.split_product(P, Q, 0.5)[1]), ("projected_back", cosim.project_back(Q, P)),
                        ("centred", Q - Q.mean(axis=0)), ("unit_variance", gauge.unit_variance(Q)),
                        ("centred_projected_back", cosim.project_back(Q - Q.mean(axis=0), P))):
        assert numbers[f"overlap_{name}"] == pytest.approx(brute_overlap(S, cosim.cosine_similarity(table)), abs=1e-12), name


def test_numbers_with_users(model):
    P, Q, _ = model
    numbers = run(Q, users=P).numbers
    W = np.linalg.inv(np.linalg.cholesky(Q.T @ Q))
    values = np.linalg.eigvalsh(W @ P.T @ P @ W.T)
    assert numbers["balance"] == pytest.approx(np.sqrt(values[-1] / values[0]), rel=1e-8)
    scores, cosines = P @ Q.T, P @ (Q / np.linalg.norm(Q, axis=1, keepdims=True)).T
    same = [len(set(np.argsort(-a)[:10]) & set(np.argsort(-b)[:10])) / 10 for a, b in zip(scores, cosines)]
    assert numbers["overlap_user_ranking"] == pytest.approx(np.mean(same), abs=1e-12)
    assert numbers["projected_back_mean"] == pytest.approx(all_pairs((P @ Q.T).T).mean(), abs=1e-10)


@pytest.mark.parametrize("power, said", [(0.5, "are balanced"), (0.3, "are not balanced")])
def test_balance_is_a_trace_of_decay_on_both(model, power, said):
    P, Q, _ = model
    P, Q = gauge.split_product(P, Q, power)
    found = finding(run(Q, users=3 * P), "balance")
    assert said in found.says and bool(found.do) == (power != 0.5)
    assert (found.numbers["balance"] < 1 + 1e-6) == (power == 0.5)


def reach(c, kappa, rng):
    """Cosines of a pair of cosine c after many maps of condition number kappa, the best ones among them."""
    b, d = np.array([1.0, 0.0]), np.array([c, np.sqrt(1 - c**2)])
    angles = np.concatenate([np.linspace(0, np.pi, 721), rng.uniform(0, np.pi, 500)])
    for angle in angles:
        u = np.array([np.cos(angle), np.sin(angle)])
        A = np.eye(2) + (kappa - 1) * np.outer(u, u)
        yield A @ b @ A @ d / np.linalg.norm(A @ b) / np.linalg.norm(A @ d)


@pytest.mark.parametrize("c", [-0.9, -0.3, 0.0, 0.2, 0.7])
@pytest.mark.parametrize("kappa", [1.5, 2, 5])
def test_the_interval_is_what_maps_reach(c, kappa):
    low, high = measure.interval(c, kappa)
    found = np.array(list(reach(c, kappa, np.random.default_rng(0))))
    assert low - 1e-12 <= found.min() <= low + 1e-4 and high - 1e-4 <= found.max() <= high + 1e-12
    turns = measure.sign_price(c)
    lowest, highest = measure.interval(c, turns)
    assert min(abs(lowest), abs(highest)) < 1e-12


def test_listed_pairs(model):
    P, Q, _ = model
    table = finding(run(Q, pairs=[[0, 1], [7, 2]]), "pairs").table
    for (i, j), row in zip([(0, 1), (7, 2)], table[1:]):
        c = cos(Q, i, j)
        assert row[:3] == (str(i), str(j), f"{c:.3f}")
        assert row[3:6] == tuple("{:.2f} to {:.2f}".format(*np.tanh(np.arctanh(c) + np.log(kappa) * np.array([-1, 1]))) for kappa in (1.5, 2, 5))
        assert row[6:] == (f"{np.exp(abs(np.arctanh(c))):.3g}", f"{gauge.flip_threshold(Q[[i]], Q[[j]])[0, 0]:.3g}")


METRICS = {"cosine": cosim.cosine_similarity, "dot": lambda E: E @ E.T, "l2": lambda E: -((E[:, None] - E)**2).sum(axis=2)}


@pytest.mark.parametrize("metric, values", METRICS.items())
def test_similarities_of_pairs_are_those_of_the_metric(model, metric, values):
    P, Q, _ = model
    old = Q[:, ::-1] / 2
    moved = np.abs(values(Q) - values(old))[np.triu_indices(N, 1)]
    found = run(Q, metric=metric, previous=old, threshold=-0.1)
    assert found.numbers["moved_as_served"] == pytest.approx(moved.mean(), rel=1e-10)
    sides = (values(Q) >= -0.1) != (values(old) >= -0.1)
    assert found.numbers["threshold_changed_sides"] == np.mean(sides[np.triu_indices(N, 1)])
    assert found.numbers["overlap_centred"] == run(Q).numbers["overlap_centred"]  # conventions are compared by cosine


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4", np.int16])
def test_number_types_agree(model, kind):
    P, Q, _ = model
    Q = (10 * Q).astype(kind)
    assert run(Q).numbers["mean_cosine"] == pytest.approx(all_pairs(Q.astype(float)).mean(), abs=1e-10)


def test_samples_agree_with_all_pairs_within_the_stated_error(model, monkeypatch):
    P, Q, _ = model
    exact = run(Q, users=P).numbers
    for name, value in {"ALL_PAIRS": 10, "PAIRS": 20_000, "ALL_ITEMS": 10, "QUERIES": 150}.items():
        monkeypatch.setattr(findings, name, value)
    outside = 0
    for seed in range(10):
        found = run(Q, seed, users=P)
        assert run(Q, seed, users=P) == found  # seeded
        for name in ("flip_share_1.5", "flip_share_2"):
            outside += abs(found.numbers[name] - exact[name]) > 1.96 * 0.5 / np.sqrt(20_000)
        kept = dict(finding(found, "conventions").table[1:])["projected back"]
        middle, error = map(float, kept.split(" ± "))
        outside += abs(middle - exact["overlap_projected_back"]) > error + 0.01
    assert outside <= 3 and "random pairs" in finding(found, "signs").rests_on


def test_blocks_do_not_matter(model, monkeypatch):
    P, Q, group = model
    monkeypatch.setattr(known, "RESAMPLES", 5)
    given = dict(users=P, previous=Q + 0.1, previous_users=P, labels=group.astype(str))
    one = run(Q, **given).numbers
    monkeypatch.setattr(measure, "BLOCK", 37)
    for name, value in run(Q, **given).numbers.items():
        assert value == pytest.approx(one[name], rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("block", [7, 100, 16_384])
def test_neighbours_are_those_of_similarity(model, monkeypatch, block):
    """Block by block from a file, as from the whole table in memory."""
    P, Q, _ = model
    monkeypatch.setattr(measure, "BLOCK", block)
    queries = np.array([0, 5, 50, 299])
    plain = measure.Map(np.zeros(K), np.eye(K))
    found, means = measure.nearest(measure.Rows(Q), Q[queries], {"": plain}, 10, queries)
    np.testing.assert_array_equal(found[""], cosim.nearest(Q, 10).index[queries])
    assert means[""] == pytest.approx(all_pairs(Q).mean(), abs=1e-12)
    users, _ = measure.nearest(measure.Rows(Q), P, {"": plain}, 10, None)
    np.testing.assert_array_equal(users[""], cosim.nearest(P, 10, Q).index)


# --- what is invariant and what is not ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_scalings_of_one_model_have_equal_predictions_and_their_kappa(model, seed):
    P, Q, _ = model
    d = np.random.default_rng(seed).lognormal(0, 1.5, size=K) * np.array([1, -1, 1, 1, -1, 1])
    P2, Q2 = cosim.rescale((P, Q), d)
    found = run(Q2, users=P2, previous=Q, previous_users=P)
    assert "equal" in finding(found, "predictions").says and found.numbers["prediction_change"] < 1e-12
    assert "diagonal" in finding(found, "one-map").says
    assert found.numbers["kappa"] == pytest.approx(np.abs(d).max() / np.abs(d).min(), rel=1e-8)
    for name in ("unit_variance", "orthonormal", "centred_whitened", "balanced", "projected_back", "centred_projected_back"):
        assert found.numbers[f"moved_{name}"] < 1e-10, name
    assert found.numbers["moved_as_served"] > 0.05 and found.numbers["moved_centred"] > 0.05


def test_any_matrix_is_found_with_its_kappa_and_its_bound(model):
    P, Q, _ = model
    A = np.random.default_rng(0).normal(size=(K, K))
    found = run(Q @ A, users=P @ np.linalg.inv(A).T, previous=Q, previous_users=P)
    assert "one matrix M" in finding(found, "one-map").says and found.numbers["kappa"] == pytest.approx(np.linalg.cond(A), rel=1e-8)
    bound = float(re.search(r"moved by at most ([\d.]+)\.", finding(found, "one-map").says)[1])
    moved = np.abs(np.arctanh(all_pairs(Q @ A)) - np.arctanh(all_pairs(Q)))
    assert moved.max() <= bound == pytest.approx(np.log(np.linalg.cond(A)), rel=0.01)
    assert found.numbers["moved_unit_variance"] > 0.01 > 1e-10 > found.numbers["moved_balanced"]


def test_a_translation_of_all_items_is_seen_by_no_softmax(model):
    P, Q, _ = model
    found = run(Q + np.ones(K), users=P, previous=Q, previous_users=P)
    assert "up to a constant per user" in finding(found, "predictions").says
    assert found.numbers["moved_projected_back"] > 0.01 and found.numbers["moved_centred_projected_back"] < 1e-10


# --- planted faults -----------------------------------------------------------------------------

IDS = np.array([f"film {i}" for i in range(N)])


def test_nothing_is_found_in_a_table_without_faults(model):
    P, Q, _ = model
    found = run(Q, users=P, previous=Q, previous_users=P, ids=IDS, previous_ids=IDS)
    assert {name: found.numbers[name] for name in ("zero_rows", "duplicate_rows", "not_finite_rows", "rows_off_the_map")} == dict.fromkeys(
        ("zero_rows", "duplicate_rows", "not_finite_rows", "rows_off_the_map"), 0)
    assert found.numbers["kappa"] == pytest.approx(1, abs=1e-10) and found.numbers["neighbour_overlap"] == 1


def test_zero_rows_are_named(model):
    P, Q, _ = model
    Q[[11, 40]] = 0
    Q[50] *= 1e-15
    found = run(Q, ids=IDS)
    assert found.numbers["zero_rows"] == 3 and "3 rows of items without a direction, so without a cosine, being zero (film 11, film 40, film 50)." in finding(found, "zero-rows").says
    assert found.about["items"].startswith("297 x 6")


def test_duplicates_are_named_and_opposite_zeros_are_equal(model):
    P, Q, _ = model
    Q[30] = Q[200]
    Q[31, 0], Q[7] = 0.0, Q[31] * 0
    Q[31] = [0.0, 1, 2, 3, 4, 5]
    Q[90] = [-0.0, 1, 2, 3, 4, 5]
    found = run(Q, ids=IDS)
    assert found.numbers["duplicate_rows"] == 2
    assert "film 200 = film 30" in finding(found, "duplicate-rows").says and "film 90 = film 31" in finding(found, "duplicate-rows").says


def test_rows_of_one_hash_are_compared_entry_by_entry(model):
    P, Q, _ = model
    Q[[7, 9]] = Q[0]
    assert measure.duplicates(measure.Rows(Q), np.zeros(N, np.uint64)).tolist() == [[7, 0], [9, 0]]


def test_rows_that_are_not_finite_are_refused_or_left_out_aloud(model):
    P, Q, _ = model
    Q[[3, 8], 1] = np.nan, np.inf
    with pytest.raises(ValueError, match="items must be finite; got 2 rows with NaN, infinity or a number above 1e150: film 3, film 8"):
        run(Q, ids=IDS)
    found = run(Q, ids=IDS, leave_out=True)
    assert found.numbers["not_finite_rows"] == 2 and finding(found, "not-finite-rows").says == "Left out of all that follows: 2 rows of items with NaN, infinity or a number above 1e150 (film 3, film 8)."
    assert found.numbers["mean_cosine"] == pytest.approx(all_pairs(np.delete(Q, [3, 8], axis=0)).mean(), abs=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
def test_negated_short_rows_are_named(model, scaled):
    P, Q, _ = model
    d = np.geomspace(1, 4, K) if scaled else np.ones(K)
    Q[[20, 120]] *= 1e-5
    new = Q / d
    new[[20, 120]] *= -1
    found = run(new, users=P * d, previous=Q, previous_users=P, ids=IDS, previous_ids=IDS)
    assert found.numbers["rows_off_the_map"] == found.numbers["rows_turned"] == 2
    assert "Of the opposite sign among them: 2 (film 20, film 120)." in finding(found, "off-the-map").says
    assert found.numbers["kappa"] == pytest.approx(4 if scaled else 1, rel=1e-8)  # the two do not spoil the map
    assert found.numbers["prediction_change"] == pytest.approx(2, rel=1e-6)  # of an item's own, however short its row
    assert found.numbers["residual_largest"] == pytest.approx(2, rel=1e-6)
    assert "changed" in finding(found, "predictions").says and set(finding(found, "predictions").says.split("most for ")[1].split(", ")[:2]) == {"film 20", "film 120"}


def test_the_same_table_is_called_the_same(model):
    P, Q, _ = model
    found = run(Q, previous=Q)
    assert finding(found, "one-map").says == "The new vectors are the old ones, for all items." and not finding(found, "one-map").do
    assert "are those of before, for all that were looked at" in finding(found, "neighbours").says and not finding(found, "neighbours").do
    assert "a rotation and a factor" in finding(run(-Q, previous=Q), "one-map").says


def test_where_any_two_tables_fit_no_map_is_claimed():
    rng = np.random.default_rng(0)
    few = run(rng.normal(size=(5, 6)), previous=rng.normal(size=(5, 6)))
    assert finding(few, "one-map").says == "Whether one matrix takes the old table to the new one cannot be told: 5 items in 6 dimensions always have one."
    some = run(rng.normal(size=(8, 6)), previous=rng.normal(size=(8, 6)))
    assert "unrelated training" in finding(some, "one-map").says  # though the fit leaves half of the residual


def test_users_are_matched_row_by_row_whichever_are_zero(model):
    P, Q, _ = model
    d = np.geomspace(1, 3, K)
    new, old = P * d, P.copy()
    new[3], old[70] = 0, 0
    found = run(Q / d, users=new, previous=Q, previous_users=old)
    assert found.numbers["prediction_change"] < 1e-12 and found.numbers["zero_rows_of_users"] == found.numbers["zero_rows_of_previous_users"] == 1


def test_an_item_that_no_user_sees_does_not_hide_a_change(model):
    P, Q, _ = model
    P[:, 0], Q[8] = 0, np.eye(K)[0]
    new = Q.copy()
    assert run(new, users=P, previous=Q, previous_users=P).numbers["prediction_change"] < 1e-12
    new[8] = Q[9]
    assert run(Q, users=P, previous=new, previous_users=P).numbers["prediction_change"] == np.inf


def test_a_table_rotated_alone_is_named(model):
    P, Q, _ = model
    turn = stats.ortho_group.rvs(K, random_state=0)
    found = run(Q @ turn, users=P, previous=Q, previous_users=P)
    assert "one table was rotated alone" in finding(found, "predictions").says and "a rotation and a factor" in finding(found, "one-map").says
    both = run(Q @ turn, users=P @ turn, previous=Q, previous_users=P)
    assert "are equal" in finding(both, "predictions").says and both.numbers["moved_as_served"] < 1e-12


def test_swapped_rows_are_named(model):
    P, Q, _ = model
    new = Q.copy()
    new[[5, 6]] = new[[6, 5]]
    found = run(new, previous=Q)
    assert found.numbers["rows_off_the_map"] == 2 and set(re.findall(r"\b[56]\b", finding(found, "off-the-map").says)) == {"5", "6"}


def test_a_wrong_metric_is_named(model):
    P, Q, _ = model
    assert "The metrics differ" in finding(run(Q, metric="l2"), "metric").says and "rank by l2" in finding(run(Q, metric="l2"), "metric").says
    assert finding(run(Q, users=P), "ranking").do.startswith("Recommend by the dot product")
    U = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    assert "rank these items alike" in finding(run(U), "metric").says and "is the same" in finding(run(U, users=P), "ranking").says


def test_an_unrelated_retraining_is_named(model):
    P, Q, _ = model
    found = run(np.random.default_rng(9).normal(size=(N, K)), previous=Q)
    assert "unrelated training" in finding(found, "one-map").says and found.numbers["neighbour_overlap"] < 0.2
    near = run(Q + 0.02 * np.random.default_rng(9).normal(size=(N, K)), previous=Q)
    assert "More changed than a rescaling" in finding(near, "one-map").says and "unrelated" not in finding(near, "one-map").says


def test_a_lost_direction_is_no_invertible_map(model):
    """It goes one way only: from the old table to the new one."""
    P, Q, _ = model
    for new in (Q * [1, 1, 0, 1, 1, 1], Q[:, :4]):
        lost = run(new, previous=Q)
        assert "no invertible one" in finding(lost, "one-map").says and lost.numbers["rows_off_the_map"] == 0
        assert "No one matrix" in finding(run(Q, previous=new), "one-map").says


def test_swapped_tables_do_not_pass(model):
    P, Q, _ = model
    same = run(Q, users=P).numbers
    assert run(P, users=Q).numbers["projected_back_mean"] != pytest.approx(same["projected_back_mean"], abs=1e-3)
    with pytest.raises(ValueError, match="previous must be a table of 200 rows, unless both have ids; got 300 rows"):
        run(P, users=Q, previous=Q)


def test_versions_are_matched_by_ids(model):
    P, Q, _ = model
    order = np.random.default_rng(1).permutation(N)[:250]
    found = run(Q, users=P, previous=Q[order] * 2, previous_users=P / 2, ids=IDS, previous_ids=IDS[order])
    assert finding(found, "matched").says == "Items in both versions: 250; new: 50; gone: 0. Matched by ids."
    assert found.numbers["kappa"] == pytest.approx(1, abs=1e-10) and found.numbers["prediction_change"] < 1e-12 and found.numbers["neighbour_overlap"] == 1


def test_a_threshold_of_yesterday(model):
    P, Q, _ = model
    new = Q / np.geomspace(1, 5, K)
    found = run(new, previous=Q, threshold=0.5)
    above, was = all_pairs(new) >= 0.5, all_pairs(Q) >= 0.5
    assert found.numbers["threshold_changed_sides"] == np.mean(above != was)
    assert f"{above.mean():.1%} of all pairs count as similar; {was.mean():.1%} did before" in finding(found, "threshold-carries").says


# --- known pairs --------------------------------------------------------------------------------


def test_auc_is_that_of_recovery(model):
    P, Q, group = model[0], model[1][:90], model[2][:90]
    i, j = np.triu_indices(90, 1)
    found = run(Q, users=P, pairs=np.column_stack([i, j]), similar=group[i] == group[j])
    S = cosim.cosine_similarity(Q)
    assert found.numbers["auc_as_served"] == pytest.approx(cosim.same_cluster_auc(S, group), abs=1e-12)
    table = {row[0]: float(row[1]) for row in finding(found, "which-similarity").table[1:]}
    assert table["projected back"] == pytest.approx(cosim.same_cluster_auc(cosim.cosine_similarity(cosim.project_back(Q, P)), group), abs=5e-4)
    assert table["dot product"] == pytest.approx(cosim.same_cluster_auc(Q @ Q.T, group), abs=5e-4)


def test_labels_stand_for_all_pairs(model):
    P, Q, group = model
    labels = np.array(["", *"abcde"])[group + 1]
    labels[:20] = ""
    found = run(Q, labels=labels).numbers
    S = cosim.cosine_similarity(Q[20:])
    assert found["auc_as_served"] == pytest.approx(cosim.same_cluster_auc(S, group[20:]), abs=0.015)
    i, j = np.triu_indices(N - 20, 1)
    level = found["threshold_as_served"]
    above = S[i, j] >= level
    assert found["precision_as_served"] == pytest.approx(np.mean((group[20:][i] == group[20:][j])[above]), abs=0.04)


def test_ties_count_half():
    similar = np.array([True, False, True, False])
    assert known.auc(known.dense_ranks(np.array([1.0, 1, 2, 0])), similar, np.ones(4)) == (0.5 + 1 + 1 + 1) / 4
    assert known.auc(np.array([0, 0, 1, 0]), similar, np.array([3.0, 1, 1, 1])) == (3 * 1 + 2) / 8


def test_levels_are_quantiles_of_both_kinds(model):
    P, Q, group = model[0], model[1][:90], model[2][:90]
    i, j = np.triu_indices(90, 1)
    same, S = group[i] == group[j], cosim.cosine_similarity(Q)[i, j]
    found = run(Q, pairs=np.column_stack([i, j]), similar=same)
    table = {row[0]: row[1:] for row in finding(found, "levels").table}
    assert table["as served"] == tuple("{:.2f}, {:.2f}, {:.2f}".format(*np.quantile(S[chosen], [0.05, 0.5, 0.95])) for chosen in (same, ~same))
    assert found.numbers["median_similar"] > found.numbers["median_other"]


@pytest.mark.parametrize("aim, wanted", [("precision", 0.8), ("precision", 1.0), ("recall", 0.7), ("recall", 1.0)])
def test_threshold_by_definition(aim, wanted):
    rng = np.random.default_rng(2)
    similar = rng.random(400) < 0.3
    values = (rng.normal(size=400) + 2 * similar).round(1)  # many ties
    weight = rng.uniform(0.5, 2, size=400)
    reached = {level: known.served_by(values, similar, weight, level)[aim == "recall"] for level in np.unique(values)}
    good = [level for level, value in reached.items() if value >= wanted - 1e-12]
    expected = None if not good else min(good) if aim == "precision" else max(good)
    assert known.threshold_for(values, similar, weight, aim, wanted) == expected


def test_a_similarity_that_is_no_better_is_not_called_better(model):
    """Of two tables that carry the same information, neither is "worse"."""
    P, Q, group = model
    found = finding(run(Q, labels=np.array(list("abcde"))[group]), "which-similarity")
    verdicts = {row[0]: row[3] for row in found.table[1:]}
    assert list(verdicts.values()).count("best") == 1
    noise = np.random.default_rng(3).normal(size=(200, 4))
    table = finding(run(noise, labels=np.array(list("ab"))[np.arange(200) % 2]), "which-similarity").table
    assert {row[3] for row in table[1:]} == {"best", "not separable"}


def grouped(n, rng):
    """Dot products that know two groups a little: pairs, whether they are of one group, values."""
    group = rng.integers(2, size=n)
    E = rng.normal(size=(n, 3)) + 1.2 * group[:, None]
    pairs = np.column_stack(np.triu_indices(n, 1))
    return pairs, group[pairs[:, 0]] == group[pairs[:, 1]], (E @ E.T)[tuple(pairs.T)]


def test_intervals_cover_the_truth():
    """95 % intervals of the AUC hold its value in the long run: here in at least 34 of 40 draws. Drawing pairs would not do."""
    pairs, similar, values = grouped(2000, np.random.default_rng(99))
    truth = known.auc(known.dense_ranks(values), similar, np.ones(len(values)))
    covered, by_pairs = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pairs, similar, values = grouped(60, rng)
        ranks, ones = known.dense_ranks(values), np.ones(len(values))
        again = [known.auc(ranks, similar, times) for times, _ in known.resampled(pairs, ones, rng)]
        low, high = np.quantile(again, [0.025, 0.975])
        covered += low <= truth <= high
        times = rng.multinomial(len(values), ones / len(values), size=50)
        low, high = np.quantile([known.auc(ranks, similar, t) for t in times], [0.025, 0.975])
        by_pairs += low <= truth <= high
    assert covered >= 34 > by_pairs


def test_thresholds_are_tried_on_pairs_of_items_that_were_not_redrawn():
    pairs = np.column_stack(np.triu_indices(30, 1))
    for times, unseen in known.resampled(pairs, np.ones(len(pairs)), np.random.default_rng(0), 50):
        drawn = np.unique(pairs[times > 0])
        assert not np.isin(pairs[unseen], drawn).any() and 0 < unseen.sum() < len(pairs) / 2
        assert np.isin(pairs[(times == 0) & ~unseen], drawn).any(axis=1).all()


# --- sentences ----------------------------------------------------------------------------------


def slugs(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    return {re.sub(r"[^\w\s-]", "", title.lower()).strip().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", sentences())
def test_every_sentence_has_grounds_a_place_in_the_book_and_something_to_do(name):
    entry = sentences()[name]
    page, _, anchor = entry["link"].partition("#")
    assert anchor in slugs(BOOK / page)
    assert {"part", "says", "rests_on", "link"} <= set(entry)
    calm = set(entry["says"]) == set(entry.get("at_rest", ()))
    assert calm or all(entry[field] for field in ("do", "effect", "verify"))
    assert set(entry.get("at_rest", ())) <= set(entry["says"])


@pytest.mark.parametrize("trained", sentences()["trained"]["says"])
def test_every_objective_says_what_it_fixes(model, trained):
    assert finding(run(model[1], trained=trained), "trained").says == sentences()["trained"]["says"][trained]


def test_no_finding_is_a_grade(model, monkeypatch):
    monkeypatch.setattr(known, "RESAMPLES", 5)
    P, Q, group = model
    found = run(Q, users=P, previous=Q, labels=group.astype(str))
    for entry in found.findings:
        assert not re.search(r"\b(score of|grade|healthy|passed|failed)\b", entry.says)


@pytest.mark.parametrize("given, message", [
    (dict(trained="sgd"), "trained must be one of unknown, dot"), (dict(metric="jaccard"), "metric must be one of cosine, dot, l2"),
    (dict(wanted=("f1", 0.5)), "wanted must be precision or recall"), (dict(wanted=("recall", 0)), "wanted must be precision or recall"),
    (dict(threshold=np.nan), "threshold must be a finite number"), (dict(users=np.ones((4, K + 1))), "users must be of the width of items, 6; got width 7"),
    (dict(ids=["a"]), "ids must be one for each of the 300 rows of items; got 1"), (dict(pairs=[[0, 300]]), "pairs must be row numbers in 0..299"),
    (dict(pairs=[[0, 1, 2]]), "pairs must be row numbers, shape (q, 2)"), (dict(pairs=[[0.5, 1]]), "pairs must be row numbers, shape (q, 2)"),
    (dict(pairs=[[0, 1]], similar=[True, False]), "similar must be one truth value for each of the pairs"),
    (dict(pairs=[[0, 1]], similar=[True]), "similar must be true for some pairs and false for others; got 1 of 1 true"),
    (dict(labels=["a"]), "labels must be one for each of the 300 rows"), (dict(labels=["a"] * N), "labels must be at least two"),
    (dict(labels=[str(i) for i in range(N)]), "labels must be at least two, one of them on two items"),
    (dict(previous=np.ones((4, K))), "previous must be a table of 300 rows"), (dict(previous_users=np.ones((5, K)), previous=np.ones((N, K))),
                                                                               "previous_users must be given with users")])
def test_arguments(model, given, message):
    with pytest.raises(ValueError) as caught:
        run(model[1], **given)
    assert str(caught.value).startswith(message)


def test_rng_is_a_generator(model):
    with pytest.raises(ValueError, match="rng must be a numpy.random.Generator"):
        audit(model[1], rng=0)


@pytest.mark.parametrize("items, message", [
    (np.ones(3), "items must be a matrix of at least two rows; got shape (3,)"), (np.ones((1, 3)), "items must be a matrix of at least two rows"),
    (np.zeros((3, 3)), "items must be a matrix with two rows that are not zero; got 0 such rows"), (np.array([["a"], ["b"]]), "items must be made of real numbers"),
    (np.ones((3, 2), complex), "items must be made of real numbers")])
def test_tables(items, message):
    with pytest.raises(ValueError) as caught:
        run(items)
    assert str(caught.value).startswith(message)


def test_narrow_and_small_tables():
    for table in ([[1.0], [2.0], [-1.0]], [[1.0, 0], [0, 1]], np.ones((4, 3)), [[1.0, 2, 3, 4], [2, 1, 0, 1], [5, 5, 5, 5]]):
        found = run(np.array(table), users=np.ones((3, np.shape(table)[1])), previous=np.array(table), previous_users=np.ones((3, np.shape(table)[1])))
        assert found.numbers["neighbour_overlap"] == 1


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def saved(model, tmp_path):
    P, Q, group = model
    np.save(tmp_path / "q.npy", Q)
    np.save(tmp_path / "p.npy", P)
    np.save(tmp_path / "old.npy", Q / np.geomspace(1, 3, K))
    np.save(tmp_path / "p-old.npy", P * np.geomspace(1, 3, K))
    (tmp_path / "ids.txt").write_text("\n".join(IDS), encoding="utf-8")
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{name},{g}\n" for name, g in zip(IDS, group)), encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("film 0,film 5,1\nfilm 0,film 1,0\nfilm 2,film 7,1\nfilm 3,film 9,0\n", encoding="utf-8")
    return tmp_path


def test_the_command_says_what_the_function_says(saved, model, capsys, monkeypatch):
    monkeypatch.setattr(known, "RESAMPLES", 20)
    P, Q, group = model
    arguments = ["audit", "q.npy", "--users", "p.npy", "--previous", "old.npy", "--previous-users", "p-old.npy", "--ids", "ids.txt", "--previous-ids", "ids.txt",
                 "--labels", "labels.csv", "--threshold", "0.5", "--trained", "dot", "--json", "out.json", "--seed", "3"]
    assert main([str(saved / a) if (saved / a).exists() or a == "out.json" else a for a in arguments]) == 0
    found = run(Q, 3, users=P, previous=Q / np.geomspace(1, 3, K), previous_users=P * np.geomspace(1, 3, K), ids=IDS, previous_ids=IDS,
                labels=group.astype(str), threshold=0.5, trained="dot")
    written = json.loads((saved / "out.json").read_text(encoding="utf-8"))
    assert written["numbers"] == found.numbers and written["about"] == found.about
    assert [entry["says"] for entry in written["findings"]] == [entry.says for entry in found.findings]
    text = capsys.readouterr().out
    assert all(entry.name in text for entry in found.findings) and max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize("conditions, status", [
    (["zero_rows>0"], 0), (["zero_rows>=0"], 1), (["neighbour_overlap<0.999"], 1), (["kappa > 2.9"], 1), (["kappa>3.1"], 0),
    (["zero_rows>0", "duplicate_rows>0"], 0), (["zero_rows>-1"], 1), (["zero_rows>=-1e300"], 1), (["flip_share_1.5>=0"], 1), (["rows_turned>0"], 0), (["kappa<inf"], 1), (["zero_rows>0", "prediction_change<1e-9"], 1), (["kappa<=3.0000001"], 1)])
def test_fail_if(saved, conditions, status, capsys):
    arguments = ["audit", str(saved / "q.npy"), "--users", str(saved / "p.npy"), "--previous", str(saved / "old.npy"), "--previous-users", str(saved / "p-old.npy"), "--quiet"]
    assert main(arguments + [part for condition in conditions for part in ("--fail-if", condition)]) == status
    assert bool(capsys.readouterr().err) == bool(status)


def test_what_could_not_be_computed_meets_every_condition(saved, capsys):
    """No level has the precision: a gate on it must not pass."""
    (saved / "hard.csv").write_text("0,1,0\n2,3,0\n4,5,0\n6,8,1\n", encoding="utf-8")
    np.save(saved / "hard.npy", np.repeat(np.eye(6), 2, axis=0)[:9] + np.eye(9, 6)[[0] * 9])
    E = np.load(saved / "hard.npy")
    E[[6, 8]] = [[1, 0, 0, 0, 0, 0], [-1, 0.1, 0, 0, 0, 0]]
    np.save(saved / "hard.npy", E)
    arguments = ["audit", str(saved / "hard.npy"), "--pairs", str(saved / "hard.csv"), "--quiet"]
    assert main(arguments) == 0
    assert main([*arguments, "--fail-if", "precision_as_served<0.5"]) == 1
    assert capsys.readouterr().err.endswith("fails, since precision_as_served<0.5: it is nan\n")


def test_every_number_is_documented(model, monkeypatch):
    monkeypatch.setattr(known, "RESAMPLES", 5)
    P, Q, group = model
    found = run(Q, users=P, previous=Q * np.arange(1, K + 1), previous_users=P, pairs=[[0, 1]], labels=group.astype(str), threshold=0.5)
    documented = command.documented()
    assert [name for name in found.numbers if not any(fnmatch(name, pattern) for pattern in documented)] == []
    assert [pattern for pattern in documented if not any(fnmatch(name, pattern) for name in found.numbers)] == []


def test_python_m_and_the_entry_point(saved):
    done = subprocess.run([sys.executable, "-m", "cosim", "audit", saved / "q.npy", "--fail-if", "zero_rows>=0"], capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and done.stdout.startswith("AUDIT OF EMBEDDINGS") and done.stderr == "cosim audit: fails, since zero_rows>=0: it is 0\n"
    done = subprocess.run([sys.executable, "-m", "cosim", "audit", saved / "no.npy"], capture_output=True, encoding="utf-8")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and "no.npy must be a file" in done.stderr


def test_an_interrupt_leaves_nothing_behind(saved, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr(measure, "nearest", interrupt)
    assert main(["audit", str(saved / "q.npy"), "--json", str(saved / "out.json"), "--html", str(saved / "out.html")]) == 130
    assert not (saved / "out.json").exists() and not (saved / "out.html").exists()
    assert capsys.readouterr().err == "cosim audit: interrupted, nothing written\n"


def test_the_bar_is_shown_where_it_is_asked_for(model, capsys):
    run(model[1], progress=True)
    assert "neighbours" in capsys.readouterr().err
