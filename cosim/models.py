r"""The two training objectives of Section 2 and their closed forms (Eq. 1, 2, 3, 5, 6).

X (n, p) holds n users and p items and is approximated by X A B^T with A and B (p, k). The closed
forms need of X only its singular values and right singular vectors, X = U diag(sigma) V^T.
"""

import warnings
from typing import NamedTuple

import numpy as np
import scipy  # and scipy.linalg when it is used: it takes as long to import as all the rest
from scipy import sparse

from ._checks import (check_factors, check_int, check_lam, check_matrix, check_spectrum, check_vector,
                      require)

# A Gram matrix beyond this size is formed only for all k. Below it, what is cheaper: about 0.1 ns m^3 to
# solve it whole, or 4 (k + 10) products with X^T X at 2 ns per stored entry.
LARGE = 4000
BREAK_EVEN = 80

# Rows of a sparse X that are dense at one time, and how much a product of two stored entries of a sparse X
# costs more than one of a dense X.
SLAB = 2000
FULL = 300

# V_k is certain to about eps / TIE when sigma_k^2 - sigma_{k+1}^2 is this share of sigma_1^2.
TIE = 1e-10

# Entries of V closer than this, relatively, count as equally large when the sign is chosen.
SAME = 1e-6


class Spectrum(NamedTuple):
    """sigma (r,), decreasing and > 0, and V (p, r) with orthonormal columns."""

    sigma: np.ndarray
    V: np.ndarray


class Factors(NamedTuple):
    """A (p, k) makes user embeddings X A; row i of B (p, k) is the embedding of item i."""

    A: np.ndarray
    B: np.ndarray


def spectrum(X, k: int | None = None) -> Spectrum:
    r"""Singular values and right singular vectors of X, largest first.

    .. math:: X^T X = V \,\mathrm{dMat}(\sigma_i^2)\, V^T

    They are eigenvalues and eigenvectors of a Gram matrix, which costs a
    fraction of an SVD: of X^T X, or of X X^T where n < p, with V from
    X^T U. Where it is small, or k is None, it is formed and solved whole;
    where it is large, Lanczos needs products with X only, and memory for
    X and 2 k vectors.

    Both give sigma_i to about eps (sigma_1 / sigma_i)^2, relative: 1e-12
    down to a hundredth of sigma_1. Squaring halves the digits of the *small*
    ones. Those below sigma_1 sqrt(max(n, p) eps), about 2e-6 sigma_1 at
    n = 20,000, cannot be told from zero here and are left out; use
    `numpy.linalg.svd` where they matter.

    Source: Section 2.2, the SVD of X. Lanczos: ARPACK, restarted until the
    residual is at rounding.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        The data; finite.
    k : int, optional
        How many to return, 1 <= k <= rank. Default: all that are not zero.

    Returns
    -------
    Spectrum
        sigma (k,) in the unit of X, decreasing and > 0, and V (p, k). The
        sign of a column is a convention: the first of its largest entries
        (up to rounding) is positive.

    Raises
    ------
    ValueError
        If X is not finite or is zero, or `k` is out of range.

    Warns
    -----
    UserWarning
        If sigma_k and sigma_{k+1} are so close that rounding decides which
        directions are among the first k.

    Examples
    --------
    >>> sigma, V = spectrum([[3, 0], [0, 2], [0, 0]])
    >>> sigma
    array([3., 2.])
    """
    X = check_matrix(X, "X")
    n, p = X.shape
    check_int(p if k is None else k, 1, p, "k")
    largest = max(X.max(), -X.min())
    require(largest**2 > 0, "X", "different from zero", f"entries of at most {largest:g}")

    squares, V = _leading(X if n >= p else X.T, k)
    rank = np.count_nonzero(squares > squares[0] * max(n, p) * np.finfo(float).eps)
    require(k is None or k <= rank, "k", f"at most the rank of X, {rank}", k, "Lower k")
    k = k or rank
    if k < rank and squares[k - 1] - squares[k] <= TIE * squares[0]:
        warnings.warn(f"sigma_{k} and sigma_{k + 1} are tied up to rounding, so that k = {k} leaves open which "
                      "directions are kept; cut elsewhere, or use only what no choice among them changes",
                      stacklevel=2)

    V = V[:, :k]
    if n < p:  # V held U so far, and v_i = X^T u_i / sigma_i; what is lost of right angles is put back
        V = X.T @ (V / np.sqrt(squares[:k]))
        V = V @ np.linalg.inv(np.linalg.cholesky(V.T @ V)).T
    first = [(size > (1 - SAME) * size.max()).argmax() for size in map(np.abs, V.T)]
    V *= np.sign(V[first, np.arange(k)])
    return Spectrum(np.sqrt(squares[:k]), V)


