r"""What is free in a model of dot products E F^T, and the conventions that fix it (beyond the paper).

E is A (p, k) or P = X A (n, k), F is B (p, k). For every invertible M, (E M, F M^-T) has the same
scores. A convention chooses one M from the tables themselves, so that whoever starts from another M
ends at the same place, up to a rotation, which no cosine sees.
"""

import numpy as np

from ._checks import (CONSTANT, check_dense, check_directions, check_number, check_vector, check_width, real_array,
                      require)


def split_product(E, F, power: float):
    r"""Divide the product E F^T into two tables by its singular values.

    .. math::
        EF^T = U\,\mathrm{dMat}(s_i)\,W^T \;\Rightarrow\;
        E' = U\,\mathrm{dMat}(s_i^{1-\mathrm{power}}), \quad
        F' = W\,\mathrm{dMat}(s_i^{\mathrm{power}})

    Power 0 means F'^T F' = I, power 1/2 E'^T E' = F'^T F' (what weight decay
    on both tables ends with), power 1 E'^T E' = I (projecting back). With
    (A, B) of objective 1, power 1/2 is Eq. 5.

    Source: the balanced factors of Srebro, Rennie and Jaakkola (2005); the
    power: Levy, Goldberg and Dagan (2015), doi 10.1162/tacl_a_00134.

    Parameters
    ----------
    E : array, shape (m, k)
        One side: the users X A, or A.
    F : array, shape (q, k)
        The other side: the items B.
    power : float
        The share of the singular values that F' gets.

    Returns
    -------
    E', F' : array, shapes (m, r) and (q, r), r = min(m, q, k)
        The same product. Unique up to a common rotation; where singular values
        differ, up to signs.

    Raises
    ------
    ValueError
        If the widths differ, or `power` is not strictly between 0 and 1 and
        the product has a rank below r: then its zero singular values have no
        power, or no direction.

    Examples
    --------
    >>> E, F = np.diag([4.0, 1.0]), np.diag([1.0, 25.0])
    >>> E, F = split_product(E, F, power=0.5)  # singular values 25 and 4
    >>> np.abs(F.round(10))
    array([[0., 2.],
           [5., 0.]])
    """
    E, F = check_dense(E, "E"), check_dense(F, "F")
    check_width(E, F)
    check_number(power, "power")
    OE, RE = np.linalg.qr(E)
    OF, RF = np.linalg.qr(F)
    U, s, Wt = np.linalg.svd(RE @ RF.T, full_matrices=False)
    noise = np.linalg.norm(RE) * np.linalg.norm(RF) * max(len(E), len(F))
    rank = np.count_nonzero(s > noise * np.finfo(float).eps)
    require(rank == s.size or 0 < power < 1, "E F^T",
            f"of rank {s.size} unless 0 < power < 1", f"rank {rank}",
            "Lower the width")
    s[rank:] = 0
    return OE @ (U * s ** (1 - power)), OF @ (Wt.T * s**power)


def unit_variance(E):
    r"""Divide every dimension by its standard deviation over the rows.

    .. math:: E'_{il} = E_{il} / s_l, \qquad
        s_l^2 = \tfrac1m \sum_i (E_{il} - \bar E_l)^2

    E D gives the same E' for every diagonal D, up to signs of columns. The
    mean stays: `standardize` takes it away too.

    Source: this project; a column-wise z-score without the centring.

    Parameters
    ----------
    E : array, shape (m, k)
        One embedding per row.

    Returns
    -------
    array, shape (m, k)
        E'.

    Raises
    ------
    ValueError
        If a dimension is constant: no factor gives it unit variance.

    Examples
    --------
    >>> unit_variance([[1, 50], [3, 10]])  # standard deviations 1 and 20
    array([[1. , 2.5],
           [3. , 0.5]])
    """
    E = check_dense(E, "E")
    s = E.std(axis=0)
    constant = np.flatnonzero(s <= CONSTANT * np.abs(E).max(axis=0))
    require(constant.size == 0, "E",
            "free of constant dimensions, which have no unit variance",
            f"{constant.size} of them: columns {constant[:10]}",
            "Leave those dimensions out")
    return E / s


