r"""Audit somebody's own embeddings: what of their cosines is fixed by the model, and what is an accident.

A table of items Q (n, k), with users P if there are any, is one of many with the same predictions P Q^T: (P M^-T, Q M)
has them for every invertible M. A finding says what was measured, what that rests on, what to do, what to expect of it
and how to see whether it came. There is no grade: no single number about a table survives the freedom.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from . import audit_measure as measure
from ._checks import as_array, check_number, check_rng, half_digits, real_array, require
from .audit_measure import Map, Rows
from .gauge import flip_threshold

ALL_PAIRS, PAIRS = 1_500, 50_000  # up to so many items all pairs are looked at, above it so many random ones
ALL_ITEMS, QUERIES = 3_000, 500  # the same for the items whose neighbours are looked for
NEIGHBOURS = 10
KAPPAS = (1.5, 2, 5)
LISTED = 10  # ids and pairs that a sentence or a table shows
BALANCED = 1.05  # condition number up to which tables count as balanced
UNRELATED = 0.5  # residual from which little of the old version is left
METRICS = ("cosine", "dot", "l2")


class Finding(NamedTuple):
    """One finding; `numbers` (name -> float) can be compared, `table` has a first row of headings."""

    part: str
    name: str
    says: str
    rests_on: str
    link: str
    do: str = ""
    effect: str = ""
    verify: str = ""
    numbers: dict = {}
    table: tuple = ()


class Audit(NamedTuple):
    """`about`: what was audited and how (name -> text). `findings`: what came out, in order."""

    about: dict
    findings: tuple

    @property
    def numbers(self):
        """The numbers of all findings, by name."""
        return {name: float(value) for finding in self.findings for name, value in finding.numbers.items()}


class Names(NamedTuple):
    """How to call rows: by id if there are any, of the rows `index` of the table."""

    ids: np.ndarray | None
    index: np.ndarray | None

    def __call__(self, positions):
        rows = np.asarray(positions)[:LISTED + 1]
        rows = rows if self.index is None else self.index[rows]
        return ", ".join(str(row if self.ids is None else self.ids[row])
                         for row in rows[:LISTED]) + ", ..." * (len(rows) > LISTED)


class Case(NamedTuple):
    """What is audited: tables, their names, their forms, the conventions as maps, and how."""

    items: Rows
    names: Names
    users: Rows | None
    forms: tuple
    maps: dict
    metric: str
    lengths: float  # of the items: the longest divided by the shortest
    rng: np.random.Generator
    bar: object

    def plain(self, metric):
        """The items as they are, by a metric."""
        return Map(*self.maps["as served"][:2], metric)


def audit(items, *, users=None, previous=None, previous_users=None, ids=None, previous_ids=None, pairs=None,
          similar=None, labels=None, trained="unknown", metric="cosine", threshold=None, wanted=("precision", 0.9),
          leave_out=False, rng, progress=False) -> Audit:
    r"""Audit a table of embeddings: which of its cosines can be trusted, and what to do about the others.

    .. math:: (PM^{-T})(QM)^T = PQ^T, \qquad |\operatorname{artanh}\cos_M - \operatorname{artanh}\cos| \le \ln\kappa(M)

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
    known = tuple(sentences()["trained"]["says"])
    require(trained in known, "trained", f"one of {', '.join(known)}", repr(trained))
    require(metric in METRICS, "metric", f"one of {', '.join(METRICS)}", repr(metric))
    require(len(wanted) == 2 and wanted[0] in ("precision", "recall") and 0 < wanted[1] <= 1, "wanted",
            "precision or recall, and a number in (0, 1]", wanted)
    threshold = None if threshold is None else check_number(threshold, "threshold")
    case, found = _case(items, users, ids, metric, leave_out, rng, progress)
    found += _one_table(case, pairs)
    if users is not None:
        found += _both_tables(case)
    if previous is not None:
        found += _versions(case, previous, previous_users, previous_ids, threshold, leave_out)
    if similar is not None or labels is not None:
        found += _truth(case, pairs, similar, labels, wanted, threshold)
    about = {
        name: f"{len(rows):,} x {rows.E.shape[1]}, {rows.E.dtype}"
        for name, rows in (("items", case.items), ("users", case.users)) if rows
    }
    return Audit(about | {"ranked by": metric, "trained": trained}, (*found, _say("trained", trained)))


