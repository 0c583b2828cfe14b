r"""What `audit` measures, without its sentences: tables, maps of them, neighbours, fits of two versions.

A table may be a file mapped into memory that is larger than the memory: no function copies one as a whole. Neighbours
are found block by block against all rows, for a few queries and under all maps at once, in one pass over the file.
"""

import mmap
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .._checks import LARGEST, ZERO_ROW, as_array, require
from ..gauge import split_product
from ..remedies import project_back
from .report import more

BLOCK = 16_384  # rows at a time
SCATTERED = 1_024  # the same where they do not follow each other: each brings 64 kB of a mapped file into memory
MANY = 100_000  # rows from which neighbours are compared in float32
EMPTY = 1e-7  # a direction that holds less than this share of the strongest counts as empty


@dataclass(frozen=True)
class Rows:
    """The rows `index` of the table E (m, k), None: all of them; the ids of all rows of E, or None."""

    E: np.ndarray
    ids: np.ndarray | None = None
    progress: bool = False
    index: np.ndarray | None = None
    lengths: float = np.nan  # the longest divided by the shortest

    def __len__(self):
        return len(self.numbers)

    @property
    def numbers(self):
        """Which rows of E these are."""
        return range(len(self.E)) if self.index is None else self.index

    @property
    def digits(self):
        """Decimal digits of the numbers in E."""
        return np.finfo(self.E.dtype).precision if self.E.dtype.kind == "f" else 15

    def take(self, positions):
        """Some of the rows, as float64; gives the pages of a mapped file back."""
        found = self.E[positions if self.index is None else self.index[positions]].astype(np.float64)
        if isinstance(getattr(self.E, "_mmap", None), mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.E._mmap.madvise(mmap.MADV_DONTNEED)
        return found

    def blocks(self, label=None):
        """(positions, rows as float64), block by block, with a progress bar if there is a label."""
        starts = range(0, len(self), BLOCK)
        if label and self.progress:
            from tqdm import tqdm
            starts = tqdm(starts, label, leave=False, unit=" blocks")
        for start in starts:
            yield np.arange(start, min(start + BLOCK, len(self))), self.take(slice(start, start + BLOCK))

    @cached_property
    def form(self):
        """What one pass over the rows finds; a column of ones in front splits the mean off."""
        blocks = (np.column_stack([np.ones(len(E)), E]) for _, E in self.blocks("reading"))
        T = triangle(blocks, self.digits)
        return Form(triangle([T[:, 1:]]), T[1:, 1:], T[0, 1:] / T[0, 0], len(self))

    def names(self, positions, most=10):
        """The ids of rows, or their row numbers where there are no ids."""
        rows = [self.numbers[position] for position in positions[:most]]
        return ", ".join(str(row if self.ids is None else self.ids[row]) for row in rows) + more(len(positions) - most)


def parts(array):
    """An array in parts of rows that do not follow each other."""
    return [array[start:start + SCATTERED] for start in range(0, len(array), SCATTERED)]


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
        return -((E - F)**2).sum(axis=1) if self.metric == "l2" else (E * F).sum(axis=1)


def unit(E):
    """Rows of length 1; a row that the shift has made zero stays zero."""
    length = np.linalg.norm(E, axis=1, keepdims=True)
    return np.divide(E, length, where=length > 0, out=np.zeros_like(E))


# --- one table ---


def scan(rows, label):
    """Lengths, a hash, and whether all entries are finite and whether all are zero, for every row."""
    weights = np.random.default_rng(0).integers(2**63, size=rows.E.shape[1], dtype=np.uint64) | np.uint64(1)
    length, key, finite = np.zeros(len(rows)), np.zeros(len(rows), np.uint64), np.zeros(len(rows), bool)
    for at, E in rows.blocks(label):
        finite[at] = (np.abs(E) < LARGEST).all(axis=1)  # false for NaN, too
        E[~finite[at]] = 0
        top = np.abs(E).max(axis=1)
        length[at] = top * np.linalg.norm(E / np.where(top > 0, top, 1)[:, None], axis=1)  # squares of 1e-200 are 0
        with np.errstate(over="ignore"):
            key[at] = ((E + 0.0).view(np.uint64) * weights).sum(axis=1, dtype=np.uint64)  # + 0.0: no -0
    return length, key, finite, finite & (length <= ZERO_ROW * length.max())


def duplicates(rows, key):
    """Positions of rows that equal an earlier one, and of that one.

    Equal rows have equal hashes, so only rows whose hash occurs twice are read again, and compared entry by entry with
    the first of them: one sort instead of n^2 comparisons.
    """
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    twins = np.column_stack([np.arange(len(key)), first[group]])
    twins = twins[twins[:, 0] != twins[:, 1]]
    same = [(rows.take(part[:, 0]) == rows.take(part[:, 1])).all(axis=1) for part in parts(twins)]
    return twins[np.concatenate(same)] if same else twins


def triangle(blocks, digits=15):
    """R (k, k) with R^T R = E^T E for the stacked blocks, by QR: the sum of squares halves the digits.

    Where the entries come with no more than half of them (`digits` of float16 and float32), the sum of squares in
    float64 is enough, and takes a fraction of the time.
    """
    R = G = 0
    for E in blocks:
        if digits < 8:
            G = G + E.T @ E
        else:
            R = np.linalg.qr(np.vstack([R if np.ndim(R) else np.zeros((E.shape[1], E.shape[1])), E]), mode="r")
    if np.ndim(G):
        squares, V = np.linalg.eigh(G)
        R = np.linalg.qr(np.sqrt(np.maximum(squares, 0))[:, None] * V.T, mode="r")
    return R


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
        root, back = split_product(users.R, items.R, power=0.5)[1], project_back(one, users.R)
        maps |= {"balanced": Map(plain, np.linalg.lstsq(items.R, root)[0]), "projected back": Map(plain, back),
                 "centred, projected back": Map(items.mean, back)}
    return maps


def form_after(form, map):
    """The triangle of a table after a map."""
    return (form.R_centred if map.shift.any() else form.R) @ map.M


def health(R):
    """Effective rank, exp of the entropy of the singular values over their sum, and the strongest direction's share."""
    s = np.linalg.svd(R, compute_uv=False)
    share = s[s > 0] / s.sum() if s.any() else np.ones(1)
    return float(np.exp(-np.sum(share * np.log(share)))), share[0]**2 / np.sum(share**2)


def nearest(rows, queries, maps, m, itself=None, label="neighbours"):
    """The m rows most similar to each query under each map, and the mean cosine of all pairs of rows.

    queries (q, k): rows, not mapped. itself: their positions in the table, where no query is its own neighbour.
    Returns name -> positions (q, m), and name -> mean, which needs no pairs, since the sum of unit rows has it.
    """
    kind, n = np.float32 if len(rows) > MANY else np.float64, len(rows)
    mapped = {name: map(queries).astype(kind) for name, map in maps.items()}
    best = {name: (np.full((len(queries), m), -np.inf, kind), np.full((len(queries), m), -1)) for name in maps}
    sums = dict.fromkeys(maps, 0)
    for at, E in rows.blocks(label):
        mine = [] if itself is None else np.flatnonzero((itself >= at[0]) & (itself <= at[-1]))
        for name, map in maps.items():
            F = map(E)
            sums[name] = sums[name] + F.sum(axis=0)
            S = map.scores(mapped[name], F.astype(kind))
            if len(mine):
                S[mine, itself[mine] - at[0]] = -np.inf
            best[name] = _better(*best[name], S, at)
    means = {name: float((total @ total - n) / (n * (n - 1))) for name, total in sums.items()}
    return {name: position for name, (_, position) in best.items()}, means


def _better(value, position, S, at):
    """The m best of those known and a block's, best first; most columns of a block hold nothing good enough."""
    m, columns = value.shape[1], np.flatnonzero((S > value[:, -1:]).any(axis=0))
    value = np.hstack([value, S[:, columns]])
    position = np.hstack([position, np.broadcast_to(at[columns], (len(S), len(columns)))])
    best = np.argpartition(-value, m - 1, axis=1)[:, :m]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(value, best, 1), axis=1), 1)
    return np.take_along_axis(value, best, 1), np.take_along_axis(position, best, 1)


