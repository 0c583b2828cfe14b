r"""The remedies of Section 3: leave the embedding space, correct popularity, train for the cosine.

Two things can be wrong with a cosine of embeddings, and a remedy cures one or the other: D is free
(`project_back`, `train_cosine`), or popularity rules the data (`standardize`,
`weight_by_propensity`, `ppmi`). The second kind leaves D as free as it was.
"""

import numpy as np
from scipy import sparse

from ._checks import CONSTANT, ZERO_ROW, check_factors, check_int, check_matrix, check_number, check_width, require


def project_back(E, F):
    r"""Coordinates of the rows of E F^T: same inner products, k numbers a row.

    .. math::
        Z = E R^T, \quad F = OR, \quad O^TO = I
        \;\Rightarrow\; Z Z^T = E\,F^TF\,E^T = (E F^T)(E F^T)^T

    With the smoothed data X A B^T, ``project_back(B, X @ A)`` stands for its
    columns (items) and ``project_back(X @ A, B)`` for its rows (users). Feed
    the result to `cosine_similarity`. No (A M, B M^-T) changes the inner
    products.

    Source: Section 3 (similarities in the space of X A B^T). The QR factor R
    of F stands in for (F^T F)^(1/2), which would halve the digits.

    Parameters
    ----------
    E : array or sparse array, shape (m, k)
        The embeddings to compare, one per row.
    F : array or sparse array, shape (q, k)
        The embeddings of the other side; made dense.

    Returns
    -------
    array, shape (m, min(q, k))
        Z, unique up to a rotation.

    Raises
    ------
    ValueError
        If E and F have different widths.

    Examples
    --------
    >>> E = np.array([[2.0, 0.0], [1.0, 1.0]])
    >>> F = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> Z = project_back(E, F)
    >>> (Z @ Z.T).round(10)  # rows of E F^T: (6, 0) and (3, 1)
    array([[36., 18.],
           [18., 10.]])
    """
    E, F = check_matrix(E, "E"), check_matrix(F, "F")
    check_width(E, F)
    F = F.toarray() if sparse.issparse(F) else F
    return E @ np.linalg.qr(F, mode="r").T


def standardize(X):
    r"""Columns with zero mean and unit variance.

    .. math::
        Z_{ui} = (X_{ui} - \mu_i) / s_i, \qquad
        s_i^2 = \tfrac1n \sum_u (X_{ui} - \mu_i)^2

    Source: Section 3.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        The data.

    Returns
    -------
    array, shape (n, p)
        Z, dense: zeros do not stay zero. 160 MB at 20,000 x 1,000.

    Raises
    ------
    ValueError
        If a column is constant: it has no unit variance. The message names
        the columns.

    Examples
    --------
    >>> standardize([[1, 5], [0, 1], [0, 1], [1, 5]])
    array([[ 1.,  1.],
           [-1., -1.],
           [-1., -1.],
           [ 1.,  1.]])
    """
    X = check_matrix(X, "X")
    Z = X.toarray() if sparse.issparse(X) else X  # check_matrix has made a copy
    size = np.maximum(Z.max(axis=0), -Z.min(axis=0))
    Z -= Z.mean(axis=0)
    s = np.sqrt(np.einsum("ui,ui->i", Z, Z) / len(Z))
    constant = np.flatnonzero(s <= CONSTANT * size)
    require(constant.size == 0, "X",
            "free of constant columns, which have no unit variance",
            f"{constant.size} of them: columns {constant[:10]}",
            "Leave those items out")
    Z /= s
    return Z


def weight_by_propensity(X, power: float):
    r"""Divide every click by its item's popularity, to a power.

    .. math::
        Z_{ui} = X_{ui}\, / \,\pi_i^{\,\mathrm{power}}, \qquad
        \pi_i = \tfrac1n \sum_u X_{ui}

    Inverse propensity scaling, with popularity for the propensity. Power 1
    estimates what users would choose if all items were seen alike; power 1/2
    weights the squared error by 1/pi_i, and gives the columns of 0/1 data one
    length.

    Source: Section 3. Propensity as popularity: Schnabel et al. (2016),
    arXiv:1602.05352; for clicks Saito et al. (2020), arXiv:1909.03601.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        Clicks, >= 0.
    power : float
        0 leaves X as it is.

    Returns
    -------
    array or sparse array, shape (n, p)
        Z, sparse if X is.

    Raises
    ------
    ValueError
        If X has a negative entry, or a column without clicks: its weight is
        infinite.

    Examples
    --------
    >>> weight_by_propensity([[1, 1], [1, 0], [0, 0], [0, 0]], power=1)
    array([[2., 4.],
           [2., 0.],
           [0., 0.],
           [0., 0.]])
    """
    X = check_matrix(X, "X")
    check_number(power, "power")
    require(X.min() >= 0, "X", ">= 0", X.min())
    propensity = np.asarray(X.mean(axis=0))
    never = np.flatnonzero(propensity == 0)
    require(never.size == 0, "X",
            "free of columns without clicks, whose weight is infinite",
            f"{never.size} of them: columns {never[:10]}",
            "Leave those items out")
    weighted = X * (1 / propensity**power)
    return sparse.csr_array(weighted) if sparse.issparse(X) else weighted


