"""Cosine similarity of embeddings (Eq. 4), and nearest neighbours by it."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._checks import TIE_DECIMALS, check_directions, check_int, check_matrix, check_width, require

# Cosines that are held at one time: 20 MB in float32; but never fewer rows, or every row would cost a pass over F.
BLOCK = 5_000_000
FEWEST_ROWS = 16

# Wider rows are multiplied in float64 at once: the bound on float32's rounding grows with the width.
WIDEST_FLOAT32 = 1000


class Neighbours(NamedTuple):
    """index (n, m): row numbers of the m nearest, nearest first; cosine (n, m)."""

    index: np.ndarray
    cosine: np.ndarray


def cosine_similarity(E, F=None):
    r"""Cosine of every row of E with every row of F.

    .. math:: S = \Omega_E E F^T \Omega_F, \quad \Omega_E = \mathrm{dMat}(1/\|e_i\|)

    Item–item: ``cosine_similarity(B)``; user–user: ``cosine_similarity(X @ A)``;
    user–item: ``cosine_similarity(X @ A, B)``; the raw columns of X:
    ``cosine_similarity(X.T)``.

    Source: Eq. 4.

    Parameters
    ----------
    E : array or sparse array, shape (m, k)
        One embedding per row.
    F : array or sparse array, shape (q, k), optional
        The other side; default: E itself.

    Returns
    -------
    array, shape (m, q)
        Cosines in [-1, 1], dense; what rounding puts outside is cut off.

    Raises
    ------
    ValueError
        If the widths differ, or a row is zero (shorter than 1e-12 of the
        longest): it has no direction. The message names the rows.

    Examples
    --------
    >>> cosine_similarity([[1, 0], [2, 0], [0, 3], [-1, 0]])[0]
    array([ 1.,  1.,  0., -1.])
    """
    E, F = _unit_pair(E, F)
    return np.clip(_dense(E @ F.T), -1, 1)


def nearest(E, m: int, F=None) -> Neighbours:
    r"""The m rows of F, or other rows of E, with the largest cosines.

    Exact, and without the matrix of all cosines: blocks of it are computed in
    float32, and what its rounding could hide is computed again in float64.

    Source: Eq. 4; for the error of a product of unit vectors, Higham (2002),
    Accuracy and Stability of Numerical Algorithms, section 3.1.

    Parameters
    ----------
    E : array or sparse array, shape (n, k)
        The rows whose neighbours are sought.
    m : int
        Neighbours per row, from 1 to the number of rows to choose from.
    F : array or sparse array, shape (q, k), optional
        The rows among which they are sought. Default: the rows of E, where no
        row is its own neighbour.

    Returns
    -------
    Neighbours
        index (n, m), row numbers by falling cosine, and cosine (n, m). Cosines
        that are equal after rounding to 10 decimals are tied: the lower row
        number comes first.

    Raises
    ------
    ValueError
        If the widths differ, a row is zero, or `m` is out of range.

    Examples
    --------
    >>> nearest([[1, 0], [1, 1], [1, 2], [-1, 0]], 2).index
    array([[1, 2],
           [2, 0],
           [1, 0],
           [2, 1]])
    """
    E, others = _unit_pair(E, F)
    n, q = E.shape[0], others.shape[0]
    check_int(m, 1, q - (F is None), "m")

    product, error = _rough_product(E, others)
    index, cosine = np.empty((n, m), dtype=np.intp), np.empty((n, m))
    rows = max(FEWEST_ROWS, BLOCK // q)
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        S = product(block)
        if F is None:
            S[np.arange(len(S)), start + np.arange(len(S))] = -np.inf
        # Where two cosines are compared, both may be off.
        enough = _bound(S, m) - (2 * error + 10.0**-TIE_DECIMALS)
        i, j = np.divmod(np.flatnonzero(S >= enough[:, None]), q)
        found = _cosines(E[block], others, i, j, S, error)
        order = np.lexsort((j, -found.round(TIE_DECIMALS), i))
        first = np.searchsorted(i, np.arange(len(S)))
        best = order[first[:, None] + np.arange(m)]
        index[block], cosine[block] = j[best], found[best]
    return Neighbours(index, np.clip(cosine, -1, 1))


def _rough_product(E, F):
    """A function that computes a block of rows of E F^T, and by how much it may be off."""
    k = E.shape[1]
    if sparse.issparse(E) or sparse.issparse(F) or k > WIDEST_FLOAT32:
        return (lambda block: _dense(E[block] @ F.T)), 0
    E, F = E.astype(np.float32), F.astype(np.float32)
    return (lambda block: E[block] @ F.T), (k + 4) * 2.0**-24


def _bound(S, m):
    """At most the m-th largest entry of each row: that of the maxima of 10 m or more groups of entries."""
    width = max(1, S.shape[1] // (10 * m))
    groups = S.shape[1] // width
    largest = S[:, :groups * width].reshape(len(S), groups, width).max(axis=2)
    return np.partition(largest, groups - m, axis=1)[:, groups - m]


def _cosines(E, F, i, j, S, error):
    """Entries (i, j) of E F^T in float64; S are all of them, off by up to `error`."""
    if error == 0:
        return S[i, j]
    if i.size * E.shape[1] > S.size:  # many ties: a whole product takes less time and memory
        return (E @ F.T)[i, j]
    return np.einsum("ij,ij->i", E[i], F[j])


def _unit_pair(E, F):
    E = _unit_rows(E, "E")
    F = E if F is None else _unit_rows(F, "F")
    check_width(E, F)
    return E, F


def _dense(S):
    return S.toarray() if sparse.issparse(S) else S


def _unit_rows(E, argument):
    E = check_matrix(E, argument)  # a copy, which the next lines change
    E /= max(E.max(), -E.min()) or 1  # so that squares of tiny numbers don't vanish
    norms = np.sqrt((E * E).sum(axis=1) if sparse.issparse(E) else np.einsum("ij,ij->i", E, E))
    check_directions(norms, argument)
    E *= (1 / norms)[:, None]  # Omega E: row i divided by its length
    return E