def _leading(X, k):
    """The k + 1 largest eigenvalues of X^T X (all of them for k=None) and their vectors; X is tall."""
    m = X.shape[1]
    entries = X.nnz if sparse.issparse(X) else X.size
    if k is None or 2 * k >= m or m <= LARGE and m**3 <= BREAK_EVEN * (k + 10) * (entries + k * m + 15_000):
        count = m if k is None else min(k + 1, m)
        squares, V = scipy.linalg.eigh(_gram(X), subset_by_index=[m - count, m - 1])
    else:
        from scipy.sparse.linalg import LinearOperator, eigsh  # for the same reason
        gram = LinearOperator((m, m), matvec=lambda v: X.T @ (X @ v), dtype=float)
        squares, V = eigsh(gram, k + 1, v0=np.random.default_rng(0).normal(size=m))
    order = np.argsort(-squares)
    return squares[order], V[:, order]


def _gram(X):
    """X^T X, dense. A full X is multiplied slab by slab; 0/1 in float32, which counts exactly below 2^24."""
    if not sparse.issparse(X):
        return X.T @ X
    X = sparse.csr_array(X)
    n, m = X.shape
    if FULL * np.sum(np.diff(X.indptr).astype(float)**2) < n * m**2:
        return (X.T @ X).toarray()
    dtype = np.float32 if n < 2**24 and (X.data == 1).all() else np.float64
    slabs = (X[i:i + SLAB].astype(dtype).toarray() for i in range(0, n, SLAB))
    return sum(slab.T @ slab for slab in slabs).astype(np.float64)


def solve_product(spec: Spectrum, lam: float, k: int) -> Factors:
    r"""Minimize objective 1, the penalty on the product, in closed form.

    .. math:: A B^T = V_k\,\mathrm{dMat}(w_i)_k V_k^T, \quad w_i = 1/(1 + \lambda/\sigma_i^2)

    Only the product is determined. This returns the even split A = B;
    `rescale` gives every other one, with the same loss and other cosines.

    Source: Eq. 1 and 5; closed form by Jin et al. (2021), arXiv:2105.12937.

    Parameters
    ----------
    spec : Spectrum
        sigma (r,) and V (p, r) of the data.
    lam : float
        Penalty weight, > 0, in units of sigma squared.
    k : int
        Latent dimensions, 1 <= k <= r.

    Returns
    -------
    Factors
        A (p, k) and B (p, k), equal to each other; row i belongs to item i.

    Raises
    ------
    ValueError
        If `lam` or `k` is out of range, or `spec` is not a spectrum.

    Examples
    --------
    >>> A, B = solve_product(spectrum([[2, 0], [0, 1], [0, 0]]), lam=4, k=2)
    >>> A @ B.T  # 1/(1 + 4/4) and 1/(1 + 4/1)
    array([[0.5, 0. ],
           [0. , 0.2]])
    """
    check_lam(lam)
    sigma, V = check_spectrum(spec)
    check_int(k, 1, sigma.size, "k")
    sigma, V = sigma[:k], V[:, :k]

    gain = 1 / (1 + lam / sigma**2)
    A = V * np.sqrt(gain)  # V_k dMat(gain)^(1/2): scales column i
    return Factors(A, A.copy())