def ppmi(C, power: float):
    r"""Positive pointwise mutual information, contexts by frequency^power.

    .. math::
        M_{ij} = \max\!\left(0,\; \log
        \frac{C_{ij} / \sum_{j} C_{ij}}{q_j}\right), \qquad
        q_j \propto \Bigl(\sum_i C_{ij}\Bigr)^{\mathrm{power}}

    Without the cut at 0 this is the matrix that word2vec's negative sampling
    implicitly factorizes, with one negative sample.

    Source: Section 3; Levy and Goldberg (2014), "Neural word embedding as
    implicit matrix factorization"; the power: Levy, Goldberg and Dagan
    (2015), doi 10.1162/tacl_a_00134.

    Parameters
    ----------
    C : array or sparse array, shape (p, p)
        Counts, >= 0: how often i and j occur together. Clear the diagonal of
        X^T X first: it counts clicks, not pairs.
    power : float
        word2vec takes 3/4; 1 is the frequency itself, 0 draws all alike.

    Returns
    -------
    array, shape (p, p)
        M >= 0, dense; not symmetric unless C is and power = 1.

    Raises
    ------
    ValueError
        If C is not square, has a negative entry, or a row or column of zeros:
        it has no distribution.

    Examples
    --------
    >>> M = ppmi([[0, 1, 1], [1, 0, 0], [1, 0, 0]], power=1)
    >>> np.exp(M)  # j = 0 is met every time, in half of all draws
    array([[1., 2., 2.],
           [2., 1., 1.],
           [2., 1., 1.]])
    """
    C = check_matrix(C, "C")
    require(C.shape[0] == C.shape[1], "C",
            "square, one row and column per item", f"shape {C.shape}")
    C = C.toarray() if sparse.issparse(C) else C
    check_number(power, "power")
    require(C.min() >= 0, "C", ">= 0", C.min())
    rows, columns = C.sum(axis=1), C.sum(axis=0)
    empty = np.flatnonzero((rows == 0) | (columns == 0))
    require(empty.size == 0, "C",
            "free of rows and columns of zeros, which have no distribution",
            f"{empty.size} of them: {empty[:10]}", "Leave those items out")
    q = columns**power / np.sum(columns**power)
    # max before log: C = 0 gives 0
    return np.log(np.maximum(1, C / (rows[:, None] * q)))


def train_cosine(X, A, B, *, temperature: float, power: float, steps: int,
                 rate: float, batch: int):
    r"""Train the towers X A and B for their cosine, by plain gradient descent.

    .. math::
        \min_{A,B}\; -\frac1n \sum_u \sum_i t_{ui} \log
        \frac{q_i\,e^{\cos((XA)_u, b_i)/\tau}}
             {\sum_j q_j\,e^{\cos((XA)_u, b_j)/\tau}}, \qquad
        t_{ui} = \frac{X_{ui}}{\sum_j X_{uj}}, \quad
        q_j \propto \Bigl(\sum_u X_{uj}\Bigr)^{\mathrm{power}}

    A softmax over all items, with q where sampled softmax has its proposal.
    Every step takes the next `batch` users in the order of X, round and round.

    Source: Section 3 (training for the cosine; negative sampling). The recipe
    is plain, not tuned.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        Clicks, >= 0.
    A, B : array, shape (p, k)
        Where to start; left as they are.
    temperature : float
        tau > 0: cosines reach only from -1 to 1, so logits reach only from
        -1/tau to 1/tau (plus log q).
    power : float
        0 leaves popularity to the directions, 1 takes it out of them, 3/4 is
        word2vec's choice.
    steps : int
        Gradient steps, >= 0.
    rate : float
        Step size, > 0. The loss does not see the lengths of rows; the gradient
        in a row is inversely proportional to its length.
    batch : int
        Users per step, 1 <= batch <= n.

    Returns
    -------
    A, B : array, shape (p, k)
        After the last step, not normalized: `cosine_similarity` does that.

    Raises
    ------
    ValueError
        If an argument is out of range, a user has no click, or an embedding
        is zero.

    Examples
    --------
    >>> A, B = train_cosine(np.eye(2), np.eye(2), [[1.0, 0.0], [0.9, 1.0]],
    ...                     temperature=1, power=0, steps=200, rate=1, batch=2)
    >>> U, Q = (E / np.linalg.norm(E, axis=1, keepdims=True) for E in (A, B))
    >>> U @ Q.T  # two users with one item each: the other item ends up opposite
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    X = sparse.csr_array(check_matrix(X, "X"))
    n, p = X.shape
    A, B = check_factors((A, B), rows=p)
    check_int(batch, 1, n, "batch")
    check_int(steps, 0, None, "steps")
    check_number(power, "power")
    check_number(temperature, "temperature", above=0)
    check_number(rate, "rate", above=0)
    require(X.min() >= 0 and X.sum(axis=1).min() > 0, "X",
            ">= 0 with a click in every row",
            f"minimum {X.min()}, smallest row sum {X.sum(axis=1).min()}",
            "Leave users without clicks out")

    q = X.sum(axis=0) ** power
    for step in range(steps):
        x = X[np.arange(step * batch, (step + 1) * batch) % n]
        t = x.toarray() / x.sum(axis=1)[:, None]
        P, p_length = _directions(x @ A)
        Q, q_length = _directions(B)
        odds = q * np.exp((P @ Q.T - 1) / temperature)
        softmax = odds / odds.sum(axis=1, keepdims=True)
        gradient = (softmax - t) / (temperature * batch)  # in the cosines
        A -= rate * (x.T @ _tangent(gradient @ Q, P, p_length))
        B -= rate * _tangent(gradient.T @ P, Q, q_length)
    return A, B


def _directions(E):
    length = np.linalg.norm(E, axis=1, keepdims=True)
    require(length.min() > ZERO_ROW * length.max(), "A and B", "such that no embedding is zero",
            f"a zero row, or overflow: lengths {length.min():.3g} to {length.max():.3g}",
            "Change the start or lower rate")
    return E / length, length


def _tangent(gradient, U, length):
    """The gradient through e -> e / |e|: its part along e is lost, the rest is divided by |e|."""
    return (gradient - np.sum(gradient * U, axis=1, keepdims=True) * U) / length
