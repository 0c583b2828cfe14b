r"""Audit somebody's own embeddings: what of their cosines is fixed by the model, and what is an accident.

A table of items Q (n, k), with users P if there are any, is one of many with the same predictions P Q^T: (P M^-T, Q M)
has them for every invertible M. A finding says what was measured, what that rests on, what to do, what to expect of it
and how to see whether it came. There is no grade: no single number about a table survives the freedom.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from . import known, measure
from .._checks import check_number, check_rng, half_digits, real_array, require
from ..gauge import flip_threshold
from .measure import Map, Rows
from .report import Audit, counted, say, sentences, slug

ALL_PAIRS, PAIRS = 1_500, 50_000  # up to so many items all pairs are looked at, above it so many random ones
ALL_ITEMS, QUERIES = 3_000, 500  # the same for the items whose neighbours are looked for
NEIGHBOURS = 10
KAPPAS = (1.5, 2, 5)
LISTED = 10  # pairs that a table shows
BALANCED = 1.05  # condition number up to which tables count as balanced
UNRELATED = 0.5  # residual from which little of the old version is left
METRICS = ("cosine", "dot", "l2")


class Case(NamedTuple):
    """What is audited: tables, their forms, the conventions as maps, and how."""

    items: Rows
    users: Rows | None
    forms: tuple
    maps: dict
    metric: str
    lengths: float  # of the items: the longest divided by the shortest
    rng: np.random.Generator

    def plain(self, metric):
        """The items as they are, by a metric."""
        return Map(*self.maps["as served"][:2], metric)


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
    case, found = _case(items, users, ids, metric, rng, read)
    found += _one_table(case, pairs)
    if users is not None:
        found += _both_tables(case)
    if previous is not None:
        found += _versions(case, previous, previous_users, previous_ids, threshold, read)
    if similar is not None or labels is not None:
        found += known.findings(case, pairs, similar, labels, wanted, threshold)
    about = {name: f"{len(rows):,} x {rows.E.shape[1]}, {rows.E.dtype}"
             for name, rows in (("items", case.items), ("users", case.users)) if rows}
    return Audit(about | {"ranked by": metric, "trained": trained}, (*found, say("trained", trained)))


def _case(items, users, ids, metric, rng, read):
    items, lengths, found = _usable(items, ids, "items", **read)
    if users is not None:
        users, _, more = _usable(users, None, "users", width=items.E.shape[1], **read)
        found += more
    forms = tuple(rows and measure.form(rows, "reading") for rows in (items, users))
    maps = measure.conventions(*forms)
    maps["as served"] = maps["as served"]._replace(metric=metric)
    return Case(items, users, forms, maps, metric, lengths, rng), found


# --- rows ---------------------------------------------------------------------------------------


def _usable(E, ids, argument, leave_out, progress, width=None):
    """The rows that have a direction, the longest length divided by the shortest, and findings about the others."""
    rows = _table(E, ids, argument, progress, width)
    length, key, finite, zero = measure.scan(rows, f"checking {argument}")
    bad, empty, keep = np.flatnonzero(~finite), np.flatnonzero(zero), np.flatnonzero(finite & ~zero)
    require(leave_out or bad.size == 0, argument, "finite",
            f"{counted(bad.size, 'row')} with NaN, infinity or a number above 1e150: {rows.names(bad)}",
            "Look for their cause, or leave them out by --leave-out")
    require(keep.size > 1, argument, "a matrix with two rows that are not zero", counted(keep.size, "such row"))
    called, suffix = argument.replace("_", " "), "" if argument == "items" else f"-of-{argument.replace('_', '-')}"
    lost = {"not-finite-rows": bad, "zero-rows": empty}
    found = [say(name, "some" if which.size else "none", {slug(name + suffix): which.size}, suffix=suffix,
                 argument=called, rows=counted(which.size, "row"), names=rows.names(which))
             for name, which in lost.items()]
    if suffix and keep.size == len(E):
        found = [say("sound-rows", "any", {slug(name + suffix): 0 for name in lost}, suffix=suffix, argument=called)]
    kept = rows if keep.size == len(E) else replace(rows, index=keep)
    if argument == "items":
        twins = measure.duplicates(kept, key[keep])
        equal = "; ".join(f"{kept.names([one])} = {kept.names([other])}" for one, other in twins[:LISTED])
        equal += f" and {len(twins) - LISTED:,} more" if len(twins) > LISTED else ""
        found.append(say("duplicate-rows", "some" if len(twins) else "none", {"duplicate_rows": len(twins)},
                         rows=counted(len(twins), "row"), names=equal))
    return kept, length[keep].max() / length[keep].min(), found


def _table(E, ids, argument, progress, width):
    E = E if isinstance(E, np.ndarray) else real_array(E, argument)
    require(E.ndim == 2 and len(E) > 1 and E.shape[1], argument, "a matrix of at least two rows", f"shape {E.shape}")
    require(E.dtype.kind in "buif", argument, "made of real numbers", f"dtype {E.dtype}")
    require(width in (None, E.shape[1]), argument, f"of the width of items, {width}", f"width {E.shape[1]}")
    require(ids is None or len(ids) == len(E), "ids", f"one for each of the {len(E)} rows of {argument}",
            0 if ids is None else len(ids))
    return Rows(E, None, None if ids is None else np.asarray(ids), progress)


# --- one table ----------------------------------------------------------------------------------


def _one_table(case, pairs):
    some = _some_rows(case, case.items)
    maps = dict(list(case.maps.items())[1:]) | {metric: case.plain(metric) for metric in METRICS}
    lists = _lists(case.items, maps, case.items.take(some.at), some.at)
    yield _metric(case, lists, some)
    yield _spectrum(case.forms[0])
    sample = _some_pairs(case)
    cosines = measure.pair_values(case.items, sample.at, case.plain("cosine"))
    shares, numbers = _turns(measure.sign_price(cosines), "flip_share")
    low, high = np.quantile(cosines, [0.25, 0.75])
    yield say("signs", "any", numbers, shares=shares, which=sample.which, low=low, high=high)
    if pairs is not None:
        yield _listed(case, pairs)
    yield from _conventions(case, lists, some)


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


def _turns(price, name):
    """Shares of pairs whose sign a map of some condition numbers can turn, as a text and as numbers."""
    shares = {f"{kappa:g}": np.mean(price < kappa) for kappa in KAPPAS}
    return (", ".join(f"{share:.1%} at {kappa}" for kappa, share in shares.items()),
            {f"{name}_{kappa}": share for kappa, share in shares.items()})


def _metric(case, lists, some):
    dot, l2 = (measure.overlap(lists["cosine"][0], lists[metric][0]) for metric in ("dot", "l2"))
    alike = min(dot.min(), l2.min()) == 1
    kind = "unit" if case.lengths < 1 + half_digits(case.items.E[:1], "items") else "alike" if alike else "other"
    numbers = {"overlap_dot": dot.mean(), "overlap_l2": l2.mean(), "length_ratio": case.lengths}
    return say("metric", kind, numbers, which=some.which, m=lists["dot"][0].shape[1], dot=some.mean(dot),
               l2=some.mean(l2), metric=case.metric)


def _spectrum(form):
    s = np.linalg.svd(form.R, compute_uv=False)
    filled = np.count_nonzero(s > s[0] * measure.EMPTY)
    rank, top = measure.health(form.R)
    numbers = {"filled_dimensions": filled, "effective_rank": rank, "condition": s[0] / s[filled - 1]}
    return say("spectrum", "full" if filled == len(s) else "empty", numbers, width=len(s), top=top)


def _listed(case, pairs):
    """What each listed pair can reach."""
    at = measure.positions(case.items, pairs)
    cosines = measure.pair_values(case.items, at, case.plain("cosine"))
    price = measure.sign_price(cosines)
    rows = [(case.items.names([i]), case.items.names([j]), cosine,
             *np.ravel([measure.interval(cosine, kappa) for kappa in KAPPAS]), turns,
             flip_threshold(case.items.take([i]), case.items.take([j]))[0, 0])
            for (i, j), cosine, turns in zip(at[:LISTED], cosines, price)]
    shares, numbers = _turns(price, "listed_flip_share")
    return say("pairs", "any", numbers, rows, pairs=counted(len(pairs), "pair"), shares=shares,
               shown=f" It shows the first {LISTED}." if len(pairs) > LISTED else "")


def _conventions(case, lists, some):
    kept = {name: measure.overlap(lists["cosine"][0], lists[name][0]) for name in list(case.maps)[1:]}
    least = min(kept, key=lambda name: kept[name].mean())
    yield say("conventions", "any", {f"overlap_{slug(name)}": share.mean() for name, share in kept.items()},
              [("as served", "1.00"), *((name, some.mean(share)) for name, share in kept.items())],
              m=lists[least][0].shape[1], least=some.mean(kept[least]), lowest=least, which=some.which)
    rows = [(name, lists["cosine" if name == "as served" else name][1],
             *measure.health(measure.form_after(case.forms[0], map))) for name, map in case.maps.items()]
    scores = np.array([row[1:] for row in rows])
    yield say("health-scores", "any", {"mean_cosine": rows[0][1]}, rows, low=scores.min(0), high=scores.max(0))


# --- with users ---------------------------------------------------------------------------------


def _both_tables(case):
    balance = np.linalg.svd(case.forms[1].R @ measure.inverse(case.forms[0].R), compute_uv=False)
    spread = balance[0] / balance[-1] if balance[-1] > 0 else np.inf
    yield say("balance", "near" if spread < BALANCED else "far", {"balance": spread})
    sample = _some_pairs(case)
    plain, centred = (measure.pair_values(case.items, sample.at, case.maps[name])
                      for name in ("projected back", "centred, projected back"))
    yield say("projected-back", "any", {"projected_back_mean": plain.mean()}, which=sample.which,
              plain=np.quantile(plain, [0.05, 0.95]), centred=np.quantile(centred, [0.05, 0.95]))
    some = _some_rows(case, case.users, QUERIES)
    maps = {metric: case.plain(metric) for metric in ("dot", "cosine")}
    lists = _lists(case.items, maps, case.users.take(some.at), label="ranking")
    kept = measure.overlap(lists["dot"][0], lists["cosine"][0])
    yield say("ranking", "same" if kept.min() == 1 else "other", {"overlap_user_ranking": kept.mean()},
              m=lists["dot"][0].shape[1], kept=some.mean(kept), which=some.which)


# --- with a previous version --------------------------------------------------------------------


def _versions(case, previous, previous_users, previous_ids, threshold, read):
    old, _, found = _usable(previous, previous_ids, "previous", **read)
    now, then = _matched(case.items, old, "previous")
    tolerance = max(half_digits(rows.E[:1], "items") for rows in (now, then))
    yield from found
    both = now.ids is not None and then.ids is not None
    yield say("matched", "any", {"matched": len(now)}, new=len(case.items) - len(now), gone=len(old) - len(now),
              by="ids" if both else "row number")
    fit = measure.fit(then, now, tolerance)
    if previous_users is not None:
        require(case.users is not None, "previous_users", "given with users", "none")
        previous_users, _, found = _usable(previous_users, None, "previous_users", width=then.E.shape[1], **read)
        yield from found
        users = _matched(case.users, previous_users, "previous_users")
        yield _predictions(now, then, users, tolerance, mapped=fit.off.max() <= tolerance)
    yield from _one_map(now, fit, tolerance)
    yield from _moved(case._replace(items=now), then, previous_users, threshold)


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
    numbers = {"prediction_change": plain.max(), "prediction_change_median": np.median(plain),
               "prediction_change_centred": centred.max()}
    return say("predictions", kind, numbers, largest=_small(plain.max()), median=_small(np.median(plain)),
               names=items.names(np.argsort(-plain)[:LISTED]))


def _small(x):
    """A relative change; what rounding alone makes is 0."""
    return f"{x:.2g}" if x > 1e-11 else "0"


def _one_map(items, fit, tolerance):
    off, median = np.flatnonzero(fit.off > tolerance), np.median(fit.off)
    s = np.linalg.svd(fit.M, compute_uv=False)
    kappa = s[0] / s[-1] if fit.M.shape[0] == fit.M.shape[1] and s[-1] > measure.EMPTY * s[0] else np.inf
    follow, (k, width), n = off.size <= len(items) / 2, fit.M.shape, len(items)
    left = np.sqrt(max(1 - k / n, 0))  # of the residual of an unrelated table, after a fit with k numbers a column
    kind = ("open" if n <= k else "unrelated" if not follow and median > UNRELATED * left else "none" if not follow
            else "singular" if kappa == np.inf else "same" if np.abs(fit.M - np.eye(k)).max() <= tolerance
            else "rotation" if kappa - 1 <= 2 * tolerance
            else "diagonal" if np.abs(fit.M - np.diag(np.diag(fit.M))).max() <= tolerance * s[0] else "matrix")
    turned = off[fit.turned[off] <= tolerance]
    numbers = {"kappa": kappa, "rows_off_the_map": off.size, "rows_turned": turned.size, "residual_median": median,
               "residual_largest": fit.off.max()}
    yield say("one-map", kind, numbers, median=_small(median), bound=np.log(kappa), width=k, matched=counted(n, "item"),
              whom="all items" if not off.size else f"all but {counted(off.size, 'item')}")
    if follow and off.size:
        yield say("off-the-map", "turned" if turned.size else "some", items=counted(off.size, "item"),
                  turned=turned.size, which=items.names(turned),
                  names=items.names(off[np.argsort(-fit.off[off].round(6), kind="stable")]))


def _moved(case, then, old_users, threshold):
    some, tables = _some_rows(case, case.items), (case.items, then)
    form = case.forms[0] if len(case.items) == case.forms[0].n else measure.form(case.items)
    maps = [measure.conventions(form, case.forms[1] if old_users else None),
            measure.conventions(measure.form(then), old_users and measure.form(old_users))]
    for side in maps:
        side["as served"] = side["as served"]._replace(metric=case.metric)
    now, before = (_lists(rows, {"": side["as served"]}, rows.take(some.at), some.at)[""][0]
                   for side, rows in zip(maps, tables))
    kept, sample = measure.overlap(now, before), _some_pairs(case)
    values = {name: [measure.pair_values(rows, sample.at, side[name]) for side, rows in zip(maps, tables)]
              for name in maps[0]}
    moved = {name: np.abs(new - old) for name, (new, old) in values.items()}
    numbers = {"neighbour_overlap": kept.mean()} | {f"moved_{slug(name)}": move.mean() for name, move in moved.items()}
    rows = [(name, _small(move.mean()), _small(move.max())) for name, move in moved.items()]
    changed = some.at[np.argsort(kept, kind="stable")][:np.sum(kept < 1)]
    yield say("neighbours", "any" if changed.size else "none", numbers, rows, m=now.shape[1], kept=some.mean(kept),
              metric=case.metric, which=some.which, mean=rows[0][1], largest=rows[0][2], pairs=sample.which,
              names=case.items.names(changed))
    if threshold is not None:
        above, was = (value >= threshold for value in values["as served"])
        yield say("threshold-carries", "any", {"threshold_changed_sides": np.mean(above != was)}, threshold=threshold,
                  now=sample.mean(above, ".1%"), then=sample.mean(was, ".1%"),
                  crossed=sample.mean(above != was, ".1%"), which=sample.which)