def whiten(E):
    r"""Centre the rows and make all dimensions uncorrelated with unit variance.

    .. math:: E' = (E - \mathbf 1 \bar e^T)\,C^{-1/2}, \qquad
        C = \tfrac1m (E - \mathbf 1 \bar e^T)^T(E - \mathbf 1 \bar e^T)

    E M + 1 v^T gives the same E' for every invertible M and every v, up to a
    rotation. Without the centring it would be `split_product` with power 0,
    times the square root of m.

    Source: Mahalanobis (1936); as a treatment of embeddings: Su et al. (2021),
    arXiv:2103.15316.

    Parameters
    ----------
    E : array, shape (m, k)
        One embedding per row; m > k.

    Returns
    -------
    array, shape (m, k)
        E', unique up to a rotation.

    Raises
    ------
    ValueError
        If the rows lie in a hyperplane: its normal has no variance.

    Examples
    --------
    >>> E = whiten([[0, 0], [2, 0], [0, 6], [2, 6]])  # deviations 1 and 3
    >>> (E @ E.T).round(10)[0] + 0.0  # no minus zero
    array([ 2.,  0.,  0., -2.])
    """
    E = check_dense(E, "E")
    Z = E - E.mean(axis=0)
    U, s, _ = np.linalg.svd(Z, full_matrices=False)
    noise = max(E.shape) * np.finfo(float).eps * np.linalg.norm(E)
    rank = np.count_nonzero(s > noise)
    require(rank == E.shape[1], "E",
            f"a matrix whose centred rows have rank {E.shape[1]}, its width",
            f"rank {rank}", "Lower the width")
    return U * np.sqrt(len(E))


def flip_threshold(E, F=None):
    r"""The smallest condition number of a D that brings each cosine to zero.

    .. math::
        \kappa_{\mathrm{flip}} = \sqrt{\frac{\max(s_+, s_-)}{\min(s_+, s_-)}}
        = \sqrt{\frac{1+\rho}{1-\rho}}, \qquad
        \rho = \frac{|e \cdot f|}{\sum_l |e_l f_l|}

    where :math:`s_+` and :math:`-s_-` are the sums of the positive and of
    the negative products e_l f_l, added up apart, without cancellation.
    Beyond it some diagonal D changes the sign, below it none does.

    Source: this project.

    Parameters
    ----------
    E : array, shape (m, k)
        One embedding per row.
    F : array, shape (q, k), optional
        The other side, which D acts on in the same way; default: E itself.

    Returns
    -------
    array, shape (m, q)
        Condition numbers >= 1; infinite where no D changes the sign, because
        no two products have opposite signs.

    Raises
    ------
    ValueError
        If the widths differ, or a row is zero: it has no cosine.

    Examples
    --------
    >>> flip_threshold([[2, 1]], [[1, -1], [1, 1], [1, -2]])**2
    array([[ 2., inf,  1.]])
    """
    E = _scaled_rows(E, "E")
    F = E if F is None else _scaled_rows(F, "F")
    check_width(E, F)
    parts = np.hstack([np.maximum(E, 0), np.maximum(-E, 0)])
    plus = parts @ np.hstack([np.maximum(F, 0), np.maximum(-F, 0)]).T
    minus = parts @ np.hstack([np.maximum(-F, 0), np.maximum(F, 0)]).T
    small, large = np.minimum(plus, minus), np.maximum(plus, minus)
    ratio = np.full(plus.shape, np.inf)
    np.divide(large, small, out=ratio, where=small > 0)
    return np.sqrt(ratio)


def _scaled_rows(E, argument):
    """Rows divided by their largest entries, so that no product of small numbers vanishes."""
    E = check_dense(E, argument)
    size = np.abs(E).max(axis=1)
    check_directions(size, argument)
    return E / size[:, None]


# ---- what a diagonal of bounded condition number can do to one cosine ----------------------------------

# Up to here squares of weights and entries neither overflow nor vanish where they count.
LARGEST_KAPPA = 1e25


