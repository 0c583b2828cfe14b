"""Against known pairs: which similarity serves best, its levels, and a threshold, each with its uncertainty."""

from typing import NamedTuple

import numpy as np

from .._checks import TIE_DECIMALS, require
from .measure import pair_values, positions
from .report import counted, say, slug

RESAMPLES = 200  # of the bootstrap
MOST = 20_000  # known pairs that are looked at; of more, so many random ones


class Known(NamedTuple):
    """Pairs of known similarity, their weights, redrawn sets of them, and their values under each similarity."""

    similar: np.ndarray
    weight: np.ndarray
    drawn: list
    values: dict


def findings(case, pairs, similar, labels, wanted, threshold):
    at, similar, weight = (_known_pairs(case, pairs, similar) if labels is None
                           else _known_labels(case.items, labels, case.rng))
    require(0 < similar.sum() < len(similar), "similar", "true for some pairs and false for others",
            f"{similar.sum()} of {len(similar)} true")
    maps = case.maps if case.metric == "dot" else {**case.maps, "dot product": case.plain("dot")}
    values = {name: pair_values(case.items, at, map) for name, map in maps.items()}
    known = Known(similar, weight, list(resampled(at, weight, case.rng)), values)
    best, finding = _best(known)
    yield finding
    spans = {name: [np.quantile(value[chosen], [0.05, 0.5, 0.95]) for chosen in (similar, ~similar)]
             for name, value in values.items()}
    yield say("levels", "any", [(name, *np.ravel(both)) for name, both in spans.items()], best=best,
              median_similar=spans[best][0][1], median_other=spans[best][1][1])
    for name in dict.fromkeys(("as served", best)):
        yield _threshold(known, name, *wanted, threshold if name == "as served" else None)


def _known_pairs(case, pairs, similar):
    shape = np.shape(similar)
    require(pairs is not None and shape == (len(pairs),), "similar", "one truth value for each of the pairs",
            f"shape {shape}")
    some = np.arange(shape[0]) if shape[0] <= MOST else case.rng.choice(shape[0], MOST, replace=False)
    return positions(case.items, pairs)[some], np.asarray(similar, dtype=bool)[some], np.ones(len(some))


def _known_labels(items, labels, rng):
    labels = np.asarray(labels, dtype=str)
    require(labels.shape == (len(items.E),), "labels", f"one for each of the {len(items.E)} rows of items",
            f"shape {labels.shape}")
    nothing = labels[np.isin(labels, ["nan", "NaN", "NaT", "None", "<NA>"])][:1]
    require(not nothing.size, "labels", "empty where there is none", repr(str(*nothing)))
    labels = labels[items.numbers]
    counts = np.unique(labels[labels != ""], return_counts=True)[1]
    require(len(counts) > 1 and counts.max() > 1, "labels", "at least two, one of them on two items",
            counted(len(counts), "label"))
    return pairs_of_labels(labels, rng)


def _best(known):
    """The similarity with the largest AUC, and which others the intervals do not tell from it."""
    ranks = {name: dense_ranks(value) for name, value in known.values.items()}
    found = {name: auc(rank, known.similar, known.weight) for name, rank in ranks.items()}
    usable = [times for times, _ in known.drawn if (times * known.similar).any() and (times * ~known.similar).any()]
    again = {name: np.array([auc(rank, known.similar, times) for times in usable])
             for name, rank in ranks.items()}
    order = sorted(found, key=found.get, reverse=True)
    best = order[0]
    tied = [name for name in order[1:] if np.quantile(again[best] - again[name], 0.025) <= 0]
    rows = [(name, found[name], *np.quantile(again[name], [0.025, 0.975]),
             "best" if name == best else "not separable" if name in tied else "worse") for name in order]
    return best, say("which-similarity", "tied" if tied else "alone", rows, best=best, tied=", ".join(tied),
                     count=len(known.similar), auc_best=found[best], auc_as_served=found["as served"])


