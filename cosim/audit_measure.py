r"""What `audit` measures, without its sentences: tables, maps of them, neighbours, fits of two versions, known pairs.

A table may be a file mapped into memory that is larger than the memory: no function copies one as a whole.
"""

import mmap
from typing import NamedTuple

import numpy as np
import scipy  # and scipy.linalg and scipy.stats when they are used: they take longer to import than all the rest

from ._checks import LARGEST, ZERO_ROW
from .gauge import split_product
from .remedies import project_back

BLOCK = 16_384  # rows at a time
RESAMPLES = 200  # of the bootstrap
EMPTY = 1e-7  # a direction that holds less than this share of the strongest counts as empty


class Rows(NamedTuple):
    """The rows `index` of the table E (m, k); None: all of them."""

    E: np.ndarray
    index: np.ndarray | None = None

    def __len__(self):
        return len(self.E) if self.index is None else len(self.index)

    def take(self, rows):
        """Some of the rows, as float64."""
        return self.E[rows if self.index is None else self.index[rows]].astype(np.float64)

    def blocks(self, bar=None):
        """(positions, rows as float64), block by block; pages of a mapped file are given back."""
        for start in range(0, len(self), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(self)))
            yield rows, self.take(slice(start, start + BLOCK))
            release(self.E)
            if bar is not None:
                bar.update(len(rows))


