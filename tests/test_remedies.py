"""Section 3: identities, invariances, brute-force oracles on small dense data, errors."""

import numpy as np
import pytest
from scipy import sparse

import cosim


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def X(rng):
    X = (rng.random((60, 9)) < rng.uniform(0.1, 0.6, size=9)).astype(float)
    X[np.arange(9), np.arange(9)] = 1  # every item and every one of these users has a click
    X[:, 0] = np.where(X.sum(axis=1) == 0, 1, X[:, 0])
    return X


# --- project_back ---

def test_project_back_is_the_cosine_of_the_explicit_columns_and_rows(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    smoothed = X @ A @ B.T
    items, users = cosim.project_back(B, X @ A), cosim.project_back(X @ A, B)
    np.testing.assert_allclose(items @ items.T, smoothed.T @ smoothed, atol=1e-10)
    np.testing.assert_allclose(users @ users.T, smoothed @ smoothed.T, atol=1e-10)
    np.testing.assert_allclose(cosim.cosine_similarity(items), cosim.cosine_similarity(smoothed.T), atol=1e-12)


def test_project_back_does_not_see_an_invertible_map(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    M = rng.normal(size=(3, 3))
    one, other = cosim.project_back(B, X @ A), cosim.project_back(B @ np.linalg.inv(M).T, X @ A @ M)
    np.testing.assert_allclose(other @ other.T, one @ one.T, rtol=1e-8, atol=1e-8)


def test_project_back_with_fewer_rows_than_dimensions(rng):
    E, F = rng.normal(size=(5, 4)), rng.normal(size=(2, 4))
    Z = cosim.project_back(E, F)
    assert Z.shape == (5, 2)
    np.testing.assert_allclose(Z @ Z.T, E @ F.T @ F @ E.T, atol=1e-12)


def test_project_back_keeps_the_digits_of_a_badly_scaled_metric():
    # The root of F^T F would lose the second axis, 1e-10 of the first.
    F = np.diag([1.0, 1e-10])
    E = np.array([[1e-10, 1.0], [1e-10, -1.0]])
    S = cosim.cosine_similarity(cosim.project_back(E, F))
    np.testing.assert_allclose(S, [[1, 0], [0, 1]], atol=1e-12)


def test_project_back_rejects_different_widths():
    with pytest.raises(ValueError, match="E and F must be of one width; got widths 2 and 3"):
        cosim.project_back(np.ones((4, 2)), np.ones((4, 3)))


# --- standardize ---

@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_standardize_gives_mean_zero_and_variance_one(X, kind):
    given = kind(X)
    Z = cosim.standardize(given)
    np.testing.assert_allclose(Z, (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-12)
    np.testing.assert_array_equal(given.toarray() if sparse.issparse(given) else given, X)  # untouched


def test_standardize_is_blind_to_units_and_offsets(rng, X):
    moved = X * rng.uniform(0.1, 10, size=9) + rng.normal(size=9)
    np.testing.assert_allclose(cosim.standardize(moved), cosim.standardize(X), atol=1e-10)


def test_the_gram_of_standardized_data_is_n_times_the_correlation(X):
    Z = cosim.standardize(X)
    np.testing.assert_allclose(Z.T @ Z / len(X), np.corrcoef(X.T), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6 + 0.1])
def test_standardize_names_constant_columns(X, value):
    X[:, [2, 5]] = value
    with pytest.raises(ValueError, match=r"free of constant columns.*got 2 of them: columns \[2 5\]"):
        cosim.standardize(X)


# --- weight_by_propensity ---

@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_weights_are_the_inverse_share_of_users_to_a_power(X, kind, power):
    Z = cosim.weight_by_propensity(kind(X), power)
    assert sparse.issparse(Z) == (kind is not np.asarray)
    Z = Z.toarray() if sparse.issparse(Z) else Z
    for i in range(9):
        np.testing.assert_allclose(Z[:, i], X[:, i] / (X[:, i].sum() / 60) ** power)


def test_power_one_makes_every_item_equally_frequent(X):
    np.testing.assert_allclose(cosim.weight_by_propensity(X, 1).mean(axis=0), 1)


def test_power_one_half_makes_every_column_of_clicks_equally_long(X):
    np.testing.assert_allclose((cosim.weight_by_propensity(X, 0.5) ** 2).sum(axis=0), 60)


def test_weights_need_clicks_in_every_column(X):
    X[:, 3] = 0
    with pytest.raises(ValueError, match=r"without clicks.*columns \[3\]"):
        cosim.weight_by_propensity(sparse.csr_array(X), 1)
    with pytest.raises(ValueError, match="X must be >= 0; got -1.0"):
        cosim.weight_by_propensity(-X, 1)
    with pytest.raises(ValueError, match="power must be a finite number; got nan"):
        cosim.weight_by_propensity(X, np.nan)


# --- ppmi ---

@pytest.mark.parametrize("power", [0, 0.75, 1])
def test_ppmi_is_the_log_ratio_of_conditional_to_drawn_frequency(rng, power):
    C = rng.poisson(1.0, size=(6, 6)).astype(float) + np.eye(6)
    M = cosim.ppmi(sparse.csr_array(C), power)
    q = C.sum(axis=0) ** power / (C.sum(axis=0) ** power).sum()
    for i in range(6):
        for j in range(6):
            ratio = C[i, j] / C[i].sum() / q[j]
            assert M[i, j] == pytest.approx(max(0, np.log(ratio)) if ratio > 0 else 0, abs=1e-12)


def test_ppmi_of_independent_counts_is_zero(rng):
    C = np.outer(rng.uniform(1, 9, size=5), rng.uniform(1, 9, size=5))
    np.testing.assert_allclose(cosim.ppmi(C, 1), 0, atol=1e-12)


def test_ppmi_is_symmetric_for_power_one_and_free_of_units(rng):
    C = rng.poisson(2.0, size=(6, 6)) + 1.0
    C = C + C.T
    np.testing.assert_allclose(cosim.ppmi(C, 1), cosim.ppmi(C, 1).T, atol=1e-12)
    np.testing.assert_allclose(cosim.ppmi(C, 0.75), cosim.ppmi(1000 * C, 0.75), atol=1e-12)


def test_ppmi_rejects_what_has_no_distribution():
    with pytest.raises(ValueError, match=r"rows and columns of zeros.*got 1 of them: \[2\]"):
        cosim.ppmi([[0, 1, 0], [1, 0, 0], [0, 0, 0]], 1)
    with pytest.raises(ValueError, match="C must be >= 0"):
        cosim.ppmi([[0, -1], [1, 0]], 1)
    with pytest.raises(ValueError, match="C must be square"):
        cosim.ppmi(np.ones((2, 3)), 1)


# --- train_cosine ---

def cosine_loss(X, A, B, temperature, power):
    """The loss of the docstring, term by term."""
    q = X.sum(axis=0) ** power
    S = cosim.cosine_similarity(X @ A, B)
    log_p = S / temperature + np.log(q) - np.log((q * np.exp(S / temperature)).sum(axis=1))[:, None]
    return -np.mean(np.sum(X / X.sum(axis=1, keepdims=True) * log_p, axis=1))


@pytest.mark.parametrize("power", [0, 0.75])
def test_one_step_follows_the_numerical_gradient(rng, X, power):
    A, B = rng.normal(size=(2, 9, 3))
    rate, h = 1e-3, 1e-5
    stepped = cosim.train_cosine(X, A, B, temperature=0.5, power=power, steps=1, rate=rate, batch=60)
    for which in range(2):
        gradient = np.empty((9, 3))
        for at in np.ndindex(9, 3):
            ends = []
            for sign in (1, -1):
                pair = [A.copy(), B.copy()]
                pair[which][at] += sign * h
                ends.append(cosine_loss(X, *pair, 0.5, power))
            gradient[at] = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(((A, B)[which] - stepped[which]) / rate, gradient, atol=1e-8)


def test_training_lowers_the_loss_and_leaves_its_arguments(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    before = A.copy(), B.copy()
    trained = cosim.train_cosine(sparse.csr_array(X), A, B, temperature=0.5, power=0.75, steps=100, rate=5.0,
                                 batch=20)
    assert cosine_loss(X, *trained, 0.5, 0.75) < cosine_loss(X, A, B, 0.5, 0.75) - 0.05
    np.testing.assert_array_equal((A, B), before)


def test_batches_go_round_and_round(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    options = dict(temperature=0.5, power=0, rate=1.0, batch=40)
    thrice = cosim.train_cosine(X, A, B, steps=3, **options)
    for rows in (np.arange(40), np.r_[40:60, 0:20], np.arange(20, 60)):
        A, B = cosim.train_cosine(X[rows], A, B, steps=1, **options)
    np.testing.assert_allclose(thrice, (A, B), atol=1e-12)


def test_no_step_no_change(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    same = cosim.train_cosine(X, A, B, temperature=1, power=0, steps=0, rate=1, batch=1)
    np.testing.assert_array_equal(same, (A, B))


@pytest.mark.parametrize("wrong, message", [
    (dict(temperature=0), "temperature must be a finite number > 0"),
    (dict(rate=np.inf), "rate must be a finite number > 0"),
    (dict(steps=-1), "steps must be a whole number >= 0"),
    (dict(batch=61), "batch must be a whole number in 1..60"),
    (dict(power=[1, 2]), "power must be a finite number"),
    (dict(A=np.ones((4, 2)), B=np.ones((4, 2))), "A and B must be matrices of 9 rows"),
    (dict(A=np.ones((9, 2))), "A and B must be of one width"),
    (dict(A=np.ones((8, 3))), "A and B must be matrices of 9 rows, one per column of X; got 8 and 9 rows"),
    (dict(B=np.zeros((9, 3))), "A and B must be such that no embedding is zero"),
])
def test_train_cosine_names_what_is_wrong(rng, X, wrong, message):
    A, B = rng.normal(size=(2, 9, 3))
    arguments = dict(A=A, B=B, temperature=1, power=0, steps=1, rate=1, batch=10) | wrong
    with pytest.raises(ValueError, match=message):
        cosim.train_cosine(X, **arguments)


def test_train_cosine_needs_a_click_of_every_user(rng, X):
    A, B = rng.normal(size=(2, 9, 3))
    X[4] = 0
    with pytest.raises(ValueError, match="a click in every row"):
        cosim.train_cosine(X, A, B, temperature=1, power=0, steps=1, rate=1, batch=10)