def solve_factors(spec: Spectrum, lam: float, k: int) -> Factors:
    r"""Minimize objective 2, weight decay on each factor, in closed form.

    .. math::
        A &= V_k\,\mathrm{dMat}(\sqrt{(1 - \lambda/\sigma_i)_+ / \sigma_i})_k \\
        B &= V_k\,\mathrm{dMat}(\sqrt{(1 - \lambda/\sigma_i)_+ \, \sigma_i})_k

    Directions with sigma <= lam are switched off: their columns are zero.

    Source: Eq. 2 and 6; closed form by Zheng, Ding and Nie (2018), arXiv:1804.05090.

    Parameters
    ----------
    spec : Spectrum
        sigma (r,) and V (p, r) of the data.
    lam : float
        Penalty weight, > 0, in units of sigma (squared in `solve_product`).
    k : int
        Latent dimensions, 1 <= k <= r.

    Returns
    -------
    Factors
        A (p, k) and B (p, k); the columns of X A and of B have the same
        lengths sqrt((sigma - lam)_+).

    Raises
    ------
    ValueError
        If `lam` or `k` is out of range, or `spec` is not a spectrum.

    Examples
    --------
    >>> A, B = solve_factors(spectrum([[2, 0], [0, 1], [0, 0]]), lam=1, k=2)
    >>> A @ B.T  # 1 - 1/2 and 1 - 1/1
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    check_lam(lam)
    sigma, V = check_spectrum(spec)
    check_int(k, 1, sigma.size, "k")
    sigma, V = sigma[:k], V[:, :k]

    kept = np.maximum(0, 1 - lam / sigma)
    return Factors(V * np.sqrt(kept / sigma), V * np.sqrt(sigma * kept))


def rescale(factors: Factors, d) -> Factors:
    r"""Rescale the latent dimensions: another solution with the same product (Eq. 3).

    .. math:: \hat A^{(D)} = \hat A D, \qquad \hat B^{(D)} = \hat B D^{-1}

    Source: Eq. 3.

    Parameters
    ----------
    factors : Factors
        A (p, k) and B (p, k), or users P (n, k) and items Q (p, k).
    d : array, shape (k,)
        The diagonal of D; finite and nowhere zero.

    Returns
    -------
    Factors
        A D and B D^-1; the arguments are left as they are.

    Raises
    ------
    ValueError
        If the widths differ, or `d` has the wrong length or an entry that is zero or not finite.

    Examples
    --------
    >>> A, B = rescale(Factors(np.ones((1, 2)), np.ones((1, 2))), [2, 4])
    >>> A, B
    (array([[2., 4.]]), array([[0.5 , 0.25]]))
    """
    A, B = check_factors(factors)
    d = check_vector(d, A.shape[1], "d")
    require((d != 0).all(), "d", "nonzero everywhere, so that D can be inverted",
            f"zeros at {np.flatnonzero(d == 0)}", "Leave those dimensions out")
    return Factors(A * d, B / d)


def loss_product(X, factors: Factors, lam: float) -> float:
    r"""Objective 1: squared error plus a penalty on the product (Eq. 1).

    .. math:: \|X - X A B^T\|_F^2 + \lambda \|A B^T\|_F^2

    Source: Eq. 1.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        The data.
    factors : Factors
        A (p, k) and B (p, k).
    lam : float
        Penalty weight, > 0, in units of sigma squared.

    Returns
    -------
    float
        The loss, in units of X squared. No n x p matrix is formed; the price is
        rounding of about 1e-16 (||X||^2 + (||X A||^2 + lam ||A||^2) ||B||^2).

    Raises
    ------
    ValueError
        If the shapes do not fit or `lam` is out of range.

    Examples
    --------
    >>> factors = Factors(np.eye(1), np.eye(1) / 2)
    >>> loss_product([[2.0]], factors, lam=4)  # (2 - 1)^2 + 4 (1/2)^2
    2.0
    """
    X, A, B = _check_loss(X, factors, lam)
    return float(_squared_error(X, A, B) + lam * np.sum((A.T @ A) * (B.T @ B)))


def loss_factors(X, factors: Factors, lam: float) -> float:
    r"""Objective 2: squared error plus weight decay on each factor (Eq. 2).

    .. math:: \|X - X A B^T\|_F^2 + \lambda\,(\|X A\|_F^2 + \|B\|_F^2)

    Source: Eq. 2.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        The data.
    factors : Factors
        A (p, k) and B (p, k).
    lam : float
        Penalty weight, > 0, in units of sigma.

    Returns
    -------
    float
        The loss, in units of X squared. No n x p matrix is formed; the price is
        rounding of about 1e-16 (||X||^2 + ||X A||^2 ||B||^2).

    Raises
    ------
    ValueError
        If the shapes do not fit or `lam` is out of range.

    Examples
    --------
    >>> factors = Factors(np.eye(1), np.eye(1) / 2)
    >>> loss_factors([[2.0]], factors, lam=4)  # 1 + 4 (2^2 + (1/2)^2)
    18.0
    """
    X, A, B = _check_loss(X, factors, lam)
    weights = np.sum((X @ A) ** 2) + np.sum(B**2)
    return float(_squared_error(X, A, B) + lam * weights)


def _check_loss(X, factors, lam):
    X = check_matrix(X, "X")
    A, B = check_factors(factors, rows=X.shape[1])
    check_lam(lam)
    return X, A, B


def _squared_error(X, A, B):
    """||X - P B^T||^2 with P = X A, expanded so that P B^T (n, p) is never formed."""
    P = X @ A
    return (X * X).sum() - 2 * np.sum((X.T @ P) * B) + np.sum((P.T @ P) * (B.T @ B))