def cosine_range(b, c, kappa: float):
    r"""Smallest and largest cosine of two vectors under a diagonal D with kappa(D) <= kappa.

    .. math::
        f(\omega) = \frac{\sum_l \omega_l b_l c_l}
        {\sqrt{\sum_l \omega_l b_l^2 \sum_l \omega_l c_l^2}}, \qquad
        \omega_l = d_l^{-2} \in [\kappa^{-2}, 1]

    Exact, from O(k^2) candidates: with the coordinates of positive product
    sorted by abs(b_l / c_l), the largest positive f has weight 1 on a run of
    them and the smallest weight elsewhere. The smallest positive f has it the
    other way round, and one end of the run may lie in between, at a weight
    that a linear equation gives. The rest follows from -c in place of c.

    Source: this project. At kappa = inf the lower end for positive products
    is the bound of Polya and Szego (1925).

    Parameters
    ----------
    b, c : array, shape (k,)
        Two embeddings; finite and not zero.
    kappa : float
        Largest condition number of D, from 1 to 1e25, or infinite.

    Returns
    -------
    low, high : float
        Both attained, and all between, if kappa is finite. For an infinite
        kappa the infimum and the supremum.

    Raises
    ------
    ValueError
        If the shapes differ, a vector is zero, or `kappa` is out of range.

    Examples
    --------
    >>> cosine_range([1, 1], [1, -1], kappa=2)  # (4 - 1) / (4 + 1)
    (-0.6, 0.6)
    >>> cosine_range([2, 1], [1, 2], kappa=np.inf)  # 2 sqrt(1/2 * 2) / (1/2 + 2)
    (0.8, 1.0)
    """
    b = _scaled_vector(b, np.size(b), "b")
    c = _scaled_vector(c, b.size, "c")
    kappa = real_array(kappa, "kappa")
    require(kappa.shape == () and (1 <= kappa <= LARGEST_KAPPA or kappa == np.inf), "kappa",
            f"in 1..{LARGEST_KAPPA:g} or infinite", kappa)
    if kappa == np.inf:
        return 0 - _supremum(b, -c), _supremum(b, c)
    return 0 - _highest(b, -c, kappa**-2), _highest(b, c, kappa**-2)


def _scaled_vector(x, size, argument):
    """A vector divided by its largest entry."""
    x = check_vector(x, size, argument)
    require((x != 0).any(), argument, "different from zero, so that it has a direction", x)
    return x / np.abs(x).max()


def _supremum(b, c):
    """Supremum of the cosine over all positive weights."""
    if (b * c > 0).any():
        return 1.0
    b, c = np.abs(b[(b != 0) | (c != 0)]), np.abs(c[(b != 0) | (c != 0)])
    angle = np.arctan2(b, c)
    m, M = angle.argmin(), angle.argmax()  # the extremes of b_l / c_l, which may be 0 and infinite
    return 0 - 2 * float(np.sqrt(b[m] * c[M]) * np.sqrt(b[M] * c[m]) / (b[m] * c[M] + b[M] * c[m]))


def _highest(b, c, low):
    """Largest cosine with weights in [low, 1]."""
    same, other = _same_sign(b, c)
    if same.size:
        i, j = np.triu_indices(same.shape[1])
        run = _runs(same)[:, i, j]
        high = _cosine(run + low * (other + same.sum(axis=1)[:, None] - run)).max()
        if high >= 0:
            return min(float(high), 1.0)
    return 0.0 if (b * c == 0).all() else -_lowest_positive(b, -c, low)


def _lowest_positive(b, c, low):
    """Smallest cosine with weights in [low, 1] if no weights give a negative one."""
    same, other = _same_sign(b, c)
    return max(min(_lowest_left(same, other, low), _lowest_left(same[:, ::-1], other, low)), 0.0)


def _lowest_left(same, other, low):
    """Smallest over all runs i+1..j of weight low, i of the best, 1 elsewhere."""
    m = same.shape[1]
    i, j = np.triu_indices(m)
    run = _runs(np.pad(same, [(0, 0), (1, 1)]))  # a..b: run[:, a + 1, b + 1]
    inside = run[:, i + 2, j + 1]
    n, p, q = fixed = other + run[:, 0, i] + low * inside + run[:, j + 2, m + 1]
    N, P, Q = free = same[:, i]
    # f'(weight) = 0 is linear in the weight: slope * weight = constant
    constant = n * (p * Q + q * P) - 2 * N * p * q
    slope = N * (p * Q + q * P) - 2 * n * P * Q
    best = np.divide(constant, slope, out=np.ones(i.size), where=slope > 0)
    return float(_cosine(fixed + np.clip(best, low, 1) * free).min())


def _same_sign(b, c):
    """(b_l c_l, b_l^2, c_l^2) of the coordinates of positive product, sorted by b_l / c_l; the sum of the others."""
    sums = np.array([b * c, b**2, c**2])
    same = np.flatnonzero(sums[0] > 0)
    order = same[np.argsort(b[same] / c[same])]
    return sums[:, order], np.delete(sums, same, axis=1).sum(axis=1)[:, None]


def _runs(same):
    """Sums from i to j at [:, i, j], each added up by itself; 0 where j < i."""
    return np.triu(np.broadcast_to(same[:, None], (len(same), same.shape[1], same.shape[1]))).cumsum(axis=2)


def _cosine(sums):
    N, P, Q = sums
    return N / np.sqrt(P * Q)