def pair_values(rows, pairs, map):
    """Similarity of every pair (m, 2) under a map; rows of a small table are mapped once, not for each pair."""
    if len(rows) <= BLOCK:
        E = map(rows.take(slice(None)))
        return np.concatenate([map.of_pairs(*E[part.T]) for part in parts(pairs)])
    return np.concatenate([map.of_pairs(*(map(rows.take(side)) for side in part.T)) for part in parts(pairs)])


def positions(rows, pairs):
    """Positions among the rows that were kept, of pairs of row numbers of the table."""
    pairs, n = as_array(pairs, "pairs"), len(rows.E)
    require(pairs.ndim == 2 and pairs.shape[1] == 2 and pairs.dtype.kind in "iu" and pairs.size, "pairs",
            "row numbers, shape (q, 2)", f"shape {pairs.shape}, dtype {pairs.dtype}")
    require(pairs.min() >= 0 and pairs.max() < n, "pairs", f"row numbers in 0..{n - 1}",
            f"{pairs.min()} to {pairs.max()}")
    at = np.full(n, -1)
    at[np.asarray(rows.numbers)] = np.arange(len(rows))
    lost = pairs[at[pairs] < 0]
    require(lost.size == 0, "pairs", "made of rows that have a direction",
            f"rows {lost[:10]}, which are zero or not finite")
    return at[pairs]


