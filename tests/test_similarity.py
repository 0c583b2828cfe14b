"""Eq. 4: cosines of rows, and nearest rows."""

import tracemalloc

import numpy as np
import pytest
from scipy import linalg, sparse

import cosim
from cosim import similarity
from cosim._checks import TIE_DECIMALS

TOL = 1e-10


def normal(n=7, p=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def by_definition(E, F):
    return np.array([[e @ f / np.sqrt((e @ e) * (f @ f)) for f in F] for e in E])


@pytest.mark.parametrize("as_e", [np.asarray, np.ndarray.tolist, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("as_f", [np.asarray, sparse.csc_array])
def test_cosine_is_its_definition(as_e, as_f):
    E, F = normal(), normal(5, seed=1)
    for S, expected in [(cosim.cosine_similarity(as_e(E), as_f(F)), by_definition(E, F)),
                        (cosim.cosine_similarity(as_e(E)), by_definition(E, E))]:
        assert type(S) is np.ndarray and S.dtype == np.float64
        np.testing.assert_allclose(S, expected, atol=TOL)


def test_cosines_stay_in_the_interval():
    S = cosim.cosine_similarity(np.outer(np.linspace(-3, 3, 40), [0.1, 0.2, 0.3]))
    assert S.min() == -1 and S.max() == 1
    np.testing.assert_allclose(np.abs(S), 1, rtol=TOL)


@pytest.mark.parametrize("change", [
    lambda E: 7 * E, lambda E: E * np.linspace(0.1, 9, 7)[:, None], lambda E: E @ linalg.qr(normal(4, 4))[0],
    lambda E: E * [1, -1, -1, 1], lambda E: 1e-200 * E, lambda E: 1e140 * E, lambda E: np.hstack([E, 0 * E])],
    ids=["scalar", "row scales", "rotation", "signs", "tiny", "huge", "zero columns"])
def test_cosine_does_not_change(change):
    np.testing.assert_allclose(cosim.cosine_similarity(change(normal())), by_definition(normal(), normal()),
                               atol=TOL)


def test_eq4_with_D_and_Omega_written_out():
    """The three similarities of Eq. 4, with D and the normalizing Omega as matrices."""
    X, A, B, d = normal(9, 5, seed=1), normal(5, 3, seed=2), normal(5, 3, seed=3), np.array([3.0, 1, -0.2])
    D = np.diag(d)

    def omega(E):
        return np.diag([1 / np.sqrt(row @ row) for row in E])

    P, Q = X @ A @ D, B @ linalg.inv(D)
    A_D, B_D = cosim.rescale(cosim.Factors(A, B), d)
    cosine = cosim.cosine_similarity
    np.testing.assert_allclose(cosine(B_D), omega(Q) @ B @ linalg.inv(D @ D) @ B.T @ omega(Q), atol=TOL)
    np.testing.assert_allclose(cosine(X @ A_D), omega(P) @ X @ A @ D @ D @ (X @ A).T @ omega(P), atol=TOL)
    np.testing.assert_allclose(cosine(X @ A_D, B_D), omega(P) @ X @ A @ B.T @ omega(Q), atol=TOL)


def test_cosine_changes_with_D():
    assert np.abs(cosim.cosine_similarity(normal() / [5, 1, 1, 1]) - by_definition(normal(), normal())).max() > 0.5


def test_full_rank_cases_of_section_2_2():
    """B = V: the identity, and the dot product's ranking. B = V Sigma: the raw columns. A = V: raw users."""
    X, lam = normal(20, 6), 5.0
    spec = cosim.spectrum(X)
    factors = cosim.solve_product(spec, lam, 6)
    gain = spec.sigma**2 / (spec.sigma**2 + lam)
    A1, B1 = cosim.rescale(factors, np.sqrt(gain))
    A2, B2 = cosim.rescale(factors, 1 / np.sqrt(gain))
    cosine = cosim.cosine_similarity
    np.testing.assert_allclose(cosine(B1), np.eye(6), atol=TOL)
    np.testing.assert_array_equal(cosine(X @ A1, B1).argsort(), (X @ factors.A @ factors.B.T).argsort())
    np.testing.assert_allclose(cosine(X @ A2), cosine(X), atol=TOL)
    np.testing.assert_allclose(cosine(spec.V * spec.sigma), cosine(X.T), atol=TOL)


@pytest.mark.parametrize("length, ok", [(1e-9, True), (1e-11, True), (1e-13, False), (1e-16, False), (0, False)])
@pytest.mark.parametrize("scale", [1, 1e9, 1e-9])
@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_array])
def test_zero_rows_are_found_relatively(as_given, length, ok, scale):
    E = as_given(scale * np.array([[3.0, 4], [0, 5 * length], [1, 0]]))
    if ok:
        np.testing.assert_allclose(cosim.cosine_similarity(E)[1], [0.8, 1, 0], atol=TOL)
    else:
        with pytest.raises(ValueError, match=r"^E must be free of zero rows.*; got 1 of them: rows \[1\]"):
            cosim.cosine_similarity(E)


def test_the_longest_row_sets_the_scale_and_not_the_largest_entry():
    E = np.vstack([np.ones(10_000), np.full(10_000, 5e-13)])  # lengths 100 and 5e-11
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        cosim.cosine_similarity(E)


def test_arguments_are_left_alone():
    E, F = normal(), normal(seed=1)
    E.flags.writeable = F.flags.writeable = False
    S = cosim.cosine_similarity(E, F)
    cosim.cosine_similarity(E)[:] = 0
    cosim.nearest(E, 2, F)
    np.testing.assert_array_equal(E, normal())
    assert not np.shares_memory(S, E)


# --- nearest ---


def sorted_cosines(E, m, F=None):
    """By the definition: all cosines, rounded, and a stable sort, which leaves ties in the order of the rows."""
    S = by_definition(E, E if F is None else F)
    if F is None:
        np.fill_diagonal(S, -np.inf)
    index = np.argsort(-S.round(TIE_DECIMALS), axis=1, kind="stable")[:, :m]
    return index, np.take_along_axis(S, index, axis=1)


def close_pairs(n=60, k=5):
    """Rows of which many differ by less than float32 can tell, and by more than a tie."""
    rng = np.random.default_rng(2)
    return np.repeat(rng.normal(size=(n // 6, k)), 6, axis=0) + 1e-4 * rng.normal(size=(n, k))


NEAREST = {
    "random": normal(60, 5), "one direction": np.ones((60, 3)), "two": np.outer((-1.0) ** np.arange(60), [1, 2]),
    "duplicates": np.repeat(normal(20, 5), 3, axis=0), "grid": np.indices((8, 8)).reshape(2, -1).T[1:],
    "one column": normal(60, 1), "close": close_pairs(), "scales": normal(60, 5) * 10.0 ** np.linspace(-5, 5, 60)[:, None],
    "wide": normal(60, 1200)}


@pytest.mark.parametrize("m", [1, 7, 59])
@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("block", [1, 1000, 10**7])
@pytest.mark.parametrize("E", NEAREST.values(), ids=NEAREST)
def test_nearest_is_a_sort_of_all_cosines(E, block, as_given, m, monkeypatch):
    monkeypatch.setattr(similarity, "BLOCK", block)
    F = E[::-1].copy()
    for found, expected in [(cosim.nearest(as_given(E), m), sorted_cosines(E, m)),
                            (cosim.nearest(E[:9], m, as_given(F)), sorted_cosines(E[:9], m, F))]:
        np.testing.assert_array_equal(found.index, expected[0])
        np.testing.assert_allclose(found.cosine, expected[1], atol=1e-14)
        assert found.cosine.dtype == np.float64 and np.abs(found.cosine).max() <= 1


@pytest.mark.parametrize("k", [2, 128])
def test_nearest_where_float32_gets_the_order_wrong(k):
    E = np.repeat(normal(2, k), 1500, axis=0) + 1e-4 * normal(3000, k, seed=1)
    S = cosim.cosine_similarity(E[:50], E)
    rough = cosim.cosine_similarity(E[:50], E).astype(np.float32)
    expected = np.argsort(-S.round(TIE_DECIMALS), axis=1, kind="stable")[:, :10]
    assert (np.argsort(-rough, axis=1, kind="stable")[:, :10] != expected).any()
    np.testing.assert_array_equal(cosim.nearest(E[:50], 10, E).index, expected)


@pytest.mark.parametrize("E", [normal(20_000, 50), np.repeat(normal(40, 50), 500, axis=0)], ids=["random", "ties"])
def test_nearest_of_20000_rows_needs_no_large_matrix(E):
    tracemalloc.start()
    index = cosim.nearest(E, 10).index
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    some = slice(777, 797)
    S = cosim.cosine_similarity(E[some], E)
    S[np.arange(20), np.arange(777, 797)] = -np.inf
    np.testing.assert_array_equal(index[some], np.argsort(-S.round(TIE_DECIMALS), axis=1, kind="stable")[:, :10])
    assert peak < 350e6  # the matrix of all cosines takes 3.2 GB


@pytest.mark.parametrize("E, m, F, message", [
    (normal(), 0, None, "m must be a whole number in 1..6; got 0"),
    (normal(), 7, None, "m must be a whole number in 1..6; got 7"),
    (normal(), 6, normal(5), "m must be a whole number in 1..5; got 6"),
    (normal(), 2.0, None, "m must be a whole number in 1..6; got 2.0"),
    (normal(1), 1, None, "m must be a whole number in 1..0; got 1"),
    (normal(), 1, np.ones((2, 3)), "E and F must be of one width; got widths 4 and 3"),
    (np.eye(4)[:, :3], 1, None, "E must be free of zero rows, which have no direction; got 1 of them: rows [3]")])
def test_errors_of_nearest(E, m, F, message):
    with pytest.raises(ValueError) as caught:
        cosim.nearest(E, m, F)
    assert str(caught.value).startswith(message)


# --- errors ---

@pytest.mark.parametrize("E, F, message", [
    (normal(), np.ones((2, 3)), "E and F must be of one width; got widths 4 and 3"),
    (np.zeros((3, 4)), None, "E must be free of zero rows, which have no direction; got 3 of them: rows [0 1 2]"),
    (normal(), [[0, 0, 0, 0], [1, 1, 1, 1]], "F must be free of zero rows, which have no direction; got 1"),
    ([1, 2], None, "E must be a matrix with at least one row and column; got shape (2,)"),
    (normal(), [[1, np.nan, 0, 0]], "F must be finite; got 1 entries"),
    ([["a"]], None, "E must be made of real numbers; got dtype <U1"),
    ([[1], [1, 2]], None, "E must be rectangular; got rows of different lengths")])
def test_errors(E, F, message):
    with pytest.raises(ValueError) as caught:
        cosim.cosine_similarity(E, F)
    assert str(caught.value).startswith(message)
