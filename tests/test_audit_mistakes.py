"""Mistakes in the audit, one at a time, each of which must turn a test red: a wrong bound, swapped tables, a lost sign.

Each row: the function, a text in it and what it becomes, a test of the other files, and its arguments.
"""

import ast
import inspect
import sys
import textwrap

import pytest
import test_audit as numbers
import test_audit_files as bad

MISTAKES = [
    # bounds and signs
    ("measure.interval", "z + np.log(kappa)", "z + kappa", numbers.test_the_interval_is_what_maps_reach, {"c": 0.2, "kappa": 2}),
    ("measure.interval", "z - np.log(kappa)", "z - np.log(kappa) / 2", numbers.test_the_interval_is_what_maps_reach, {"c": 0.2, "kappa": 2}),
    ("measure.sign_price", "np.arctanh(np.minimum", "2 * np.arctanh(np.minimum", numbers.test_numbers_of_one_table, {}),
    ("findings._turns", "measure.sign_price(cosines) < kappa", "measure.sign_price(cosines) > kappa", numbers.test_numbers_of_one_table, {}),
    ("findings._one_map", "bound=np.log(kappa)", "bound=np.log(kappa) / 2", numbers.test_any_matrix_is_found_with_its_kappa_and_its_bound, {}),
    ("findings._listed", "flip_threshold(case.items.take([i]), case.items.take([j]))", "flip_threshold(case.items.take([i]), case.items.take([i]))", numbers.test_listed_pairs, {}),
    ("measure.Map.of_pairs", "-((E - F)**2)", "((E - F)**2)", numbers.test_similarities_of_pairs_are_those_of_the_metric, {"metric": "l2", "values": None}),
    ("measure.Map.scores", "2 * S -", "S -", numbers.test_numbers_of_one_table, {}),
    # rows
    ("measure.scan", "(np.abs(E) < LARGEST).all", "(np.abs(E) < LARGEST).any", numbers.test_rows_that_are_not_finite_are_refused_or_left_out_aloud, {}),
    ("measure.scan", "finite & (length <= ZERO_ROW * length.max())", "length < 0", numbers.test_zero_rows_are_named, {}),
    ("measure.scan", "(E + 0.0)", "E", numbers.test_duplicates_are_named_and_opposite_zeros_are_equal, {}),
    ("measure.duplicates", "twins[np.concatenate(same)]", "twins", numbers.test_rows_of_one_hash_are_compared_entry_by_entry, {}),
    ("findings._usable", "np.flatnonzero(finite & ~zero)", "np.flatnonzero(finite)", numbers.test_zero_rows_are_named, {}),
    # conventions and neighbours
    ("measure.health", "np.exp(-np.sum(share * np.log(share)))", "np.exp(-np.sum(share**2 * np.log(share)))", numbers.test_numbers_of_one_table, {}),
    ("measure.conventions", "split_product(users.R, items.R", "split_product(items.R, users.R", numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.conventions", "project_back(one, users.R)", "project_back(one, items.R)", numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.conventions", '"centred, projected back": Map(items.mean, back)', '"centred, projected back": Map(plain, back)', numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.conventions", "inverse(items.R_centred)", "inverse(items.R)", numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.conventions", "np.diag(weight)", "np.diag(deviation)", numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.Rows.form", "T[0, 1:] / T[0, 0]", "T[0, 1:]", numbers.test_conventions_are_those_of_gauge, {}),
    ("measure.nearest", "total @ total - n", "total @ total + n", numbers.test_numbers_of_one_table, {}),
    ("measure.nearest", "S[mine, itself[mine] - at[0]] = -np.inf", "S[mine, itself[mine] - at[0]] = np.inf", numbers.test_neighbours_are_those_of_similarity, {"block": 100}),
    ("measure._better", "S > value[:, -1:]", "S > value[:, :1]", numbers.test_neighbours_are_those_of_similarity, {"block": 7}),
    ("measure.overlap", "(one[:, :, None] == other[:, None, :]).any(axis=2)", "(one == other)", numbers.test_numbers_of_one_table, {}),
    # users
    ("findings._both_tables", "balance[0] / balance[-1]", "balance[0]", numbers.test_numbers_with_users, {}),
    ("findings._both_tables", "case.users.take(some.at)", "case.items.take(some.at)", numbers.test_numbers_with_users, {}),
    ("findings._both_tables", "plain.mean()", "centred.mean()", numbers.test_numbers_with_users, {}),
    # versions
    ("measure.fit", "max(10 *", "max(1e9 *", numbers.test_negated_short_rows_are_named, {"scaled": True}),
    ("measure.fit", "F + G", "F - G", numbers.test_negated_short_rows_are_named, {"scaled": True}),
    ("measure.fit", "Fit(M, off / size,", "Fit(M, off,", numbers.test_negated_short_rows_are_named, {"scaled": True}),
    ("measure.prediction_change", "D - shift", "D + shift", numbers.test_a_translation_of_all_items_is_seen_by_no_softmax, {}),
    ("measure.prediction_change", "np.column_stack([P, O])", "np.column_stack([O, P])", numbers.test_scalings_of_one_model_have_equal_predictions_and_their_kappa, {"seed": 0}),
    ("findings._versions", "measure.fit(then, now", "measure.fit(now, then", numbers.test_a_lost_direction_is_no_invertible_map, {}),
    ("findings._matched", "before[j[np.argsort(i)]]", "before[np.sort(j)]", numbers.test_versions_are_matched_by_ids, {}),
    ("findings._matched", "np.intersect1d(new, before)", "new[:min(len(new), len(before))]", numbers.test_users_are_matched_row_by_row_whichever_are_zero, {}),
    ("findings._one_map", "s[0] / s[-1] if", "s[0] * s[-1] if", numbers.test_scalings_of_one_model_have_equal_predictions_and_their_kappa, {"seed": 0}),
    ("findings._one_map", "<= tolerance * s[0]}", "<= 10 * s[0]}", numbers.test_any_matrix_is_found_with_its_kappa_and_its_bound, {}),
    ("findings._one_map", "UNRELATED * left", "2", numbers.test_an_unrelated_retraining_is_named, {}),
    ("findings._one_map", '"open": n <= k, ', "", numbers.test_where_any_two_tables_fit_no_map_is_claimed, {}),
    ("findings._predictions", "plain.max() <= tolerance", "np.median(plain) <= tolerance", numbers.test_negated_short_rows_are_named, {"scaled": True}),
    ("findings._moved", "side.maps[name]) for side", "case.maps[name]) for side", numbers.test_scalings_of_one_model_have_equal_predictions_and_their_kappa, {"seed": 0}),
    ("findings._moved", "value >= threshold", "value > -threshold", numbers.test_a_threshold_of_yesterday, {}),
    # known pairs
    ("known.auc", "np.cumsum(no) - no / 2", "np.cumsum(no)", numbers.test_ties_count_half, {}),
    ("known._best", "0.025) <= 0", "0.025) <= -1", numbers.test_a_similarity_that_is_no_better_is_not_called_better, {}),
    ("known.findings", "(similar, ~similar)", "(~similar, similar)", numbers.test_levels_are_quantiles_of_both_kinds, {}),
    ("known.threshold_for", "good[-1] if", "good[0] if", numbers.test_threshold_by_definition, {"aim": "precision", "wanted": 0.8}),
    ("known.threshold_for", "last & reached", "reached", numbers.test_threshold_by_definition, {"aim": "precision", "wanted": 0.8}),
    ("known.resampled", "times.prod(axis=1)", "times.sum(axis=1)", numbers.test_thresholds_are_tried_on_pairs_of_items_that_were_not_redrawn, {}),
    ("known.resampled", "(times == 0).all", "(times == 0).any", numbers.test_thresholds_are_tried_on_pairs_of_items_that_were_not_redrawn, {}),
    ("known.pairs_of_labels", "share / most", "0.5 / most", numbers.test_labels_stand_for_all_pairs, {}),
    # files and gates
    ("files._npz", "allow_pickle=False", "allow_pickle=True", bad.test_a_bad_file_is_refused_in_one_line, {"name": "pickled.npz"}),
    ("files.check_unique", "not again.size", "True", bad.test_a_bad_file_is_refused_in_one_line, {"name": "twice.csv"}),
    ("command._condition", "isnan(value) or ", "", numbers.test_what_could_not_be_computed_meets_every_condition, {}),
]


def edited(function, old, new):
    """The code of a function with a mistake in it."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {function.__qualname__}"
    tree = ast.parse(source.replace(old, new))
    names = {}
    exec(compile(tree, "<mistake>", "exec"), function.__globals__, names)
    return plain(names[function.__name__]).__code__


def plain(function):
    """The function behind a cached property."""
    return getattr(function, "func", function)


@pytest.mark.parametrize("path, old, new, test, given", MISTAKES, ids=[f"{row[0]}-{n}" for n, row in enumerate(MISTAKES)])
def test_a_mistake_turns_a_test_red(path, old, new, test, given, request, monkeypatch):
    module, *names = path.split(".")
    function = sys.modules[f"cosim.audit.{module}"]
    for name in names:
        function = plain(getattr(function, name))
    fixtures = {name: numbers.a_model() if name == "model" else request.getfixturevalue(name)
                for name in inspect.signature(test).parameters if name not in given}
    given = {name: numbers.METRICS[given["metric"]] if name == "values" else value for name, value in given.items()}
    monkeypatch.setattr(function, "__code__", edited(function, old, new))
    with pytest.raises((AssertionError, ValueError, RuntimeWarning)):
        test(**fixtures, **given)


saved = numbers.saved  # the tests of the command need its files
model = numbers.model
