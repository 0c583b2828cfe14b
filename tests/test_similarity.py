"""Eq. 4: cosines of rows."""

import numpy as np
import pytest
from scipy import linalg, sparse

import cosim

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
    np.testing.assert_array_equal(E, normal())
    assert not np.shares_memory(S, E)


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