def overlap(one, other):
    """Share of common neighbours, one number a query."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)


# --- two versions ---


class Fit(NamedTuple):
    """new = old M, without rows that do not follow; off (n,) = |new - old M| / |new|, turned: the same for -new."""

    M: np.ndarray
    off: np.ndarray
    turned: np.ndarray


def fit(old, new, tolerance):
    """One linear map from last time's table to this one's, each row of length 1 in the new table.

    Rows far off are left out and the rest is fitted again, until no more are: one bad row among many would spoil the
    map for all, and rows of full length hide what happens to the short ones.
    """
    k, follows = old.E.shape[1], np.ones(len(new), bool)
    for _ in range(5):
        T = triangle(((np.column_stack([E, F]) / np.linalg.norm(F, axis=1, keepdims=True))[follows[at]]
                      for at, E, F in together(old, new, "fit")), max(old.digits, new.digits))
        M = np.linalg.lstsq(T[:k, :k], T[:k, k:])[0]
        size, off, turned = _lengths(old, new, lambda E, F: (F, F - (G := E @ M), F + G))
        before, follows = follows, off / size <= max(10 * np.median((off / size)[follows]), tolerance)
        if (before == follows).all():
            break
    return Fit(M, off / size, turned / size)


def prediction_change(users, items, old_users, old_items):
    """Relative change of each item's predictions, over all users: as they are, and up to a constant per user.

    |P q - P' q'| = |R [q, -q']| with the triangle R of [P P'], so that no n x p matrix is formed.
    """
    R = triangle((np.column_stack([P, O]) for _, P, O in together(users, old_users, "predictions")),
                 max(users.digits, old_users.digits))
    A, B = np.split(R.T, [users.E.shape[1]])
    shift = sum((Q @ A - O @ B).sum(axis=0) for _, Q, O in together(items, old_items)) / len(items)
    size, *moved = _lengths(items, old_items, lambda Q, O: (Z := Q @ A, D := Z - O @ B, D - shift))
    return [np.divide(move, size, where=size > 0, out=np.where(move > 0, np.inf, 0)) for move in moved]


def together(one, other, label=None):
    """Blocks of two tables of as many rows: positions and both."""
    return ((at, E, F) for (at, E), (_, F) in zip(one.blocks(label), other.blocks()))


def _lengths(one, other, of):
    """The lengths of rows that are made of two tables' rows, block by block."""
    return np.concatenate([[np.linalg.norm(Z, axis=1) for Z in of(E, F)] for _, E, F in together(one, other)], axis=1)