def _threshold(known, name, aim, want, today):
    values, (similar, weight, drawn, _) = known.values[name], known
    level = threshold_for(values, similar, weight, aim, want)
    precision, recall = (np.nan, np.nan) if level is None else served_by(values, similar, weight, level)
    words = dict(name=name, aim=aim, want=want, count=len(values), odds=weight.sum() / np.sum(weight * similar),
                 level=np.nan if level is None else level, precision=precision, recall=recall, suffix=f"-{name}",
                 today="" if today is None else " Today's {:g} has precision {:.2f} and recall {:.2f}.".format(
                     today, *served_by(values, similar, weight, today)))
    words |= {f"{what}_{slug(name)}": words[word] for what, word in (
        ("threshold", "level"), ("precision", "precision"), ("recall", "recall"))}
    again = () if level is None else threshold_again(values, similar, weight, drawn, aim, want)
    spans = np.quantile(again, [0.025, 0.975], axis=0).T.ravel() if len(again) >= 20 else ()
    hits = np.sum(weight * (similar & (values >= words["level"])))
    worse = hits / (hits / precision + weight[~similar].max())
    case = "none" if level is None else "few" if not len(spans) else "brittle" if worse < precision - 0.05 else "found"
    return say("threshold", case, spans=spans, worse=worse, **words)


# --- measures ---


def pairs_of_labels(labels, rng, most=5_000):
    """Up to `most` pairs with one label and as many others; weights restore the shares that all pairs would have."""
    known = np.flatnonzero(labels != "")
    code = np.unique(labels[known], return_inverse=True)[1]
    size = np.bincount(code)
    order, start = np.argsort(code, kind="stable"), np.cumsum(size) - size
    first = rng.choice(len(known), size=most, p=(size[code] - 1) / np.sum(size[code] - 1))
    mates = order[start[code[first]] + rng.integers(size[code[first]] - 1)]
    mates = np.where(mates == first, order[start[code[first]] + size[code[first]] - 1], mates)
    other = rng.integers(len(known), size=(2 * most, 2))
    other = other[code[other[:, 0]] != code[other[:, 1]]]
    similar = np.arange(most + len(other)) < most
    share = np.sum(size * (size - 1)) / (len(known) * (len(known) - 1))
    return (known[np.vstack([np.column_stack([first, mates]), other])], similar,
            np.where(similar, share / most, (1 - share) / len(other)))


def auc(rank, similar, weight):
    """Chance that a similar pair beats another, pairs drawn by weight; `rank` are dense ranks, a tie counts half."""
    top = rank.max() + 1
    yes, no = np.bincount(rank, weight * similar, top), np.bincount(rank, weight * ~similar, top)
    return float(np.sum(yes * (np.cumsum(no) - no / 2)) / (yes.sum() * no.sum()))


def dense_ranks(values):
    """Ranks from 0; values equal up to rounding share one."""
    return np.unique((values / (np.abs(values).max() or 1)).round(TIE_DECIMALS), return_inverse=True)[1]


def resampled(pairs, weight, rng, resamples=None):
    """Weights of the pairs after drawing their items with replacement, and which pairs have neither item drawn.

    Pairs that share an item are not independent, so items are drawn, not pairs.
    """
    items, at = np.unique(pairs, return_inverse=True)
    for _ in range(resamples or RESAMPLES):
        times = np.bincount(rng.integers(len(items), size=len(items)), minlength=len(items))[at.reshape(pairs.shape)]
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
    """Thresholds set on redrawn items, and what each reaches on the pairs of items that were not drawn: (m, 2)."""
    found = []
    for times, unseen in drawn:
        level = threshold_for(values, similar, times, aim, wanted) if (times * similar).any() else None
        if level is not None and (unseen & similar).any():
            found.append((level, served_by(values[unseen], similar[unseen], weight[unseen], level)[aim == "recall"]))
    return np.array(found)


def served_by(values, similar, weight, level):
    """(precision, recall) of calling similar what is at or above a level."""
    above = values >= level
    hits = np.sum(weight * (above & similar))
    return hits / max(np.sum(weight * above), 1e-300), hits / np.sum(weight * similar)
