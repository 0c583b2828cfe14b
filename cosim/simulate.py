"""The simulated clicks of Section 4. The only module that takes an rng."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._checks import check_int, check_number, check_rng, check_vector, require

# Keys that are drawn at once: few enough for a cache of 2 MB.
CHUNK = 100_000

# Two keys in float32 are told apart if their ratio is above CLOSE: five roundings each, of 2^-24 at most. Beyond FAR the
# rate of a key may be so small that float32 has no full precision for it.
CLOSE, FAR = 1 + 1e-6, 1e20


class Clicks(NamedTuple):
    """X (n, p) sparse 0/1; cluster (p,) of every item, ascending; popularity (p,), its baseline p_i."""

    X: sparse.csr_array
    cluster: np.ndarray
    popularity: np.ndarray


def simulate_clicks(n: int, p: int, n_clusters: int, *, rng,
                    cluster_probs=None, cluster_sizes=None,
                    exponent_range=(0.25, 1.5), exponents=None,
                    concentration=1.0, activity_exponent=0.5,
                    max_items=200) -> Clicks:
    r"""Draw which of p items each of n users consumed (Section 4).

    .. math::
        p_{ui} = \frac{p_{u,c_i}\, p_i}{\sum_j p_{u,c_j}\, p_j}, \qquad
        p_i = \mathrm{rank}_i^{-\beta_{c_i}}, \qquad
        P(k_u = k) \propto k^{-a}

    User u draws k_u items **without replacement**, one after the other, each
    time in proportion to the p_ui of the items that are left (successive
    sampling).

    The paper gives the structure, beta_c ~ Unif(0.25, 1.5), a = 0.5 and the
    sizes. It leaves open p_c, the law of p_uc, and what PowerLaw means. The
    keywords fix such choices or change what the paper gives.

    Source: Section 4. Sampling by an exponential race: with independent
    E_i ~ Exp(1), the k smallest of E_i / p_i are a successive sample of size k
    (Efraimidis and Spirakis 2006).

    Parameters
    ----------
    n, p, n_clusters : int
        Users, items, clusters; the paper has 20,000, 1,000 and 5.
    rng : numpy.random.Generator
        The only source of randomness.
    cluster_probs : array (n_clusters,), optional
        p_c, the chance of an item to be in each cluster; sums to 1. Default:
        equal.
    cluster_sizes : array of int (n_clusters,), optional
        Fixes the number of items per cluster instead of drawing it; sums to p.
    exponent_range : (float, float)
        beta_c is uniform between these two, 0 <= low <= high. Default: the
        paper's.
    exponents : array (n_clusters,), optional
        Fixes beta_c instead of drawing it; >= 0, so that popularity falls in
        rank.
    concentration : float
        p_uc ~ Dirichlet with this value in every cluster, > 0; 1 is uniform on
        the simplex.
    activity_exponent : float
        a in P(k_u = k) ~ k^-a for k = 1..max_items.
    max_items : int
        Largest k_u, 1 <= max_items <= p.

    Returns
    -------
    Clicks
        Items come sorted by cluster, then by falling popularity (rank 1, 2, ...
        in their cluster).

    Raises
    ------
    ValueError
        If an argument is out of range or has the wrong shape.

    Examples
    --------
    >>> X, cluster, popularity = simulate_clicks(
    ...     4, 5, 2, rng=np.random.default_rng(0), cluster_sizes=[3, 2],
    ...     exponents=[1, 0], max_items=2)
    >>> cluster, popularity.round(2)
    (array([0, 0, 0, 1, 1]), array([1.  , 0.5 , 0.33, 1.  , 1.  ]))
    """
    check_rng(rng)
    check_int(n, 1, None, "n")
    check_int(n_clusters, 1, None, "n_clusters")
    check_int(p, n_clusters, None, "p")
    check_int(max_items, 1, p, "max_items")
    concentration = check_number(concentration, "concentration", above=0)
    activity_exponent = check_number(activity_exponent, "activity_exponent")

    cluster = _assign_clusters(p, n_clusters, cluster_probs, cluster_sizes, rng)
    beta = _draw_exponents(n_clusters, exponent_range, exponents, rng)
    first = np.searchsorted(cluster, cluster)  # where an item's cluster begins
    rank = np.arange(p) - first + 1  # 1, 2, ... within each cluster
    popularity = rank ** -beta[cluster]

    # p_uc (n, n_clusters)
    preference = rng.dirichlet(np.full(n_clusters, concentration), size=n)
    support = np.arange(1, max_items + 1)
    log_activity = -activity_exponent * np.log(support)
    activity = np.exp(log_activity - log_activity.max())  # k^-a, no overflow
    k_u = rng.choice(support, size=n, p=activity / activity.sum())
    X = _race(preference, cluster, popularity, k_u, rng)
    return Clicks(X, cluster, popularity)


def _assign_clusters(p, n_clusters, probs, sizes, rng):
    require(probs is None or sizes is None, "cluster_probs", "left out when cluster_sizes is given", probs)
    if sizes is not None:
        sizes = check_vector(sizes, n_clusters, "cluster_sizes")
        require((sizes >= 0).all() and (sizes % 1 == 0).all() and sizes.sum() == p, "cluster_sizes",
                f"whole numbers >= 0 that sum to p = {p}", sizes)
        return np.repeat(np.arange(n_clusters), sizes.astype(int))
    probs = check_vector(np.full(n_clusters, 1 / n_clusters) if probs is None else probs,
                         n_clusters, "cluster_probs")
    require((probs >= 0).all() and abs(probs.sum() - 1) < 1e-8, "cluster_probs", ">= 0 with sum 1", probs)
    return np.sort(rng.choice(n_clusters, size=p, p=probs))


def _draw_exponents(n_clusters, exponent_range, exponents, rng):
    if exponents is not None:
        exponents = check_vector(exponents, n_clusters, "exponents")
        require((exponents >= 0).all(), "exponents", ">= 0", exponents)
        return exponents
    low, high = check_vector(exponent_range, 2, "exponent_range")
    require(0 <= low <= high, "exponent_range", "(low, high) with 0 <= low <= high", exponent_range)
    return rng.uniform(low, high, size=n_clusters)


def _race(preference, cluster, popularity, k_u, rng):
    """Each user's k_u first arrivals of an exponential race with rates p_ui, as 0/1 rows.

    Users come by rising k_u. The race is run in float32, and in float64 where that cannot tell who is among the first.
    """
    n, p = len(k_u), len(cluster)
    start = np.concatenate([[0], np.cumsum(k_u)])
    items = np.empty(start[-1], dtype=np.int32)
    by_cluster = np.zeros((preference.shape[1], p))
    by_cluster[cluster, np.arange(p)] = popularity
    exact = preference, by_cluster
    preference, by_cluster = preference.astype(np.float32), by_cluster.astype(np.float32)
    chunks = np.array_split(np.argsort(k_u, kind="stable"), min(n, -(-n * p // CHUNK)))
    space = np.empty((len(chunks[0]), p))
    for users in chunks:
        k, drawn = k_u[users], rng.standard_exponential(out=space[:users.size])
        keys = drawn.astype(np.float32)
        with np.errstate(divide="ignore", over="ignore"):  # rates of 0 never arrive: infinite keys
            keys /= preference[users] @ by_cluster  # p_{u,c_i} p_i; the race needs no normalizing
            found = _smallest(keys, k)
            if found is None:
                found = _smallest_exactly(drawn / (exact[0][users] @ exact[1]), k)
        items[np.repeat(start[users + 1] - np.cumsum(k), k) + np.arange(k.sum())] = found
    return sparse.csr_array((np.ones(items.size), items, start), shape=(n, p))


def _smallest(keys, k):
    """Columns of the k[u] smallest keys of every row u, ascending, row after row; None where that is not certain.

    Most keys need not be sorted: of groups of keys, k have their least below a bound, so that k keys are below it.
    """
    n, p = keys.shape
    size = max(1, p // max(2 * k.max(), 100))
    groups = p // size
    bound = _kth(keys[:, :size * groups].reshape(n, size, groups).min(axis=1), k)
    found = np.flatnonzero(keys <= bound)
    if size > 1:
        count = np.bincount(found // p, minlength=n)
        inside = np.arange(count.max()) < count[:, None]
        few = np.full(inside.shape, np.inf, dtype=keys.dtype)
        few[inside] = keys.ravel()[found]
        bound = _kth(few, k)
        found = found[(few <= bound)[inside]]
    return found.astype(np.int32) % p if found.size == k.sum() and bound.max() < FAR else None


def _kth(keys, k):
    """What the k[u] smallest keys of row u, and those close to them, do not exceed."""
    return CLOSE * np.sort(keys, axis=1)[np.arange(len(k)), k - 1, None]


def _smallest_exactly(keys, k):
    first = [np.argpartition(row, m - 1)[:m] for row, m in zip(keys, k)]  # the last of them arrives last
    for row, columns in zip(keys, first):
        require(np.isfinite(row[columns[-1]]), "max_items", "at most the number of items that a user can choose",
                len(columns), "Raise concentration or lower max_items")
    return np.concatenate([np.sort(columns) for columns in first])