def _case(items, users, ids, metric, leave_out, rng, progress):
    bar = _bars(progress)
    rows, found, lengths = _rows(items, ids, "items", leave_out, bar)
    tables, forms = [rows, None], []
    if users is not None:
        tables[1], more, _ = _rows(users, None, "users", leave_out, bar)
        found += more
        width = users.shape[1] if hasattr(users, "shape") else tables[1].E.shape[1]
        require(width == rows.E.shape[1], "users", f"of the width of items, {rows.E.shape[1]}", f"width {width}")
    forms = tuple(table and measure.form(table, bar("reading", len(table))) for table in tables)
    maps = measure.conventions(*forms)
    maps["as served"] = maps["as served"]._replace(metric=metric)
    names = Names(None if ids is None else np.asarray(ids), rows.index)
    return Case(rows, names, tables[1], forms, maps, metric, lengths, rng, bar), found


def _bars(progress):
    """label, rows -> a progress bar, or None."""
    if not progress:
        return lambda label, total: None
    from tqdm import tqdm
    return lambda label, total: tqdm(desc=label, total=total, unit=" rows", leave=False)


# --- sentences ----------------------------------------------------------------------------------


@cache
def sentences():
    """What the findings say, from audit.toml: name -> fields."""
    return tomllib.loads(resources.files(__package__).joinpath("audit.toml").read_text(encoding="utf-8"))


def _say(name, case, /, numbers=None, table=(), suffix="", **words):
    """A finding in the words of audit.toml, in one of its cases, with `words` filled in."""
    entry = sentences()[name]
    act = {} if case in entry.get("at_rest",
                                  ()) else {key: entry[key].format(**words) for key in ("do", "effect", "verify")}
    return Finding(entry["part"], name + suffix, entry["says"][case].format(**words), entry["rests_on"].format(**words),
                   entry["link"], numbers=numbers or {}, table=tuple(table), **act)


def _pm(values):
    """Mean and half of its 95 % interval."""
    return f"{np.mean(values):.2f} ± {1.96 * np.std(values) / np.sqrt(len(values)):.2f}"


def _small(x):
    """A relative change; what rounding alone makes is 0."""
    return f"{x:.2g}" if x > 1e-11 else "0"


def _share(hits, exact):
    """A share; if it comes from a sample, with half of its 95 % interval (three hits in m where there are none)."""
    p, m = np.mean(hits), len(hits)
    return f"{p:.1%}" + ("" if exact else f" ± {max(1.96 * np.sqrt(p * (1 - p) / m), 3 / m):.1%}")


def _turns(values):
    """Shares of pairs whose sign a map can turn, as a text and as numbers."""
    shares = {kappa: np.mean(values < kappa) for kappa in KAPPAS}
    return ", ".join(f"{share:.1%} at {kappa:g}" for kappa, share in shares.items()), shares


# --- rows ---------------------------------------------------------------------------------------


def _rows(E, ids, argument, leave_out, bar):
    """The rows that have a direction, findings about the others, and the longest length divided by the shortest."""
    E = E if isinstance(E, np.ndarray) else real_array(E, argument)
    require(E.ndim == 2 and len(E) > 1 and E.shape[1] > 0, argument, "a matrix of at least two rows",
            f"shape {E.shape}")
    require(E.dtype.kind in "buif", argument, "made of real numbers", f"dtype {E.dtype}")
    require(ids is None or len(ids) == len(E), "ids", f"one for each of the {len(E)} rows of {argument}",
            0 if ids is None else len(ids))
    length, key, finite, zero = measure.scan(E, bar(f"checking {argument}", len(E)))
    names = Names(None if ids is None else np.asarray(ids), None)
    bad, empty, keep = np.flatnonzero(~finite), np.flatnonzero(zero), np.flatnonzero(finite & ~zero)
    require(leave_out or bad.size == 0, argument, "finite",
            f"{bad.size} rows with NaN, infinity or a number above 1e150: {names(bad)}",
            "Look for their cause, or leave them out by --leave-out")
    require(keep.size > 1, argument, "a matrix with two rows that are not zero", f"{keep.size} such rows")
    rows = Rows(E, None if keep.size == len(E) else keep)
    suffix = "" if argument == "items" else f"-of-{argument.replace('_', '-')}"
    found = [
        _say(name, "some" if which.size else "none", {_slug(name + suffix): which.size}, suffix=suffix,
             argument=argument, count=f"{which.size:,}", names=names(which))
        for name, which in (("not-finite-rows", bad), ("zero-rows", empty)) if which.size or argument == "items"
    ]
    if argument == "items":
        twins = measure.duplicates(rows, key[keep])
        equal = "; ".join(f"{names(keep[[one]])} = {names(keep[[other]])}"
                          for one, other in twins[:LISTED]) + ("; ..." if len(twins) > LISTED else "")
        found.append(
            _say("duplicate-rows", "some" if len(twins) else "none", {"duplicate_rows": len(twins)},
                 count=f"{len(twins):,}", names=equal))
    return rows, found, length[keep].max() / length[keep].min()


