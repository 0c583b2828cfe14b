"""Eq. 1, 2, 3, 5, 6: closed forms put back into their equations, and against independent oracles."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import linalg, sparse
from scipy.optimize import minimize
from scipy.sparse.linalg import svds

import cosim
from cosim import Factors, Spectrum

TOL = 1e-10


def close(left, right, tol=TOL):
    """Equal up to `tol` of the largest entry."""
    np.testing.assert_allclose(left, right, rtol=0, atol=tol * np.abs(right).max())


def normal(n=30, p=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def planted(sigma, n=40, p=12, seed=0):
    """U diag(sigma) V^T with random orthonormal U and V."""
    rng = np.random.default_rng(seed)
    U, V = (linalg.qr(rng.normal(size=(m, len(sigma))), mode="economic")[0] for m in (n, p))
    return (U * sigma) @ V.T, V


def loss1(X, A, B, lam):
    return np.sum((X - X @ A @ B.T) ** 2) + lam * np.sum((A @ B.T) ** 2)


def loss2(X, A, B, lam):
    return np.sum((X - X @ A @ B.T) ** 2) + lam * (np.sum((X @ A) ** 2) + np.sum(B**2))


def grad1(X, A, B, lam):
    R = X - X @ A @ B.T
    return -2 * X.T @ R @ B + 2 * lam * A @ B.T @ B, -2 * R.T @ X @ A + 2 * lam * B @ A.T @ A


def grad2(X, A, B, lam):
    R = X - X @ A @ B.T
    return -2 * X.T @ R @ B + 2 * lam * X.T @ X @ A, -2 * R.T @ X @ A + 2 * lam * B


OBJECTIVES = {"product": (cosim.solve_product, cosim.loss_product, loss1, grad1, 15.0),
              "factors": (cosim.solve_factors, cosim.loss_factors, loss2, grad2, 2.0)}
objectives = pytest.mark.parametrize("solve, loss, dense_loss, grad, lam", OBJECTIVES.values(), ids=OBJECTIVES)
losses = pytest.mark.parametrize("loss, dense_loss", [(cosim.loss_product, loss1), (cosim.loss_factors, loss2)],
                                 ids=OBJECTIVES)
solvers = pytest.mark.parametrize("solve", [cosim.solve_product, cosim.solve_factors], ids=OBJECTIVES)


# --- spectrum ---

@pytest.mark.parametrize("n, p", [(30, 8), (8, 8), (6, 15), (1, 4), (4, 1)])
@pytest.mark.parametrize("as_given", [np.asarray, np.ndarray.tolist, sparse.csr_array, sparse.csc_matrix,
                                      sparse.coo_array])
def test_spectrum_is_the_svd(as_given, n, p):
    X = normal(n, p)
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    sigma, V = cosim.spectrum(as_given(X))
    close(sigma, s)
    close(np.abs(np.sum(V * Vt.T, axis=0)), np.ones(len(s)))  # the same directions up to sign
    close(V.T @ V, np.eye(len(s)))


@pytest.mark.parametrize("n", [50, 2000, 4500])  # below, at and beyond one slab
@pytest.mark.parametrize("values", [[1], [1, 2]], ids=["0/1", "counts"])
def test_spectrum_of_sparse_counts(n, values):
    rng = np.random.default_rng(1)
    X = rng.choice(values, size=(n, 7)) * (rng.random((n, 7)) < 0.3)
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    sigma, V = cosim.spectrum(sparse.csr_array(X))
    close(sigma, s)
    close((V * sigma**2) @ V.T, X.T @ X)
    assert sigma.dtype == V.dtype == np.float64


@pytest.mark.parametrize("make", [
    lambda: sparse.csr_array(([1.0, 1, 1], [0, 0, 1], [0, 2, 3]), shape=(2, 2)),  # an entry stored twice
    lambda: sparse.coo_array(([1, 1, 1], ([0, 0, 1], [0, 0, 1])), shape=(2, 2)),
    lambda: sparse.csr_array(([2.0, 0, 1], [0, 1, 1], [0, 2, 3]), shape=(2, 2)),  # a stored zero
])
def test_spectrum_reads_every_sparse_layout(make):
    close(cosim.spectrum(make()).sigma, [2, 1])


@pytest.mark.parametrize("k", [1, 3, 8])
def test_spectrum_of_k_is_the_head_of_the_full_one(k):
    full, head = cosim.spectrum(normal()), cosim.spectrum(normal(), k)
    assert head.V.shape == (8, k)
    close(head.sigma, full.sigma[:k])
    close(head.V, full.V[:, :k])


@pytest.mark.parametrize("sigma", [[10, 5, 2, 0.1], [1e6, 1e3, 1], [3.0], [1, 1e-5]])
def test_spectrum_finds_a_planted_one(sigma):
    X, V = planted(sigma)
    found = cosim.spectrum(X)
    assert len(found.sigma) == len(sigma)
    tol = 1e-15 * (sigma[0] / sigma[-1]) ** 2 + TOL / 10  # squaring halves the digits of small ones
    np.testing.assert_allclose(found.sigma, sigma, rtol=10 * tol)
    close(np.abs(found.V.T @ V), np.eye(len(sigma)), tol=1e-5 if tol > 1e-9 else TOL)


@pytest.mark.parametrize("ratio, rank", [(1e-6, 2), (1e-9, 1)])
def test_spectrum_leaves_out_what_squaring_hides(ratio, rank):
    assert len(cosim.spectrum(planted([1, ratio])[0]).sigma) == rank


@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("X, rank", [
    (np.repeat(normal(30, 4), 2, axis=1), 4),  # duplicate columns
    (np.hstack([normal(30, 4), np.zeros((30, 3))]), 4),  # never consumed
    (normal(5, 20), 5),  # wide
    (np.ones((6, 4)), 1),
    ((np.arange(60).reshape(20, 3) % 2 == 0), 2),  # 0/1 with columns 1 and 3 equal
], ids=["duplicates", "zeros", "wide", "ones", "bool"])
def test_spectrum_has_as_many_entries_as_the_rank(X, rank, as_given):
    sigma, V = cosim.spectrum(as_given(X))
    assert sigma.shape == (rank,) and V.shape == (X.shape[1], rank) and (sigma > 0).all()
    close((V * sigma**2) @ V.T, X.T.astype(float) @ X)
    with pytest.raises(ValueError, match=rf"^k must be at most the rank of X, {rank}; got {rank + 1}"):
        cosim.spectrum(as_given(X), rank + 1)


def blocks(shape, count, seed=0, copies=1):
    """Sparse X of blocks, each of them `copies` times, rows and columns shuffled; and its exact svd."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(count, *shape))
    X = sparse.block_diag(np.repeat(dense, copies, axis=0), format="csr")
    rows, columns = map(rng.permutation, X.shape)
    _, s, Vt = np.linalg.svd(dense, full_matrices=False)
    V = np.zeros((X.shape[1], X.shape[1] // shape[1] * min(shape)))
    V_in_place = sparse.block_diag(np.repeat(Vt.swapaxes(1, 2), copies, axis=0)).toarray()
    V[:] = V_in_place[columns]
    s = np.repeat(s, copies, axis=0).ravel()
    order = np.argsort(-s)
    return sparse.csr_array(X[rows][:, columns]), s[order], V[:, order]


@pytest.mark.parametrize("shape", [(3, 2), (2, 2), (2, 3)], ids=["tall", "square", "wide"])
@pytest.mark.parametrize("k", [1, 7, 40])
def test_spectrum_of_a_large_sparse_matrix(shape, k):
    """Some 4,500 on the smaller side: Lanczos, which must agree with the svd of every block."""
    X, s, V = blocks(shape, 2250)
    tracemalloc.start()
    found = cosim.spectrum(X, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found.sigma, s[:k], rtol=1e-12)
    close(np.abs(np.sum(found.V * V[:, :k], axis=0)), np.ones(k))
    close(found.V.T @ found.V, np.eye(k))
    assert peak < 30e6  # a Gram matrix of the smaller side would take 162 MB


@pytest.mark.parametrize("shape", [(3, 2), (2, 3)], ids=["tall", "wide"])
def test_lanczos_finds_every_copy_of_a_tied_value(shape, monkeypatch):
    monkeypatch.setattr(cosim.models, "BREAK_EVEN", 0)
    X, s, V = blocks(shape, 50, copies=5)
    sigma, found = cosim.spectrum(X, 15)
    np.testing.assert_allclose(sigma, s[:15], rtol=1e-12)
    close(found @ found.T, V[:, :15] @ V[:, :15].T)


@pytest.mark.parametrize("n, p", [(1200, 900), (900, 1200)])
@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("values", [[1], [1, 2]], ids=["0/1", "counts"])
def test_both_ways_to_the_spectrum_agree(n, p, as_given, values, monkeypatch):
    rng = np.random.default_rng(3)
    X = rng.choice(values, size=(n, p)) * (rng.random((n, p)) < np.linspace(0.01, 0.6, p))
    found = []
    for limit in (np.inf, 0):
        monkeypatch.setattr(cosim.models, "BREAK_EVEN", limit)
        found.append(cosim.spectrum(as_given(X), 20))
    np.testing.assert_allclose(found[0].sigma, found[1].sigma, rtol=1e-12)
    close(found[0].V, found[1].V)


@pytest.mark.parametrize("n, p", [(6000, 5000), (5000, 6000)])
def test_large_matrices_of_low_rank(n, p):
    X = sparse.csr_array((np.arange(1.0, 4), ([5, 9, 4000], [7, 77, 4500])), shape=(n, p))
    close(cosim.spectrum(X, 3).sigma, [3, 2, 1])
    with pytest.raises(ValueError, match=r"^k must be at most the rank of X, 3; got 8"):
        cosim.spectrum(X, 8)
    with pytest.raises(ValueError, match=r"^X must be different from zero; got entries of at most 0"):
        cosim.spectrum(0 * X, 8)


@pytest.mark.parametrize("shape, k", [((671, 9066), 50), ((200, 60_000), 5), ((60_000, 200), 5), ((3000, 4500), 3)])
def test_spectrum_forms_no_gram_of_the_larger_side(shape, k):
    X = sparse.random_array(shape, density=0.005, rng=np.random.default_rng(0))
    tracemalloc.start()
    sigma, V = cosim.spectrum(X, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(sigma, svds(X, k)[1][::-1], rtol=1e-12)
    close(V.T @ (X.T @ (X @ V)), np.diag(sigma**2), tol=1e-12)
    assert peak < 60e6  # 658 MB would be 9,066 x 9,066


def test_all_singular_values_of_a_wide_matrix():
    X = sparse.random_array((40, 30_000), density=0.01, rng=np.random.default_rng(0))
    sigma, V = cosim.spectrum(X)
    _, s, Vt = np.linalg.svd(X.toarray(), full_matrices=False)
    np.testing.assert_allclose(sigma, s, rtol=1e-12)
    close(np.abs(np.sum(V * Vt.T, axis=0)), np.ones(40))


def test_V_of_a_wide_matrix_is_orthonormal_down_to_the_last_value():
    sigma, V = cosim.spectrum(planted([1, 1e-2, 1e-4, 1e-5], 12, 40)[0])
    close(V.T @ V, np.eye(4), tol=1e-14)


@pytest.mark.parametrize("size", [8, 5000])  # both ways
@pytest.mark.parametrize("apart, said", [(0, True), (1e-13, True), (1e-6, False)])
def test_a_tie_at_k_is_said(size, apart, said):
    values = np.concatenate([[5, 3, 2, 2 - apart], np.linspace(1, 0.5, size - 4)])
    X = sparse.csr_array(sparse.diags_array(values))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.testing.assert_allclose(cosim.spectrum(X, 3).sigma, [5, 3, 2], rtol=1e-12)
    assert [str(w.message)[:24] for w in caught] == said * ["sigma_3 and sigma_4 are "]
    assert all(w.filename == __file__ for w in caught)
    close(cosim.spectrum(X, 4).sigma, values[:4])  # a tie within the first k leaves nothing open


def test_sign_of_V_is_a_convention():
    V = cosim.spectrum(normal()).V
    assert (V[np.abs(V).argmax(axis=0), np.arange(8)] > 0).all()
    close(cosim.spectrum(-normal()).V, V)
    close(cosim.spectrum(normal()[::-1]).V, V)


@pytest.mark.parametrize("X", [[[1, 1], [1, 0], [0, 1]], [[2, -1], [-1, 2]], [[1, 2], [2, 1]]])
def test_the_first_of_equally_large_entries_is_positive(X):
    assert (cosim.spectrum(X).V[0] > 0).all()


@pytest.mark.parametrize("c", [-3.0, 1e-8, 1e8])
def test_spectrum_under_scaling_and_rotation_of_users(c):
    Q = linalg.qr(normal(30, 30, seed=5))[0]
    sigma, V = cosim.spectrum(normal())
    scaled, rotated = cosim.spectrum(c * normal()), cosim.spectrum(Q @ normal())
    close(scaled.sigma, abs(c) * sigma)
    close(rotated.sigma, sigma)
    close(scaled.V, V)
    close(rotated.V, V)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32])
def test_small_number_types_do_not_overflow(dtype):
    X = (100 * np.array([[1, 1], [1, 0], [0, 1]])).astype(dtype)
    expected = np.linalg.svd(X.astype(float), compute_uv=False)
    F = Factors(np.eye(2), np.zeros((2, 2)))
    for given in (X, sparse.csr_array(X.astype(np.float32 if dtype == np.float16 else dtype))):
        close(cosim.spectrum(given).sigma, expected)
        close(cosim.loss_product(given, F, 1), np.sum(X.astype(float) ** 2))


# --- objective 1: Eq. 5 ---

@pytest.mark.parametrize("lam", [0.01, 1, 1e4])
@pytest.mark.parametrize("X", [normal(), np.repeat(normal(30, 4), 2, axis=1), normal(5, 12)],
                         ids=["full", "duplicates", "wide"])
def test_eq5_without_a_rank_limit_is_ridge(X, lam):
    spec = cosim.spectrum(X)
    A, B = cosim.solve_product(spec, lam, spec.sigma.size)
    gram = X.T @ X
    close(A @ B.T, np.linalg.solve(gram + lam * np.eye(len(gram)), gram))


@pytest.mark.parametrize("k", [1, 3, 8])
def test_eq5_is_the_eckart_young_optimum(k):
    X, lam = normal(), 7.0
    G = X.T @ X + lam * np.eye(8)
    root = linalg.sqrtm(G)
    U, s, Vt = np.linalg.svd(root @ np.linalg.solve(G, X.T @ X))
    best = np.linalg.solve(root, (U[:, :k] * s[:k]) @ Vt[:k])
    A, B = cosim.solve_product(cosim.spectrum(X), lam, k)
    close(A @ B.T, best)


def test_eq5_splits_evenly():
    spec = cosim.spectrum(normal())
    A, B = cosim.solve_product(spec, 4.0, 3)
    np.testing.assert_array_equal(A, B)
    assert not np.shares_memory(A, B) and A.shape == (8, 3)
    close(A.T @ A, np.diag(spec.sigma[:3] ** 2 / (spec.sigma[:3] ** 2 + 4)))


# --- objective 2: Eq. 6 ---

@pytest.mark.parametrize("lam", [0.5, 4, 6, 100])  # keeps all, some, few, none
@pytest.mark.parametrize("k", [1, 4, 8])
def test_eq6_is_soft_thresholding(lam, k):
    X = normal()
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    kept = np.maximum(s - lam, 0)[:k]
    A, B = cosim.solve_factors(cosim.spectrum(X), lam, k)
    np.testing.assert_allclose(X @ A @ B.T, (U[:, :k] * kept) @ Vt[:k], atol=TOL * s[0])
    np.testing.assert_allclose((X @ A).T @ (X @ A), np.diag(kept), atol=TOL * s[0])  # users and items
    np.testing.assert_allclose(B.T @ B, np.diag(kept), atol=TOL * s[0])  # carry the same diagonal
    assert np.count_nonzero(B.any(axis=0)) == np.count_nonzero(A.any(axis=0)) == np.count_nonzero(kept)


def test_eq6_switches_off_at_sigma_equal_lam():
    A, B = cosim.solve_factors(Spectrum(np.array([3.0, 2, 1]), np.eye(3)), 2.0, 3)
    close(A, np.diag([1 / 3, 0, 0]))  # sqrt(1/3 (1 - 2/3))
    close(B, np.diag([1.0, 0, 0]))  # sqrt(3 (1 - 2/3))


# --- both objectives ---

@objectives
@pytest.mark.parametrize("k", [1, 3, 8])
def test_closed_forms_make_the_gradient_zero(solve, loss, dense_loss, grad, lam, k):
    X = normal()
    factors = solve(cosim.spectrum(X), lam, k)
    for g in grad(X, *factors, lam):
        np.testing.assert_allclose(g, 0, atol=TOL * np.sum(X**2))


@objectives
@pytest.mark.parametrize("seed", range(4))
def test_no_optimizer_gets_lower(solve, loss, dense_loss, grad, lam, seed):
    X, k = normal(25, 6, seed), 2
    shape = (2, 6, k)

    def both(x):
        A, B = x.reshape(shape)
        return dense_loss(X, A, B, lam), np.ravel(grad(X, A, B, lam))

    factors = solve(cosim.spectrum(X), lam, k)
    closed = loss(X, factors, lam)
    start = np.random.default_rng(seed + 100).normal(size=shape).ravel()
    options = dict(maxiter=5000, maxfun=20000, maxcor=30, ftol=0, gtol=1e-9)
    found = minimize(both, start, jac=True, method="L-BFGS-B", options=options)
    A, B = found.x.reshape(shape)
    assert abs(found.fun - closed) <= TOL * closed
    close(A @ B.T, factors.A @ factors.B.T, tol=1e-5)  # flat at the minimum: the root of the loss's error


@objectives
def test_equivariance_to_a_scalar(solve, loss, dense_loss, grad, lam):
    X, c = normal(), 7.0
    power = 2 if solve is cosim.solve_product else 1  # lam is in units of sigma^2, or of sigma
    A, B = solve(cosim.spectrum(X), lam, 3)
    A2, B2 = solve(cosim.spectrum(c * X), c**power * lam, 3)
    close(A2 @ B2.T, A @ B.T)


@solvers
def test_solvers_use_the_leading_k(solve):
    spec = cosim.spectrum(normal())
    close(solve(spec, 1.0, 3).B, solve(spec, 1.0, 8).B[:, :3])
    close(solve(cosim.spectrum(normal(), 3), 1.0, 3).A, solve(spec, 1.0, 3).A)
    close(solve(tuple(m.tolist() for m in spec), 1.0, 3).A, solve(spec, 1.0, 3).A)


# --- losses and rescaling ---

@losses
@pytest.mark.parametrize("k", [1, 3, 8, 11])
def test_losses_are_their_definition(loss, dense_loss, k):
    X, A, B = normal() * (normal(seed=9) > 0), normal(8, k, 2), normal(8, k, 3)
    for given in (X, sparse.csr_array(X), sparse.csc_array(X), X.tolist()):
        value = loss(given, Factors(A, B), 3.0)
        assert isinstance(value, float)
        np.testing.assert_allclose(value, dense_loss(X, A, B, 3.0), rtol=TOL)


@losses
def test_losses_see_no_rotation_and_no_sign(loss, dense_loss):
    X, A, B = normal(), normal(8, 3, 1), normal(8, 3, 2)
    before = loss(X, Factors(A, B), 2.0)
    for R in (linalg.qr(normal(3, 3, 4))[0], np.diag([1, -1, -1])):
        np.testing.assert_allclose(loss(X, Factors(A @ R, B @ R), 2.0), before, rtol=TOL)


@pytest.mark.parametrize("d", [[2, 1, 0.5], [-3, 1, 1e3]])
def test_only_objective_1_is_blind_to_D(d):
    X = normal()
    spec = cosim.spectrum(X)
    for factors in (Factors(normal(8, 3, 1), normal(8, 3, 2)), cosim.solve_product(spec, 4.0, 3)):
        np.testing.assert_allclose(cosim.loss_product(X, cosim.rescale(factors, d), 4.0),
                                   cosim.loss_product(X, factors, 4.0), rtol=TOL)
    factors = cosim.solve_factors(spec, 1.0, 3)
    assert cosim.loss_factors(X, cosim.rescale(factors, d), 1.0) > 1.01 * cosim.loss_factors(X, factors, 1.0)


def test_rescale_multiplies_A_and_divides_B():
    factors, d = Factors(normal(8, 3, 1), normal(8, 3, 2)), [2.0, -4, 0.5]
    A, B = cosim.rescale(factors, d)
    np.testing.assert_array_equal(A, factors.A @ np.diag(d))
    np.testing.assert_array_equal(B, factors.B @ np.diag([0.5, -0.25, 2]))
    close(A @ B.T, factors.A @ factors.B.T)
    close(cosim.rescale(Factors(A, B), 1 / np.array(d)).A, factors.A)


@losses
def test_sparse_losses_never_densify(loss, dense_loss):
    """200,000 x 20,000: 32 GB if dense. A and B touch 5 items, so only those columns differ from X."""
    n, p, rng = 200_000, 20_000, np.random.default_rng(0)
    rows, cols = np.repeat(np.arange(n), 2), rng.integers(p, size=2 * n)
    cols[:3000] %= 5
    X = sparse.csr_array((np.ones(2 * n), (rows, cols)), shape=(n, p))
    A, B = np.zeros((2, p, 2))
    A[:5], B[:5] = rng.normal(size=(2, 5, 2))
    tracemalloc.start()
    value = loss(X, Factors(A, B), 3.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    head, rest = X[:, :5].toarray(), X[:, 5:]
    np.testing.assert_allclose(value, dense_loss(head, A[:5], B[:5], 3.0) + (rest.data**2).sum(), rtol=TOL)
    assert peak < 100e6


def frozen(*arrays):
    for a in arrays:
        (a.data if sparse.issparse(a) else a).flags.writeable = False
    return arrays


@pytest.mark.parametrize("as_given", [np.array, sparse.csr_array])
def test_arguments_are_left_alone(as_given):
    X, A, B, d = frozen(as_given(normal()), normal(8, 3, 1), normal(8, 3, 2), np.ones(3))
    spec = cosim.spectrum(X)
    frozen(*spec)
    for solve in (cosim.solve_product, cosim.solve_factors):
        assert not any(np.shares_memory(new, spec.V) for new in solve(spec, 1.0, 3))
    cosim.loss_product(X, Factors(A, B), 1.0)
    cosim.loss_factors(X, Factors(A, B), 1.0)
    assert not any(np.shares_memory(new, old) for new in cosim.rescale(Factors(A, B), d) for old in (A, B))
    np.testing.assert_array_equal(X.toarray() if sparse.issparse(X) else X, normal())


# --- errors: argument, rule, value ---

BAD_X = [
    ([1, 2], "a matrix with at least one row and column; got shape (2,)"),
    (np.ones((2, 2, 2)), "a matrix with at least one row and column; got shape (2, 2, 2)"),
    (np.empty((0, 2)), "a matrix with at least one row and column; got shape (0, 2)"),
    (sparse.coo_array(np.ones(3)), "a matrix with at least one row and column; got shape (3,)"),
    ([["a", "b"]], "made of real numbers; got dtype <U1"),
    ([[None, 1]], "made of real numbers; got dtype object"),
    (1j * np.eye(2), "made of real numbers; got dtype complex128"),
    (sparse.csr_array(1j * np.eye(2)), "made of real numbers; got dtype complex128"),
    ([[1, 2], [3]], "rectangular; got rows of different lengths"),
    ([[np.nan, 1], [np.inf, 1]], "finite; got 2 entries that are NaN, infinite or above 1e+150. Drop or impute"),
    (sparse.csr_array([[np.nan, 1]]), "finite; got 1 entries that are NaN, infinite or above 1e+150"),
    ([[1e200, 1]], "finite; got 1 entries that are NaN, infinite or above 1e+150"),
    (np.ma.masked_array([[1.0, 2]], mask=[[0, 1]]), "free of masked entries; got some"),
]
EYE = Factors(np.eye(2), np.eye(2))
MATRIX_CALLS = [("X", cosim.spectrum), ("X", lambda X: cosim.loss_product(X, EYE, 1)),
                ("X", lambda X: cosim.loss_factors(X, EYE, 1)),
                ("A", lambda A: cosim.rescale((A, np.eye(2)), [1, 1])),
                ("B", lambda B: cosim.rescale((np.eye(2), B), [1, 1])),
                ("A", lambda A: cosim.loss_product(np.eye(2), (A, np.eye(2)), 1)),
                ("V", lambda V: cosim.solve_product((np.ones(2), V), 1, 1)),
                ("V", lambda V: cosim.solve_factors((np.ones(2), V), 1, 1))]


def raises(message, call, *args):
    with pytest.raises(ValueError) as caught:
        call(*args)
    assert str(caught.value).startswith(message), str(caught.value)


@pytest.mark.parametrize("bad, rule", BAD_X, ids=[rule[:30] for _, rule in BAD_X])
@pytest.mark.parametrize("name, call", MATRIX_CALLS)
def test_matrix_errors(name, call, bad, rule):
    raises(f"{name} must be " + ("dense" if sparse.issparse(bad) and name != "X" else rule), call, bad)


@pytest.mark.parametrize("lam, rule", [
    (0, "a finite number > 0; got 0"), (-1.5, "a finite number > 0; got -1.5"),
    (np.nan, "a finite number > 0; got nan"), (np.inf, "a finite number > 0; got inf"),
    ([1, 2], "a finite number > 0; got [1, 2]"), ("1", "made of real numbers; got dtype <U1"),
    (None, "made of real numbers; got dtype object"), (1j, "made of real numbers; got dtype complex128")])
@pytest.mark.parametrize("call", [
    lambda lam: cosim.solve_product(Spectrum(np.ones(2), np.eye(2)), lam, 1),
    lambda lam: cosim.solve_factors(Spectrum(np.ones(2), np.eye(2)), lam, 1),
    lambda lam: cosim.loss_product(np.eye(2), EYE, lam), lambda lam: cosim.loss_factors(np.eye(2), EYE, lam)])
def test_lam_errors(call, lam, rule):
    raises(f"lam must be {rule}", call, lam)


@pytest.mark.parametrize("k", [0, -1, 4, 1.0, True, "1", [1], np.float64(2), np.nan], ids=repr)
@pytest.mark.parametrize("call", [
    lambda k: cosim.spectrum(np.diag([3.0, 2, 1]), k), lambda k: cosim.spectrum(sparse.eye_array(3), k),
    lambda k: cosim.solve_product(Spectrum(np.ones(3), np.eye(3)), 1, k),
    lambda k: cosim.solve_factors(Spectrum(np.ones(3), np.eye(3)), 1, k)])
def test_k_errors(call, k):
    raises(f"k must be a whole number in 1..3; got {k!r}", call, k)


@pytest.mark.parametrize("spec, message", [
    (None, "spec must be a Spectrum (sigma, V); got NoneType"),
    ((1, 2, 3), "spec must be a Spectrum (sigma, V); got tuple"),
    ((np.ones(3), np.eye(2)), "sigma must be a vector of 2 numbers; got shape (3,)"),
    (([1, np.nan], np.eye(2)), "sigma must be finite; got [ 1. nan]"),
    (([1, 0], np.eye(2)), "sigma must be > 0 and decreasing; got [1. 0.]"),
    (([1, -1], np.eye(2)), "sigma must be > 0 and decreasing; got [ 1. -1.]"),
    (([1, 2], np.eye(2)), "sigma must be > 0 and decreasing; got [1. 2.]")])
@solvers
def test_spectrum_argument_errors(solve, spec, message):
    raises(message, solve, spec, 1.0, 1)


@pytest.mark.parametrize("d, rule", [
    ([1, 0], "nonzero everywhere, so that D can be inverted; got zeros at [1]. Leave those"),
    ([1, np.nan], "finite; got [ 1. nan]"), ([1, np.inf], "finite; got [ 1. inf]"),
    ([1], "a vector of 2 numbers; got shape (1,)"), (2.0, "a vector of 2 numbers; got shape ()"),
    (np.eye(2), "a vector of 2 numbers; got shape (2, 2)"), (["1", "2"], "made of real numbers; got dtype <U1"),
    ([[1], [1, 2]], "rectangular; got rows of different lengths"), ([1, 1j], "made of real numbers; got dtype")])
def test_d_errors(d, rule):
    raises(f"d must be {rule}", cosim.rescale, EYE, d)


@pytest.mark.parametrize("factors, message", [
    (None, "factors must be a pair (A, B); got NoneType"),
    ((np.eye(2),) * 3, "factors must be a pair (A, B); got tuple"),
    (np.ones((2, 2, 2)), "factors must be a pair (A, B); got ndarray"),
    ((np.eye(2), np.ones((2, 1))), "A and B must be of one width; got widths 2 and 1")])
@pytest.mark.parametrize("call", [
    lambda factors: cosim.rescale(factors, [1, 1]), lambda factors: cosim.loss_product(np.eye(2), factors, 1),
    lambda factors: cosim.loss_factors(np.eye(2), factors, 1)])
def test_factor_errors(call, factors, message):
    raises(message, call, factors)


@losses
def test_losses_want_one_row_per_item(loss, dense_loss):
    raises("A and B must be matrices of 3 rows, one per column of X; got 2 and 2 rows", loss, np.ones((4, 3)), EYE, 1)


@pytest.mark.parametrize("X, largest", [(np.zeros((3, 2)), "0"), (sparse.csr_array((3, 2)), "0"),
                                        (np.full((3, 2), 1e-200), "1e-200")])
@pytest.mark.parametrize("k", [None, 1])
def test_spectrum_of_nothing(X, largest, k):
    raises(f"X must be different from zero; got entries of at most {largest}", cosim.spectrum, X, k)
