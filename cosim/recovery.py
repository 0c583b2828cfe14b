"""How well a similarity S finds the true clusters. Takes S, not a model.

Cosines that are equal in exact arithmetic differ by rounding noise, and ranking that noise gives
nonsense (an AUC of .457 instead of .5 for the identity): S is divided by its largest entry and rounded
first, to ten decimals (five where S came as float32, two as float16, whose own rounding is larger).
"""

import numpy as np
import scipy  # and scipy.stats when it is used: it takes longer to import than all the rest

from ._checks import check_int, check_labels, check_similarity, require, resolution


def same_cluster_auc(S, cluster) -> float:
    """Chance that a same-cluster pair is more similar than another pair.

    Both pairs are drawn at random: the area under the ROC curve over all
    pairs of items; a tie counts one half.

    Source: Mann-Whitney U statistic divided by the number of comparisons.

    Parameters
    ----------
    S : array, shape (p, p)
        Symmetric similarity; the diagonal is not used.
    cluster : array, shape (p,)
        The true cluster of every item.

    Returns
    -------
    float
        In [0, 1]; 1 is perfect, .5 is chance.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are no pairs of either kind.

    Examples
    --------
    >>> S = [[1, 0.9, 0.1], [0.9, 1, 0.1], [0.1, 0.1, 1]]
    >>> same_cluster_auc(S, [0, 0, 1])
    1.0
    >>> same_cluster_auc(np.eye(3), [0, 0, 1])  # every pair ties
    0.5
    """
    S = _rounded(S)
    cluster = check_labels(cluster, len(S))
    above = np.triu_indices(len(S), 1)
    same = cluster[above[0]] == cluster[above[1]]
    n_same, n_other = same.sum(), (~same).sum()
    require(n_same and n_other, "cluster",
            "such that there are same-cluster pairs and others",
            f"{n_same} and {n_other} pairs")

    ranks = scipy.stats.rankdata(S[above])  # average rank for ties
    wins = ranks[same].sum() - n_same * (n_same + 1) / 2
    return float(wins / (n_same * n_other))


def precision_at(S, cluster, m: int) -> float:
    """Share of an item's m most similar items that are in its own cluster, mean over items.

    Where several items tie for the last places, each is equally likely to be taken: the result is
    the expectation, so that S = I gives chance and not an artefact of the item order.

    Source: precision at m of information retrieval, over the items as queries.

    Parameters
    ----------
    S : array, shape (p, p)
        Symmetric similarity; the diagonal is not used.
    cluster : array, shape (p,)
        The true cluster of every item.
    m : int
        Neighbours per item, 1 <= m <= p - 1.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If the shapes do not fit or `m` is out of range.

    Examples
    --------
    >>> S = [[1, 0.9, 0.1], [0.9, 1, 0.1], [0.1, 0.1, 1]]
    >>> round(precision_at(S, [0, 0, 1], m=1), 3)  # hit, hit, miss
    0.667
    """
    S = _rounded(S)
    p = len(S)
    cluster = check_labels(cluster, p)
    check_int(m, 1, p - 1, "m")
    np.fill_diagonal(S, -np.inf)  # S is a rounded copy; an item is not its own neighbour

    cut = np.partition(S, p - m, axis=1)[:, p - m, None]  # similarity of the m-th neighbour
    same = cluster[:, None] == cluster[None, :]
    sure, tied = S > cut, S == cut
    places = m - sure.sum(axis=1)  # left for the tied ones
    hits = (sure & same).sum(axis=1) + places * (tied & same).sum(axis=1) / tied.sum(axis=1)
    return float(np.mean(hits / m))


def _rounded(S):
    eps = resolution(S, "S")
    decimals = min(10, int(-np.log10(10 * eps)))
    S = check_similarity(S)
    return (S / (np.abs(S).max() or 1)).round(decimals)