def _slug(name):
    return name.replace(",", "").replace(" ", "_").replace("-", "_")


# --- one table ----------------------------------------------------------------------------------


def _one_table(case, pairs):
    queries, which = _some_rows(case, case.items)
    maps = case.maps | {metric: case.plain(metric) for metric in METRICS}
    lists = _lists(case, maps, case.items, queries, "neighbours")
    yield _metric(case, lists, which)
    yield _spectrum(case.forms[0])
    sample, _, of_pairs = _some_pairs(case, case.items)
    cosines = measure.pair_values(case.items, sample, case.plain("cosine"))
    text, shares = _turns(measure.sign_price(cosines))
    yield _say("signs", "any", {f"flip_share_{kappa:g}": share for kappa, share in shares.items()}, shares=text,
               which=of_pairs, middle="{:.2f} to {:.2f}".format(*np.quantile(cosines, [0.25, 0.75])))
    if pairs is not None:
        yield _listed(case, pairs)
    yield from _conventions(case, {name: lists[name] for name in case.maps}, lists["cosine"][1], which)


def _some_pairs(case, rows):
    """Pairs of positions, whether these are all, and both in words."""
    n = len(rows)
    if n <= ALL_PAIRS:
        return np.column_stack(np.triu_indices(n, 1)), True, f"all {n * (n - 1) // 2:,} pairs"
    first = case.rng.integers(n, size=PAIRS)
    other = (first + case.rng.integers(1, n, size=PAIRS)) % n
    return np.column_stack(
        [first, other]), False, f"{PAIRS:,} random pairs: shares to within {1.96 * 0.5 / np.sqrt(PAIRS):.1%} (95 %)"


def _some_rows(case, rows, all_up_to=ALL_ITEMS):
    n = len(rows)
    if n <= all_up_to:
        return np.arange(n), f"all {n:,}"
    return np.sort(case.rng.choice(n, QUERIES, replace=False)), f"{QUERIES:,} random"


def _lists(case, maps, rows, queries, label, itself=True, of=None):
    """Neighbour lists and mean cosine under every map."""
    m = min(NEIGHBOURS, len(rows) - 1)
    return measure.nearest(rows, (of or rows).take(queries), maps, m, queries if itself else None,
                           case.bar(label, len(rows)))


def _metric(case, lists, which):
    kept = {metric: measure.overlap(lists["cosine"][0], lists[metric][0]) for metric in METRICS}
    alike = min(kept["dot"].min(), kept["l2"].min()) == 1
    kind = "unit" if case.lengths < 1 + half_digits(case.items.E[:1], "items") else "alike" if alike else "other"
    numbers = {"overlap_dot": kept["dot"].mean(), "overlap_l2": kept["l2"].mean(), "length_ratio": case.lengths}
    return _say("metric", kind, numbers, which=which, m=lists["dot"][0].shape[1], dot=_pm(kept["dot"]),
                l2=_pm(kept["l2"]), metric=case.metric, ratio=f"{case.lengths:.3g}")


