"""The simulated clicks of Section 4. The only module that takes an rng."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._checks import check_int, check_number, check_rng, check_vector, require

# Bytes of what is drawn at once, few enough for a cache of 2 MB: four for a key in float32, one for a screened item.
# Where lists are short, what a seed gives depends on it.
CHUNK = 400_000

# Lists of up to p / SHORT items are short.
SHORT = 10

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
    (Efraimidis and Spirakis 2006). Where max_items <= p / 10 most of the E_i
    are drawn to their first eight bits only.

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
    X = _race(preference, cluster, popularity, k_u, max_items, rng)
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


def _race(preference, cluster, popularity, k_u, max_items, rng):
    """Each user's k_u first arrivals of an exponential race with rates p_ui, as 0/1 rows. Users come by rising k_u."""
    n, p = len(k_u), len(cluster)
    order = np.argsort(k_u, kind="stable")
    run, width = (_screened_race, p) if SHORT * int(max_items) <= p else (_whole_race, 4 * p)
    chunks = np.array_split(order, min(n, -(-n * width // CHUNK)))
    start = np.concatenate([[0], np.cumsum(k_u[order])])
    start = start.astype(np.int32 if start[-1] <= np.iinfo(np.int32).max else np.int64)  # then scipy need not look
    items, at = np.empty(start[-1], start.dtype), 0
    for first in run(chunks, preference, cluster, popularity, k_u, rng):
        items[at:at + first.size] = first
        at += first.size
    X = sparse.csr_array((np.ones(items.size, np.int8), items, start), shape=(n, p))[np.argsort(order)]
    X.data = np.ones(items.size)
    return X


def _whole_race(chunks, preference, cluster, popularity, k_u, rng):
    """The items of chunk after chunk of users: all arrivals are drawn.

    The race is run in float32, and in float64 where that cannot tell who is among the first.
    """
    by_cluster = np.zeros((preference.shape[1], len(cluster)))
    by_cluster[cluster, np.arange(len(cluster))] = popularity
    exact = preference, by_cluster
    preference, by_cluster = preference.astype(np.float32), by_cluster.astype(np.float32)
    space = np.empty((len(chunks[0]), len(cluster)))
    for users in chunks:
        k, drawn = k_u[users], rng.standard_exponential(out=space[:users.size])
        keys = drawn.astype(np.float32)
        with np.errstate(divide="ignore", over="ignore"):  # rates of 0 never arrive: infinite keys
            keys /= preference[users] @ by_cluster  # p_{u,c_i} p_i; the race needs no normalizing
            found = _smallest(keys, k)
            if found is None:
                found = _smallest_exactly(drawn / (exact[0][users] @ exact[1]), k)
        yield found


def _screened_race(chunks, preference, cluster, popularity, k_u, rng):
    """The same where lists are short: a random byte rules out most items, for which nothing more is drawn.

    Item i arrives at -log(1 - U) / p_ui with U = (byte + fraction) / 256. Fractions are drawn for the items whose byte lets
    them arrive by the time `until`, when some more than k_u should be there; and for all items of a user for whom that was
    too early.
    """
    p = len(cluster)
    last_byte, level, until = _screen(preference, cluster, popularity, k_u)
    for users in chunks:
        k, rows = k_u[users], np.arange(users.size)
        byte = rng.integers(2**64, size=-(-users.size * p // 8), dtype=np.uint64).view(np.uint8)[:users.size * p]
        latest = np.concatenate([of.take(level[c, users], axis=0) for c, of in enumerate(last_byte)], axis=1)
        found = np.flatnonzero(byte <= latest.ravel())
        row = found // p
        item = found - p * row
        U = (byte.take(found) + rng.random(found.size)) / 256
        rate = preference[users].take(row * preference.shape[1] + cluster.take(item)) * popularity.take(item)
        with np.errstate(divide="ignore", over="ignore"):  # as above
            keys = -np.log1p(-U) / rate
            few = _padded(keys, row, len(k), k.max() + 1)[0]
            few.sort(axis=1)
            bound = few[rows, k - 1]
            again = (bound > until[users]) | (bound == few[rows, k])  # too early, or a tie
            bound[again] = -1
            first = np.compress(keys <= bound[row], item)
            if again.any():
                drawn = again[row]
                every = (byte.reshape(-1, p)[again] + rng.random((again.sum(), p))) / 256
                every[(np.cumsum(again) - 1)[row[drawn]], item[drawn]] = U[drawn]
                late = _smallest_exactly(-np.log1p(-every) / (preference[users[again]][:, cluster] * popularity), k[again])
                both = np.empty(k.sum(), first.dtype)
                both[np.repeat(again, k)], both[np.repeat(~again, k)] = late, first
                first = both
        yield first


def _screen(preference, cluster, popularity, k_u):
    """The largest byte of an item that can arrive in time: by cluster, for rising levels (levels, items); the level of every
    cluster and user; and the time in question of every user.

    By the time t, an item has arrived with the chance 1 - exp(-t p_uc p_i). A level is a range of t p_uc.
    """
    n_clusters, p = preference.shape[1], len(cluster)
    grid = np.arange(-np.log(8 * p), np.log(1e6), 0.1)
    top = len(grid)  # the level of all that is beyond: every item may be there
    chance = [np.vstack([-np.expm1(-np.outer(np.exp(grid), popularity[cluster == c])), np.ones(np.sum(cluster == c))])
              for c in range(n_clusters)]
    expected = np.concatenate([of.sum(axis=1) for of in chance])  # arrivals

    # The earliest time, in steps of the grid, by which three standard deviations more than k_u are expected.
    target = k_u + 3 * np.sqrt(k_u) + 2
    speed = preference @ np.bincount(cluster, popularity, minlength=n_clusters)
    start = np.log(target / np.maximum(speed, 1e-300))
    with np.errstate(divide="ignore"):
        level = np.ceil((np.log(preference.T) + start - grid[0]) / 0.1).clip(-128, top).astype(np.int32)
    steps, place = np.zeros(len(k_u), np.int32), (top + 1) * np.arange(n_clusters)[:, None]
    for half in (64, 32, 16, 8, 4, 2, 1):
        arrivals = expected.take(place + (level + (steps + half - 1)).clip(0, top)).sum(axis=0)
        steps[arrivals < target] += half
    last_byte = [np.minimum(256 * of, 255).astype(np.uint8) for of in chance]
    return last_byte, (level + steps).clip(0, top), np.exp(start + 0.1 * steps)


def _smallest(keys, k):
    """Columns of the k[u] smallest keys of every row u, ascending, row after row; None where that is not certain.

    Most keys need not be sorted: of groups of keys, k have their least below a bound, so that k keys are below it.
    """
    n, p = keys.shape
    size = max(1, p // max(2 * k.max(), 100))
    groups = p // size
    bound = _kth(keys[:, :size * groups].reshape(n, size, groups).min(axis=1), k)
    column = np.tile(np.arange(p, dtype=np.int32), n)
    if size > 1:
        found = np.flatnonzero(keys <= bound)
        few, inside = _padded(keys.take(found), found // p, n)
        bound = _kth(few, k)
        column = column.take(np.compress((few <= bound)[inside], found))
    else:
        column = np.compress((keys <= bound).ravel(), column)
    return column if column.size == k.sum() and bound.max() < FAR else None


def _padded(keys, row, n, least=0):
    """Keys of n rows as a matrix with a column for the most that a row has, or `least`, infinite beyond; and where they are."""
    count = np.bincount(row, minlength=n)
    inside = np.arange(max(count.max(), least)) < count[:, None]
    few = np.full(inside.shape, np.inf, dtype=keys.dtype)
    np.place(few, inside, keys)
    return few, inside


def _kth(keys, k):
    """What the k[u] smallest keys of row u, and those close to them, do not exceed."""
    return CLOSE * np.sort(keys, axis=1)[np.arange(len(k)), k - 1, None]


def _smallest_exactly(keys, k):
    first = [np.argpartition(row, m - 1)[:m] for row, m in zip(keys, k)]  # the last of them arrives last
    for row, columns in zip(keys, first):
        require(np.isfinite(row[columns[-1]]), "max_items", "at most the number of items that a user can choose",
                len(columns), "Raise concentration or lower max_items")
    return np.concatenate([np.sort(columns) for columns in first])