def release(E):
    """Give the pages of a mapped file back; it is read again when it is needed again."""
    if isinstance(getattr(E, "_mmap", None), mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        E._mmap.madvise(mmap.MADV_DONTNEED)


class Form(NamedTuple):
    """What one pass over n rows finds: R^T R = E^T E, the same for E less its mean, and the mean."""

    R: np.ndarray
    R_centred: np.ndarray
    mean: np.ndarray
    n: int


class Map(NamedTuple):
    """Rows become (e - shift) M and are compared by cosine, dot product or distance (l2)."""

    shift: np.ndarray
    M: np.ndarray
    metric: str = "cosine"

    def __call__(self, E):
        E = (E - self.shift) @ self.M
        return unit(E) if self.metric == "cosine" else E

    def scores(self, E, F):
        """Similarity of every row of E with every row of F, both mapped already; up to a constant a row for l2."""
        S = E @ F.T
        return 2 * S - (F * F).sum(axis=1) if self.metric == "l2" else S

    def of_pairs(self, E, F):
        """Similarity of row i of E and row i of F, both mapped already."""
        return -((E - F) ** 2).sum(axis=1) if self.metric == "l2" else (E * F).sum(axis=1)


def unit(E):
    """Rows of length 1; a row that the shift has made zero stays zero."""
    length = np.linalg.norm(E, axis=1, keepdims=True)
    return np.divide(E, length, where=length > 0, out=np.zeros_like(E))


def scan(E, bar=None):
    """Lengths, a hash, and whether all entries are finite, for every row."""
    weights = np.random.default_rng(0).integers(2**63, size=E.shape[1], dtype=np.uint64) | np.uint64(1)
    length, key, finite = np.zeros(len(E)), np.zeros(len(E), np.uint64), np.zeros(len(E), bool)
    for rows, block in Rows(E).blocks(bar):
        finite[rows] = (np.abs(block) < LARGEST).all(axis=1)  # false for NaN, too
        block[~finite[rows]] = 0
        top = np.abs(block).max(axis=1, initial=0)
        length[rows] = top * np.linalg.norm(
            np.divide(block, top[:, None], where=top[:, None] > 0, out=np.zeros_like(block)), axis=1)
        with np.errstate(over="ignore"):
            key[rows] = ((block + 0.0).view(np.uint64) * weights).sum(axis=1, dtype=np.uint64)  # + 0.0: no -0
    return length, key, finite, finite & (length <= ZERO_ROW * length.max())


def duplicates(rows, key):
    """Positions of rows that equal an earlier one, and of that one."""
    order = np.argsort(key, kind="stable")
    first = np.maximum.accumulate(np.where(np.r_[True, np.diff(key[order]) != 0], np.arange(len(order)), 0))
    later = np.flatnonzero(first != np.arange(len(order)))
    twins = np.column_stack([order[later], order[first[later]]])
    same = [(rows.take(part[:, 0]) == rows.take(part[:, 1])).all(axis=1) for part in _parts(twins)]
    return twins[np.concatenate(same)] if same else twins


def _parts(array):
    return [array[start:start + BLOCK] for start in range(0, len(array), BLOCK)]


def triangle(blocks):
    """R (k, k) with R^T R = E^T E for the stacked blocks, by QR: the sum of squares would halve the digits."""
    R = np.zeros((0, 0))
    for block in blocks:
        R = scipy.linalg.qr(np.vstack([R.reshape(-1, block.shape[1]), block]), mode="r",
                      check_finite=False)[0][:block.shape[1]]
    return np.vstack([R, np.zeros((R.shape[1] - len(R), R.shape[1]))])


def form(rows, bar=None):
    """One pass over a table; a column of ones in front splits the mean off."""
    T = triangle(np.column_stack([np.ones(len(E)), E]) for _, E in rows.blocks(bar))
    return Form(triangle([T[:, 1:]]), T[1:, 1:], T[0, 1:] / T[0, 0], len(rows))


def inverse(R):
    """M (k, r) with (E M)^T E M = I where R^T R = E^T E, on the r dimensions that E fills."""
    _, s, Vt = np.linalg.svd(R)
    filled = s > s[0] * EMPTY
    return Vt[filled].T / s[filled]


def interval(cosine, kappa):
    """Lowest and highest cosine that a map of condition number up to kappa can make: Fisher's z moves by ln kappa."""
    z = np.arctanh(np.clip(cosine, -1 + 1e-16, 1 - 1e-16))
    return np.tanh(z - np.log(kappa)), np.tanh(z + np.log(kappa))


def sign_price(cosine):
    """The condition number from which some map turns the sign of a cosine."""
    return np.exp(np.arctanh(np.minimum(np.abs(cosine), 1 - 1e-16)))


def conventions(items, users=None):
    """Maps that fix the free M after training; with the form of the users' table also those that need both."""
    k = len(items.mean)
    plain, one = np.zeros(k), np.eye(k)
    deviation = np.sqrt((items.R_centred**2).sum(axis=0) / items.n)
    weight = np.divide(1, deviation, where=deviation > ZERO_ROW * deviation.max(), out=np.zeros(k))
    maps = {"as served": Map(plain, one), "unit variance": Map(plain, np.diag(weight)),
            "orthonormal": Map(plain, inverse(items.R)), "centred": Map(items.mean, one),
            "centred, whitened": Map(items.mean, inverse(items.R_centred))}
    if users is not None:
        root = split_product(users.R, items.R, power=0.5)[1]
        back = project_back(one, users.R)
        maps |= {"balanced": Map(plain, np.linalg.lstsq(items.R, root)[0]), "projected back": Map(plain, back),
                 "centred, projected back": Map(items.mean, back)}
    return maps


def form_after(form, map):
    """The triangle of a table after a map."""
    R = form.R_centred if map.shift.any() else form.R
    return R @ map.M


def effective_rank(R):
    """exp of the entropy of the singular values divided by their sum (Roy and Vetterli 2007)."""
    s = np.linalg.svd(R, compute_uv=False)
    s = s[s > 0] / s.sum()
    return float(np.exp(-np.sum(s * np.log(s))))


def nearest(rows, queries, maps, m, itself=True, bar=None):
    """The m rows most similar to each query under each map, and the sum and lengths of the mapped rows.

    queries (q, k): rows themselves, not mapped. itself: positions of the queries in the table, or None where they are
    not in it. Returns name -> (positions (q, m), mean cosine of all pairs of rows).
    """
    dtype = np.float32 if len(rows) > 100_000 else np.float64
    found = {name: (np.full((len(queries), m), -np.inf, dtype), np.full((len(queries), m), -1)) for name in maps}
    mapped = {name: map(queries).astype(dtype) for name, map in maps.items()}
    sums = {name: 0 for name in maps}
    for at, E in rows.blocks(bar):
        for name, map in maps.items():
            F = map(E)
            sums[name] = sums[name] + F.sum(axis=0)
            S = map.scores(mapped[name], F.astype(dtype))
            if itself is not None:
                mine = np.flatnonzero((itself >= at[0]) & (itself <= at[-1]))
                S[mine, itself[mine] - at[0]] = -np.inf
            found[name] = _better(*found[name], S, at)
    n = len(rows)
    return {name: (found[name][1], float((sums[name] @ sums[name] - n) / (n * (n - 1)))) for name in maps}


def _better(value, position, S, at):
    """The m best of those known and a block's; most columns of a block hold nothing good enough."""
    columns = np.flatnonzero((S > value[:, -1:]).any(axis=0))
    value = np.hstack([value, S[:, columns]])
    position = np.hstack([position, np.broadcast_to(at[columns], (len(S), len(columns)))])
    m = position.shape[1] - len(columns)
    best = np.argpartition(-value, m - 1, axis=1)[:, :m] if len(columns) else np.broadcast_to(np.arange(m), (len(S), m))
    value, position = np.take_along_axis(value, best, 1), np.take_along_axis(position, best, 1)
    order = np.argsort(-value, axis=1)
    return np.take_along_axis(value, order, 1), np.take_along_axis(position, order, 1)


def pair_values(rows, pairs, map):
    """Similarity of every pair (m, 2) under a map; rows of a small table are mapped once, not for each pair."""
    mapped = map(rows.take(slice(None))) if len(rows) <= BLOCK else None
    found = [map.of_pairs(*(map(rows.take(side)) if mapped is None else mapped[side] for side in part.T))
             for part in _parts(pairs)]
    release(rows.E)
    return np.concatenate(found)


def overlap(one, other):
    """Share of common neighbours, one number a query."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)


# --- two versions ---


class Fit(NamedTuple):
    """new = old M, without rows that do not follow; off (n,) = |new - old M| / |new|, turned: the same for -new."""

    M: np.ndarray
    off: np.ndarray
    turned: np.ndarray


def fit(old, new, tolerance, bar=lambda: None):
    """One linear map from last time's table to this one's, each row of length 1 in the new table.

    Rows far off are left out and the rest is fitted again, until no more are: one bad row among many would spoil the
    map for all, and rows of full length hide what happens to the short ones.
    """
    follows = np.ones(len(new), bool)
    for _ in range(5):
        T = triangle(np.column_stack([E, F])[follows[rows]] for rows, E, F in _scaled(old, new, bar()))
        k = old.E.shape[1]
        M = np.linalg.lstsq(T[:k, :k], T[:k, k:])[0]
        off, turned = np.zeros((2, len(new)))
        for rows, E, F in _scaled(old, new):
            off[rows] = np.linalg.norm(F - E @ M, axis=1)
            turned[rows] = np.linalg.norm(F + E @ M, axis=1)
        typical = np.median(off[follows])
        before, follows = follows, off <= max(10 * typical, tolerance)
        if (before == follows).all():
            break
    return Fit(M, off, turned)


def _scaled(old, new, bar=None):
    for (rows, E), (_, F) in zip(old.blocks(bar), new.blocks()):
        length = np.linalg.norm(F, axis=1, keepdims=True)
        yield rows, E / length, F / length


def prediction_change(users, items, old_users, old_items, bar=None):
    """Relative change of each item's predictions, over all users: as they are, and up to a constant per user.

    |P q - P' q'| = |R [q, -q']| with the triangle R of [P P'], so that no n x p matrix is formed.
    """
    R = triangle(np.column_stack([P, O]) for (_, P), (_, O) in zip(users.blocks(bar), old_users.blocks()))
    k = users.E.shape[1]
    shift = R[:, :k] @ form(items).mean - R[:, k:] @ form(old_items).mean
    plain, centred = np.zeros((2, len(items)))
    for (rows, Q), (_, O) in zip(items.blocks(bar), old_items.blocks()):
        size = np.linalg.norm(Q @ R[:, :k].T, axis=1)
        change = Q @ R[:, :k].T - O @ R[:, k:].T
        plain[rows] = np.linalg.norm(change, axis=1) / size
        centred[rows] = np.linalg.norm(change - shift, axis=1) / size
    return plain, centred


# --- known pairs ---


def pairs_of_labels(labels, rng, most=5_000):
    """Up to `most` pairs with one label and as many others; weights restore the shares that all pairs would have."""
    known = np.flatnonzero(labels != "")
    code = np.unique(labels[known], return_inverse=True)[1]
    size = np.bincount(code)
    order, start = np.argsort(code, kind="stable"), np.cumsum(size) - size
    first = rng.choice(len(known), size=most, p=(size[code] - 1) / np.sum(size[code] - 1))
    place = rng.integers(size[code[first]] - 1)
    mates = order[start[code[first]] + place]
    mates = np.where(mates == first, order[start[code[first]] + size[code[first]] - 1], mates)
    one, other = rng.integers(len(known), size=(2, 2 * most))
    differ = code[one] != code[other]
    pairs = known[np.vstack([np.column_stack([first, mates]), np.column_stack([one, other])[differ]])]
    similar = np.arange(len(pairs)) < most
    share = np.sum(size * (size - 1)) / (len(known) * (len(known) - 1))
    return pairs, similar, np.where(similar, share / most, (1 - share) / differ.sum())


def auc(rank, similar, weight):
    """Chance that a similar pair beats another, pairs drawn by weight; `rank` are dense ranks, a tie counts half."""
    yes, no = np.bincount(rank, weight * similar), np.bincount(rank, weight * ~similar, minlength=rank.max() + 1)
    yes = np.pad(yes, (0, len(no) - len(yes)))
    below = np.cumsum(no) - no
    return float(np.sum(yes * (below + no / 2)) / (yes.sum() * no.sum()))


def dense_ranks(values):
    """Ranks from 0; values equal up to rounding share one."""
    return scipy.stats.rankdata((values / (np.abs(values).max() or 1)).round(10), "dense") - 1


def resampled(pairs, weight, rng, resamples=RESAMPLES):
    """Weights of the pairs after drawing their items with replacement, and which pairs have neither item drawn.

    Pairs that share an item are not independent, so items are drawn, not pairs.
    """
    items, at = np.unique(pairs, return_inverse=True)
    at = at.reshape(pairs.shape)
    for _ in range(resamples):
        times = np.bincount(rng.integers(len(items), size=len(items)), minlength=len(items))[at]
        yield weight * times.prod(axis=1), (times == 0).all(axis=1)


def threshold_for(values, similar, weight, aim, wanted):
    """The lowest level with at least that precision, or the highest with that recall; None if there is none."""
    order = np.argsort(-values, kind="stable")
    hits, drawn = np.cumsum((weight * similar)[order]), np.cumsum(weight[order])
    last = np.r_[np.diff(values[order]) != 0, True] & (drawn > 0)
    reached = (hits / np.maximum(drawn, 1e-300) if aim == "precision" else hits / hits[-1]) >= wanted - 1e-12
    good = np.flatnonzero(last & reached)
    return None if good.size == 0 else float(values[order][good[-1] if aim == "precision" else good[0]])


def threshold_again(values, similar, weight, drawn, aim, wanted):
    """Thresholds set on redrawn items, and what each reaches on the pairs of items that were not drawn."""
    levels, reached = [], []
    for times, unseen in drawn:
        level = threshold_for(values, similar, times, aim, wanted) if (times * similar).any() else None
        if level is not None and (unseen & similar).any():
            levels.append(level)
            reached.append(served_by(values[unseen], similar[unseen], weight[unseen], level)[aim == "recall"])
    return levels, reached


def served_by(values, similar, weight, level):
    """(precision, recall) of calling similar what is at or above a level."""
    above = values >= level
    hits = np.sum(weight * (above & similar))
    return hits / max(np.sum(weight * above), 1e-300), hits / np.sum(weight * similar)
