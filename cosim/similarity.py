"""Cosine similarity of embeddings (Eq. 4)."""

import numpy as np
from scipy import sparse

from ._checks import check_directions, check_matrix, require


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
    E = _unit_rows(E, "E")
    F = E if F is None else _unit_rows(F, "F")
    require(E.shape[1] == F.shape[1], "E and F", "of one width",
            f"widths {E.shape[1]} and {F.shape[1]}")
    S = E @ F.T
    return np.clip(S.toarray() if sparse.issparse(S) else S, -1, 1)


def _unit_rows(E, argument):
    E = check_matrix(E, argument)
    E = E / (abs(E).max() or 1)  # so that squares of tiny numbers don't vanish
    norms = np.sqrt((E * E).sum(axis=1))
    check_directions(norms, argument)
    return E * (1 / norms)[:, None]  # Omega E: row i divided by its length