def _spectrum(form):
    s = np.linalg.svd(form.R, compute_uv=False)
    filled = np.count_nonzero(s > s[0] * measure.EMPTY)
    numbers = {
        "filled_dimensions": filled, "effective_rank": measure.effective_rank(form.R), "condition": s[0] / s[filled - 1]
    }
    return _say("spectrum", "full" if filled == len(s) else "empty", numbers, width=len(s), filled=filled,
                rank=f"{numbers['effective_rank']:.1f}", top=f"{s[0]**2 / np.sum(s**2):.0%}",
                condition=f"{numbers['condition']:.3g}")


def _listed(case, pairs):
    """What each listed pair can reach."""
    at = _positions(case, pairs)
    cosines = measure.pair_values(case.items, at, case.plain("cosine"))
    price = measure.sign_price(cosines)
    text, shares = _turns(price)
    table = [(*("item", "item", "cosine"), *(f"up to kappa {kappa:g}"
                                             for kappa in KAPPAS), "sign turns at", "by a diagonal at")]
    for (i, j), cosine, turns in list(zip(at, cosines, price))[:LISTED]:
        reach = ["{:.2f} to {:.2f}".format(*measure.interval(cosine, kappa)) for kappa in KAPPAS]
        diagonal = flip_threshold(case.items.take([i]), case.items.take([j]))[0, 0]
        table.append((case.names([i]), case.names([j]), f"{cosine:.3f}", *reach, f"{turns:.3g}", f"{diagonal:.3g}"))
    return _say("pairs", "any", {f"listed_flip_share_{kappa:g}": share for kappa, share in shares.items()}, table,
                count=f"{len(pairs):,}", shares=text)


def _positions(case, pairs):
    """Positions among the rows that were kept, of pairs of row numbers of the table."""
    pairs, n = as_array(pairs, "pairs"), len(case.items.E)
    require(pairs.ndim == 2 and pairs.shape[1] == 2 and pairs.dtype.kind in "iu" and pairs.size, "pairs",
            "row numbers, shape (q, 2)", f"shape {pairs.shape}, dtype {pairs.dtype}")
    require(pairs.min() >= 0 and pairs.max() < n, "pairs", f"row numbers in 0..{n - 1}",
            f"{pairs.min()} to {pairs.max()}")
    kept = np.arange(n) if case.items.index is None else case.items.index
    at = np.minimum(np.searchsorted(kept, pairs), len(kept) - 1)
    lost = pairs[kept[at] != pairs]
    require(lost.size == 0, "pairs", "made of rows that have a direction",
            f"rows {lost[:LISTED]}, which are zero or not finite")
    return at


def _conventions(case, lists, mean_cosine, which):
    kept = {name: measure.overlap(lists["as served"][0], found) for name, (found, _) in lists.items()}
    least = min(list(kept)[1:], key=lambda name: kept[name].mean())
    yield _say("conventions", "any", {f"overlap_{_slug(name)}": share.mean() for name, share in list(kept.items())[1:]},
               [("convention", "neighbours kept"), *((name, _pm(share)) for name, share in kept.items())],
               m=lists[least][0].shape[1], least=_pm(kept[least]), lowest=least, which=which)
    R = {name: measure.form_after(case.forms[0], map) for name, map in case.maps.items()}
    means = {name: mean for name, (_, mean) in lists.items()} | {"as served": mean_cosine}
    scores = {name: (means[name], measure.effective_rank(r), np.linalg.norm(r, 2)**2 / np.linalg.norm(r)**2)
              for name, r in R.items()}
    low, high = np.min(list(scores.values()), axis=0), np.max(list(scores.values()), axis=0)
    means, ranks, tops = (f"{a:{spec}} to {b:{spec}}" for a, b, spec in zip(low, high, (".2f", ".1f", ".0%")))
    yield _say("health-scores", "any", {"mean_cosine": scores["as served"][0]},
               [("convention", "mean cosine", "effective rank", "strongest direction"),
                *((name, f"{mean:.3f}", f"{rank:.1f}", f"{top:.0%}") for name, (mean, rank, top) in scores.items())],
               means=means, ranks=ranks, tops=tops)


# --- with users ---------------------------------------------------------------------------------


