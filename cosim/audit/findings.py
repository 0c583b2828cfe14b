r"""Audit somebody's own embeddings: what of their cosines is fixed by the model, and what is an accident.

A table of items Q (n, k), with users P if there are any, is one of many with the same predictions P Q^T: (P M^-T, Q M)
has them for every invertible M. A finding says what was measured, what that rests on, what to do, what to expect of it
and how to see whether it came. There is no grade: no single number about a table survives the freedom.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from . import known, measure
from .._checks import check_number, check_rng, half_digits, real_array, require
from ..gauge import flip_threshold
from .measure import Map, Rows
from .report import Audit, counted, more, say, sentences, slug

ALL_PAIRS, PAIRS = 1_500, 50_000  # up to so many items all pairs are looked at, above it so many random ones
ALL_ITEMS, QUERIES = 3_000, 500  # the same for the items whose neighbours are looked for
NEIGHBOURS = 10
KAPPAS = (1.5, 2, 5)
LISTED = 10  # pairs that a table shows
BALANCED = 1.05  # condition number up to which tables count as balanced
UNRELATED = 0.5  # residual from which little of the old version is left
METRICS = ("cosine", "dot", "l2")


@dataclass(frozen=True)
class Case:
    """What is audited: the tables, what the index ranks by, and the source of samples."""

    items: Rows
    users: Rows | None
    metric: str
    rng: np.random.Generator

    @cached_property
    def maps(self):
        """The conventions as maps of the items, by name."""
        maps = measure.conventions(self.items.form, self.users and self.users.form)
        return maps | {"as served": self.plain(self.metric)}

    def plain(self, metric):
        """The items as they are, by a metric."""
        width = self.items.E.shape[1]
        return Map(np.zeros(width), np.eye(width), metric)


class Sample(NamedTuple):
    """Rows or pairs of rows that were looked at: all of them, or random ones."""

    at: np.ndarray
    exact: bool
    which: str

    def mean(self, values, spec=".2f"):
        """A mean; of a sample with half of its 95 % interval (three in m where all m are equal)."""
        m = len(values)
        error = 0 if self.exact else max(1.96 * np.std(values) / np.sqrt(m), 3 / m)
        return f"{np.mean(values):{spec}}" + (f" ± {error:{spec}}" if error else "")


def audit(items, *, users=None, previous=None, previous_users=None, ids=None, previous_ids=None, pairs=None,
          similar=None, labels=None, trained="unknown", metric="cosine", threshold=None, wanted=("precision", 0.9),
          leave_out=False, rng, progress=False) -> Audit:
    r"""Audit a table of embeddings: which of its cosines can be trusted, and what to do about the others.

    .. math:: (PM^{-T})(QM)^T = PQ^T, \qquad |\operatorname{artanh}\cos_M - \operatorname{artanh}\cos| \le \ln\kappa(M)

    Zero, equal and non-finite rows are looked for in all rows: equal ones by a hash of each row, compared entry by
    entry where two hashes agree. Neighbours are exact, against all rows and block by block; above 3,000 items they are
    looked for from 500 random items, and above 1,500 items 50,000 random pairs stand for all: the report gives the
    error of each such number.

    Source: this project; the chapter "Audit your own embeddings".

    Parameters
    ----------
    items : array, shape (n, k)
        One vector a row, float16 to float64; may be mapped from a file.
    users : array, shape (m, k), optional
        The other side, whose dot products with `items` are the predictions.
    previous, previous_users : array, optional
        The same tables of another version; the same users in the same order.
    ids, previous_ids : sequence of n strings, optional
        Names of the rows; versions are matched by them. Without them, by row number.
    pairs : array of int, shape (q, 2), optional
        Pairs of rows of `items` to look at.
    similar : array of bool, shape (q,), optional
        Which of them are known to be similar.
    labels : sequence of n strings, optional
        Instead of `similar`: items of one label are similar; "" is none.
    trained : {"unknown", "dot", "softmax", "cosine", "factors-decayed", "one-encoder"}
        The training objective.
    metric : {"cosine", "dot", "l2"}
        What the index ranks by.
    threshold : float, optional
        The level from which a pair counts as similar today, in the unit of `metric` (l2: minus the squared distance).
    wanted : (str, float)
        "precision" or "recall", and how much of it, in (0, 1]: a threshold for it is looked for.
    leave_out : bool
        Leave rows that are not finite out, and say so, instead of refusing the table.
    rng : numpy.random.Generator
        For samples and the bootstrap.
    progress : bool
        Show progress bars.

    Returns
    -------
    Audit
        about, findings and numbers.

    Raises
    ------
    ValueError
        If an argument is out of range, tables do not fit each other, or rows are not finite and `leave_out` is False.

    Examples
    --------
    >>> found = audit([[1.0, 0.0], [0.0, 2.0], [2.0, 2.0]], rng=np.random.default_rng(0))
    >>> round(found.numbers["mean_cosine"], 4)  # (0 + .7071 + .7071) / 3
    0.4714
    """
    check_rng(rng)
    for name, value, among in (("trained", trained, sentences()["trained"]["says"]), ("metric", metric, METRICS)):
        require(value in among, name, f"one of {', '.join(among)}", repr(value))
    require(len(wanted) == 2 and wanted[0] in ("precision", "recall") and 0 < wanted[1] <= 1, "wanted",
            "precision or recall, and a number in (0, 1]", wanted)
    threshold = None if threshold is None else check_number(threshold, "threshold")
    require(previous is not None or previous_users is None, "previous", "given where previous_users are", "none")
    require(labels is None or similar is None, "labels", "given without pairs of known similarity", "both")
    read = dict(leave_out=leave_out, progress=progress)
    items, found = _usable(items, ids, "items", **read)
    if users is not None:
        users, about_users = _usable(users, None, "users", width=items.E.shape[1], **read)
        found += about_users
    case = Case(items, users, metric, rng)
    found += _one_table(case, pairs)
    if users:
        found += _both_tables(case)
    if previous is not None:
        found += _versions(case, previous, previous_users, previous_ids, threshold, read)
    if similar is not None or labels is not None:
        found += known.findings(case, pairs, similar, labels, wanted, threshold)
    about = {name: f"{len(rows):,} x {rows.E.shape[1]}, {rows.E.dtype}"
             for name, rows in (("items", items), ("users", users)) if rows}
    return Audit(about | {"ranked by": metric, "trained": trained}, (*found, say("trained", trained)))


# --- rows ---------------------------------------------------------------------------------------


def _usable(E, ids, argument, leave_out, progress, width=None):
    """The rows that have a direction, and findings about the others."""
    rows = _table(E, ids, argument, progress, width)
    length, key, finite, zero = measure.scan(rows, f"checking {argument}")
    bad, empty, keep = np.flatnonzero(~finite), np.flatnonzero(zero), np.flatnonzero(finite & ~zero)
    require(leave_out or bad.size == 0, argument, "finite",
            f"{counted(bad.size, 'row')} with NaN, infinity or a number above 1e150: {rows.names(bad)}",
            "Look for their cause, or leave them out by --leave-out")
    require(keep.size > 1, argument, "a matrix with two rows that are not zero", counted(keep.size, "such row"))
    kept = replace(rows, index=None if keep.size == len(rows) else keep, lengths=length[keep].max() / length[keep].min())
    suffix = "" if argument == "items" else f"-of-{argument.replace('_', '-')}"
    words, lost = dict(argument=argument.replace("_", " "), suffix=suffix), {"not-finite-rows": bad, "zero-rows": empty}
    if suffix and len(kept) == len(rows):
        return kept, [say("sound-rows", "any", **words, **{slug(name + suffix): 0 for name in lost})]
    found = [say(name, "some" if which.size else "none", rows=counted(which.size, "row"), names=rows.names(which),
                 **words, **{slug(name + suffix): which.size}) for name, which in lost.items()]
    return kept, found if suffix else [*found, _duplicates(kept, key[keep])]


def _table(E, ids, argument, progress, width):
    E = E if isinstance(E, np.ndarray) else real_array(E, argument)
    require(E.ndim == 2 and len(E) > 1 and E.shape[1], argument, "a matrix of at least two rows", f"shape {E.shape}")
    require(E.dtype.kind in "buif", argument, "made of real numbers", f"dtype {E.dtype}")
    require(width in (None, E.shape[1]), argument, f"of the width of items, {width}", f"width {E.shape[1]}")
    require(ids is None or len(ids) == len(E), "ids", f"one for each of the {len(E)} rows of {argument}",
            0 if ids is None else len(ids))
    return Rows(E, None if ids is None else np.asarray(ids), progress)


def _duplicates(rows, key):
    twins = measure.duplicates(rows, key)
    equal = "; ".join(f"{rows.names([one])} = {rows.names([other])}" for one, other in twins[:LISTED])
    return say("duplicate-rows", "some" if len(twins) else "none", duplicate_rows=len(twins),
               rows=counted(len(twins), "row"), names=equal + more(len(twins) - LISTED))


# --- one table ----------------------------------------------------------------------------------


def _one_table(case, pairs):
    some, sample = _some_rows(case, case.items), _some_pairs(case)
    maps = case.maps | {metric: case.plain(metric) for metric in METRICS}
    lists, means = _lists(case.items, maps, case.items.take(some.at), some.at)
    yield _metric(case, lists, some)
    yield _spectrum(case.items.form)
    cosines = measure.pair_values(case.items, sample.at, maps["cosine"])
    low, high = np.quantile(cosines, [0.25, 0.75])
    yield say("signs", "any", which=sample.which, low=low, high=high, **_turns(cosines, "flip_share"))
    if pairs is not None:
        yield _listed(case, pairs)
    yield from _conventions(case, lists, means, some)


def _some_pairs(case):
    """Pairs of positions of items."""
    n = len(case.items)
    if n <= ALL_PAIRS:
        return Sample(np.column_stack(np.triu_indices(n, 1)), True, f"all {counted(n * (n - 1) // 2, 'pair')}")
    first = case.rng.integers(n, size=PAIRS)
    other = (first + case.rng.integers(1, n, size=PAIRS)) % n
    error = f"shares to within {1.96 * 0.5 / np.sqrt(PAIRS):.1%} (95 %)"
    return Sample(np.column_stack([first, other]), False, f"{PAIRS:,} random pairs: {error}")


def _some_rows(case, rows, all_up_to=None):
    n = len(rows)
    if n <= (all_up_to or ALL_ITEMS):
        return Sample(np.arange(n), True, f"all {n:,}")
    return Sample(np.sort(case.rng.choice(n, QUERIES, replace=False)), False, f"{QUERIES:,} random")


def _lists(rows, maps, queries, itself=None, label="neighbours"):
    return measure.nearest(rows, queries, maps, min(NEIGHBOURS, len(rows) - 1), itself, label)


def _turns(cosines, name):
    """Shares of pairs whose sign a map of some condition numbers can turn, as numbers and as a text."""
    shares = {f"{kappa:g}": np.mean(measure.sign_price(cosines) < kappa) for kappa in KAPPAS}
    text = ", ".join(f"{share:.1%} at {kappa}" for kappa, share in shares.items())
    return {f"{name}_{kappa}": share for kappa, share in shares.items()} | {"shares": text}


def _metric(case, lists, some):
    dot, l2 = (measure.overlap(lists["cosine"], lists[metric]) for metric in ("dot", "l2"))
    lengths, alike = case.items.lengths, min(dot.min(), l2.min()) == 1
    kind = "unit" if lengths < 1 + half_digits(case.items.E[:1], "items") else "alike" if alike else "other"
    return say("metric", kind, overlap_dot=dot.mean(), overlap_l2=l2.mean(), length_ratio=lengths, metric=case.metric,
               which=some.which, m=lists["dot"].shape[1], dot=some.mean(dot), l2=some.mean(l2))


def _spectrum(form):
    s = np.linalg.svd(form.R, compute_uv=False)
    filled = np.count_nonzero(s > s[0] * measure.EMPTY)
    rank, top = measure.health(form.R)
    return say("spectrum", "full" if filled == len(s) else "empty", filled_dimensions=filled, effective_rank=rank,
               condition=s[0] / s[filled - 1], width=len(s), top=top)


def _listed(case, pairs):
    """What each listed pair can reach."""
    at = measure.positions(case.items, pairs)
    cosines = measure.pair_values(case.items, at, case.plain("cosine"))
    rows = [(case.items.names([i]), case.items.names([j]), cosine,
             *np.ravel([measure.interval(cosine, kappa) for kappa in KAPPAS]), measure.sign_price(cosine),
             flip_threshold(case.items.take([i]), case.items.take([j]))[0, 0])
            for (i, j), cosine in zip(at[:LISTED], cosines)]
    return say("pairs", "any", rows, pairs=counted(len(pairs), "pair"), **_turns(cosines, "listed_flip_share"),
               shown=f" It shows the first {LISTED}." if len(pairs) > LISTED else "")


def _conventions(case, lists, means, some):
    kept = {name: measure.overlap(lists["cosine"], lists[name]) for name in list(case.maps)[1:]}
    least = min(kept, key=lambda name: kept[name].mean())
    yield say("conventions", "any", [("as served", "1.00"), *((name, some.mean(share)) for name, share in kept.items())],
              m=lists[least].shape[1], least=some.mean(kept[least]), lowest=least, which=some.which,
              **{f"overlap_{slug(name)}": share.mean() for name, share in kept.items()})
    rows = [(name, means["cosine" if name == "as served" else name],
             *measure.health(measure.form_after(case.items.form, map))) for name, map in case.maps.items()]
    scores = np.array([row[1:] for row in rows])
    yield say("health-scores", "any", rows, mean_cosine=rows[0][1], low=scores.min(0), high=scores.max(0))


# --- with users ---------------------------------------------------------------------------------


def _both_tables(case):
    balance = np.linalg.svd(case.users.form.R @ measure.inverse(case.items.form.R), compute_uv=False)
    spread = balance[0] / balance[-1] if balance[-1] > 0 else np.inf
    yield say("balance", "near" if spread < BALANCED else "far", balance=spread)
    sample, some = _some_pairs(case), _some_rows(case, case.users, QUERIES)
    plain, centred = (measure.pair_values(case.items, sample.at, case.maps[name])
                      for name in ("projected back", "centred, projected back"))
    yield say("projected-back", "any", projected_back_mean=plain.mean(), which=sample.which,
              plain=np.quantile(plain, [0.05, 0.95]), centred=np.quantile(centred, [0.05, 0.95]))
    maps = {metric: case.plain(metric) for metric in ("dot", "cosine")}
    lists, _ = _lists(case.items, maps, case.users.take(some.at), label="ranking")
    kept = measure.overlap(lists["dot"], lists["cosine"])
    yield say("ranking", "same" if kept.min() == 1 else "other", overlap_user_ranking=kept.mean(),
              m=lists["dot"].shape[1], kept=some.mean(kept), which=some.which)


# --- with another version -----------------------------------------------------------------------


def _versions(case, previous, previous_users, previous_ids, threshold, read):
    old, found = _usable(previous, previous_ids, "previous", **read)
    yield from found
    now, then = _matched(case.items, old, "previous")
    yield say("matched", "any", matched=len(now), new=len(case.items) - len(now), gone=len(old) - len(now),
              by="row number" if now.ids is None or then.ids is None else "ids")
    tolerance = max(half_digits(rows.E[:1], "items") for rows in (now, then))
    fit = measure.fit(then, now, tolerance)
    users, old_users = None, None
    if previous_users is not None:
        require(case.users, "previous_users", "given with users", "none")
        old_users, found = _usable(previous_users, None, "previous_users", width=then.E.shape[1], **read)
        yield from found
        users = _matched(case.users, old_users, "previous_users")
        yield _predictions(now, then, users, tolerance, mapped=fit.off.max() <= tolerance)
    yield from _one_map(now, fit, tolerance)
    users = case.users if old_users else None  # else both versions have the conventions of items alone
    yield from _moved(replace(case, items=now, users=users), replace(case, items=then, users=old_users), threshold)


def _matched(now, old, argument):
    """The rows of both versions that belong together, in the order of the new one."""
    new, before = np.asarray(now.numbers), np.asarray(old.numbers)
    if now.ids is None or old.ids is None:
        require(len(now.E) == len(old.E), argument, f"a table of {len(now.E)} rows, unless both have ids",
                counted(len(old.E), "row"))
        at = was = np.intersect1d(new, before)
    else:
        _, i, j = np.intersect1d(now.ids[new], old.ids[before], return_indices=True)
        at, was = new[np.sort(i)], before[j[np.argsort(i)]]
    require(len(at) > 1, argument, "a table that has at least two rows in common", len(at))
    return [rows if np.array_equal(index, rows.numbers) else replace(rows, index=index)
            for rows, index in ((now, at), (old, was))]


def _predictions(items, then, users, tolerance, mapped):
    plain, centred = measure.prediction_change(users[0], items, users[1], then)
    kind = ("equal" if plain.max() <= tolerance else "shifted" if centred.max() <= tolerance
            else "apart" if mapped else "changed")
    return say("predictions", kind, prediction_change=plain.max(), prediction_change_median=np.median(plain),
               prediction_change_centred=centred.max(), largest=_small(plain.max()), median=_small(np.median(plain)),
               names=items.names(np.argsort(-plain)[:LISTED]))


def _small(x):
    """A relative change; what rounding alone makes is 0."""
    return f"{x:.2g}" if x > 1e-11 else "0"


def _one_map(items, fit, tolerance):
    off, median = np.flatnonzero(fit.off > tolerance), np.median(fit.off)
    s = np.linalg.svd(fit.M, compute_uv=False)
    follow, (k, width), n = off.size <= len(items) / 2, fit.M.shape, len(items)
    kappa = s[0] / s[-1] if k == width and s[-1] > measure.EMPTY * s[0] else np.inf
    left = np.sqrt(max(1 - k / n, 0))  # of the residual of an unrelated table, after a fit with k numbers a column
    one = np.eye(k, width)
    kinds = {"open": n <= k, "unrelated": not follow and median > UNRELATED * left, "none": not follow,
             "singular": kappa == np.inf, "same": np.abs(fit.M - one).max() <= tolerance,
             "rotation": kappa - 1 <= 2 * tolerance, "diagonal": np.abs(fit.M * (1 - one)).max() <= tolerance * s[0]}
    turned = off[fit.turned[off] <= tolerance]
    yield say("one-map", next((kind for kind, holds in kinds.items() if holds), "matrix"), kappa=kappa, width=k,
              rows_off_the_map=off.size, rows_turned=turned.size, residual_median=median,
              residual_largest=fit.off.max(), median=_small(median), bound=np.log(kappa), matched=counted(n, "item"),
              whom="all items" if not off.size else f"all but {counted(off.size, 'item')}")
    if follow and off.size:
        yield say("off-the-map", "turned" if turned.size else "some", items=counted(off.size, "item"),
                  turned=turned.size, which=items.names(turned),
                  names=items.names(off[np.argsort(-fit.off[off].round(6), kind="stable")]))


def _moved(case, old, threshold):
    sides, some, sample = (case, old), _some_rows(case, case.items), _some_pairs(case)
    now, then = (_lists(side.items, {"": side.maps["as served"]}, side.items.take(some.at), some.at)[0][""]
                 for side in sides)
    kept = measure.overlap(now, then)
    values = {name: [measure.pair_values(side.items, sample.at, side.maps[name]) for side in sides]
              for name in case.maps}
    moved = {name: np.abs(new - was) for name, (new, was) in values.items()}
    rows = [(name, _small(move.mean()), _small(move.max())) for name, move in moved.items()]
    changed = some.at[np.argsort(kept, kind="stable")][:np.sum(kept < 1)]
    yield say("neighbours", "any" if changed.size else "none", rows, neighbour_overlap=kept.mean(), m=now.shape[1],
              kept=some.mean(kept), metric=case.metric, which=some.which, mean=rows[0][1], largest=rows[0][2],
              pairs=sample.which, names=case.items.names(changed),
              **{f"moved_{slug(name)}": move.mean() for name, move in moved.items()})
    if threshold is not None:
        above, was = (value >= threshold for value in values["as served"])
        yield say("threshold-carries", "any", threshold_changed_sides=np.mean(above != was), threshold=threshold,
                  now=sample.mean(above, ".1%"), then=sample.mean(was, ".1%"),
                  crossed=sample.mean(above != was, ".1%"), which=sample.which)