def _both_tables(case):
    balance = np.linalg.svd(case.forms[1].R @ measure.inverse(case.forms[0].R), compute_uv=False)
    spread = balance[0] / balance[-1] if balance[-1] > 0 else np.inf
    yield _say("balance", "near" if spread < BALANCED else "far", {"balance": spread}, spread=f"{spread:.4g}")
    sample, _, which = _some_pairs(case, case.items)
    level = [
        measure.pair_values(case.items, sample, case.maps[name])
        for name in ("projected back", "centred, projected back")
    ]
    plain, centred = ("{:.2f} to {:.2f}".format(*np.quantile(values, [0.05, 0.95])) for values in level)
    yield _say("projected-back", "any", {"projected_back_mean": level[0].mean()}, plain=plain, centred=centred,
               which=which)
    queries, which = _some_rows(case, case.users, QUERIES)
    lists = _lists(case, {metric: case.plain(metric) for metric in ("dot", "cosine")}, case.items, queries, "ranking",
                   False, case.users)
    kept = measure.overlap(lists["dot"][0], lists["cosine"][0])
    yield _say("ranking", "same" if kept.min() == 1 else "other", {"overlap_user_ranking": kept.mean()},
               m=lists["dot"][0].shape[1], kept=_pm(kept), which=which)


# --- with a previous version --------------------------------------------------------------------


def _versions(case, previous, previous_users, previous_ids, threshold, leave_out):
    old, health, _ = _rows(previous, previous_ids, "previous", leave_out, case.bar)
    now, then = _matched(case, old, previous_ids)
    both = case._replace(items=now, names=Names(case.names.ids, now.index))
    tolerance = max(half_digits(table.E[:1], "items") for table in (now, then))
    yield from health
    yield _say("matched", "any", {"matched": len(now)}, both=f"{len(now):,}", new=f"{len(case.items) - len(now):,}",
               gone=f"{len(old) - len(now):,}")
    fit = measure.fit(then, now, tolerance, lambda: case.bar("fit", len(now)))
    old_users = None
    if previous_users is not None:
        old_users, more, _ = _rows(previous_users, None, "previous_users", leave_out, case.bar)
        yield from more
        yield _predictions(both, then, old_users, tolerance, mapped=fit.off.max() <= tolerance)
    yield from _one_map(both, fit, tolerance)
    yield from _moved(both, then, old_users, threshold)


def _matched(case, old, previous_ids):
    """The rows of both versions that belong together, in the order of the new one."""
    new, before = (np.arange(len(rows.E)) if rows.index is None else rows.index for rows in (case.items, old))
    if case.names.ids is None or previous_ids is None:
        require(
            len(case.items.E) == len(old.E), "previous", f"a table of {len(case.items.E)} rows, unless both have ids",
            f"{len(old.E)} rows")
        at = was = np.intersect1d(new, before)
    else:
        _, i, j = np.intersect1d(case.names.ids[new], np.asarray(previous_ids)[before], return_indices=True)
        order = np.argsort(i)
        at, was = new[i[order]], before[j[order]]
    require(len(at) > 1, "previous", "a table with at least two of the items", len(at))
    return (Rows(E, None if len(rows) == len(E) and (np.diff(rows) == 1).all() else rows)
            for E, rows in ((case.items.E, at), (old.E, was)))


def _predictions(case, then, users, tolerance, mapped):
    require(case.users is not None and len(users) == len(case.users), "previous_users",
            "given with users, for the same ones in the same order", f"{len(users)} and {len(case.users or ())} users")
    plain, centred = measure.prediction_change(case.users, case.items, users, then, case.bar("predictions", len(users)))
    kind = "equal" if plain.max() <= tolerance else "shifted" if centred.max(
    ) <= tolerance else "apart" if mapped else "changed"
    numbers = {
        "prediction_change": plain.max(), "prediction_change_median": np.median(plain),
        "prediction_change_centred": centred.max()
    }
    return _say("predictions", kind, numbers, largest=_small(plain.max()), median=_small(np.median(plain)),
                names=case.names(np.argsort(-plain)))


def _one_map(case, fit, tolerance):
    off, median = np.flatnonzero(fit.off > tolerance), np.median(fit.off)
    s = np.linalg.svd(fit.M, compute_uv=False)
    kappa = s[0] / s[-1] if fit.M.shape[0] == fit.M.shape[1] and s[-1] > measure.EMPTY * s[0] else np.inf
    mixed = np.abs(fit.M - np.diag(np.diag(fit.M))).max() if kappa < np.inf else np.inf
    follow = off.size <= len(fit.off) / 2
    kind = ("unrelated" if not follow and median > UNRELATED else "none" if not follow
            else "singular" if kappa == np.inf else "rotation" if kappa - 1 <= 2 * tolerance
            else "diagonal" if mixed <= tolerance * s[0] else "matrix")
    numbers = {
        "kappa": kappa, "rows_off_the_map": off.size, "residual_median": median, "residual_largest": fit.off.max()
    }
    yield _say("one-map", kind, numbers, median=_small(median), kappa=f"{kappa:.9g}", bound=f"{np.log(kappa):.3g}",
               whom="all items" if not off.size else f"all but {off.size:,} items")
    if follow and off.size:
        turned = off[fit.turned[off] <= tolerance]
        yield _say("off-the-map", "turned" if turned.size else "some", {"rows_turned": turned.size},
                   count=f"{off.size:,}", turned=f"{turned.size:,}",
                   names=case.names(off[np.argsort(-fit.off[off].round(6), kind="stable")]), which=case.names(turned))


def _moved(case, then, old_users, threshold):
    queries, which = _some_rows(case, case.items)
    tables = (case.items, then)
    maps = [measure.conventions(measure.form(case.items), case.forms[1]),
            measure.conventions(measure.form(then), old_users and measure.form(old_users))]
    for side in maps:
        side["as served"] = side["as served"]._replace(metric=case.metric)
    now, before = (_lists(case, {"": side["as served"]}, rows, queries, "neighbours")[""][0]
                   for side, rows in zip(maps, tables))
    kept = measure.overlap(now, before)
    pairs, exact, of_pairs = _some_pairs(case, case.items)
    values = {name: [measure.pair_values(rows, pairs, side[name]) for side, rows in zip(maps, tables)]
              for name in maps[0] if name in maps[1]}
    moved = {name: np.abs(new - old) for name, (new, old) in values.items()}
    numbers = {"neighbour_overlap": kept.mean()} | {f"moved_{_slug(name)}": move.mean() for name, move in moved.items()}
    table = [("convention, for both versions", "moved on average", "at most")]
    table += [(name, _small(move.mean()), _small(move.max())) for name, move in moved.items()]
    yield _say("neighbours", "any", numbers, table, m=now.shape[1], kept=_pm(kept), metric=case.metric, which=which,
               mean=table[1][1], largest=table[1][2], pairs=of_pairs,
               names=case.names(queries[np.argsort(kept, kind="stable")]))
    if threshold is not None:
        above, was = (value >= threshold for value in values["as served"])
        yield _say("threshold-carries", "any", {"threshold_changed_sides": np.mean(above != was)},
                   threshold=f"{threshold:g}", now=_share(above, exact), then=_share(was, exact),
                   crossed=_share(above != was, exact), which=of_pairs)


# --- with known pairs or labels -----------------------------------------------------------------


def _truth(case, pairs, similar, labels, wanted, threshold):
    known, similar, weight = _known_pairs(case, pairs, similar) if labels is None else _known_labels(case, labels)
    require(0 < similar.sum() < len(similar), "similar", "true for some pairs and false for others",
            f"{similar.sum()} of {len(similar)} true")
    maps = {**case.maps, "dot product": case.plain("dot")}
    values = {name: measure.pair_values(case.items, known, map) for name, map in maps.items()}
    drawn = list(measure.resampled(known, weight, case.rng))
    best, finding = _best(values, similar, weight, drawn)
    yield finding
    spans = {
        name: [np.quantile(value[chosen], [0.05, 0.5, 0.95]) for chosen in (similar, ~similar)]
        for name, value in values.items()
    }
    yield _say("levels", "any", {"median_similar": spans[best][0][1], "median_other": spans[best][1][1]},
               [("similarity", "similar pairs", "other pairs"), *((name, *("{:.2f}, {:.2f}, {:.2f}".format(*span)
                                                                           for span in both))
                                                                  for name, both in spans.items())], best=best,
               similar=f"{spans[best][0][1]:.2f}", other=f"{spans[best][1][1]:.2f}")
    for name in dict.fromkeys(("as served", best)):
        yield _threshold(name, values[name], similar, weight, drawn, wanted, threshold if name == "as served" else None)


def _known_pairs(case, pairs, similar):
    require(pairs is not None and np.shape(similar) == (len(pairs), ), "similar",
            "one truth value for each of the pairs", f"shape {np.shape(similar)}")
    return _positions(case, pairs), np.asarray(similar, dtype=bool), np.ones(len(pairs))


def _known_labels(case, labels):
    labels = np.asarray(labels, dtype=str)
    require(labels.shape == (len(case.items.E), ), "labels", f"one for each of the {len(case.items.E)} rows of items",
            f"shape {labels.shape}")
    labels = labels if case.items.index is None else labels[case.items.index]
    counts = np.unique(labels[labels != ""], return_counts=True)[1]
    require(
        len(counts) > 1 and counts.max() > 1, "labels", "at least two, one of them on two items",
        f"{len(counts)} labels")
    return measure.pairs_of_labels(labels, case.rng)


def _best(values, similar, weight, drawn):
    ranks = {name: measure.dense_ranks(value) for name, value in values.items()}
    found = {name: measure.auc(rank, similar, weight) for name, rank in ranks.items()}
    usable = [times for times, _ in drawn if (times * similar).any() and (times * ~similar).any()]
    again = {name: np.array([measure.auc(rank, similar, times) for times in usable]) for name, rank in ranks.items()}
    best = max(found, key=found.get)
    tied = [name for name in values if name != best and np.quantile(again[best] - again[name], 0.025) <= 0]
    table = [(name, f"{found[name]:.3f}", "{:.3f} to {:.3f}".format(*np.quantile(again[name], [0.025, 0.975])),
              "best" if name == best else "not separable" if name in tied else "worse")
             for name in sorted(found, key=found.get, reverse=True)]
    return best, _say("which-similarity", "tied" if tied else "alone",
                      {"auc_best": found[best], "auc_as_served": found["as served"]},
                      [("similarity", "AUC", "95 % interval", "against the best"), *table], best=best,
                      auc=f"{found[best]:.3f}", tied=", ".join(tied), count=f"{len(similar):,}")


def _threshold(name, values, similar, weight, drawn, wanted, threshold):
    aim, want = wanted
    level = measure.threshold_for(values, similar, weight, aim, want)
    today = "" if threshold is None else " Today's {:g} has precision {:.2f} and recall {:.2f}.".format(
        threshold, *measure.served_by(values, similar, weight, threshold))
    words = dict(name=name, aim=aim, want=f"{want:g}", today=today, count=f"{len(values):,}",
                 base=f"{np.sum(weight * similar) / weight.sum():.1%}")
    if level is None:
        return _say("threshold", "none", suffix=f"-{name}", **words)
    levels, reached = measure.threshold_again(values, similar, weight, drawn, aim, want)
    precision, recall = measure.served_by(values, similar, weight, level)
    spans = [] if len(levels) < 20 else [*np.quantile(levels, [0.025, 0.975]), *np.quantile(reached, [0.025, 0.975])]
    unsure = "a level from {:.3f} to {:.3f}, and on items that were not used to set it a {aim} from {:.2f} to {:.2f}"
    unsure = unsure.format(*spans, aim=aim) if spans else "too few pairs to say"
    hits = np.sum(weight * (similar & (values >= level)))
    worse = hits / (hits / precision + weight[~similar].max())
    if worse < precision - 0.05:
        unsure += f". One wrong pair more would make the precision {worse:.2f}: give --pairs near this level"
    return _say(
        "threshold", "found",
        {f"threshold_{_slug(name)}": level, f"precision_{_slug(name)}": precision, f"recall_{_slug(name)}": recall},
        suffix=f"-{name}", level=f"{level:.3f}", precision=f"{precision:.2f}", recall=f"{recall:.2f}", unsure=unsure,
        **words)
