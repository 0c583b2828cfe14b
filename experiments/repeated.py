"""What the chapters show in one draw, over twenty: levels of cosines, neighbours, rankings, users, ranks of Figure 1.

One number a row: `method` says what was measured, `value` is its value.
"""

import cosim
import numpy as np
from simulation import (CANDIDATES, FIGURE1, HEAD, K, LAM1, LAM2, M, N, SCALINGS, P, block_means, cosine, draw,
                        hidden_task, objective2, published, recall, scaling)
from simulation import C as CLUSTERS

SEEDS = range(20)
# The setting fitted to Figure 1, and two in which users are more active.
ACTIVE = {"fixed": {}, "max_items 900, concentration 3": dict(max_items=900, concentration=3.0),
          "max_items 1000, other exponents": dict(max_items=1000, exponents=[0.40, 0.35, 0.42, 0.70, 0.90])}
RANKS = (50, 100, 150, 200)
USERS, NEAREST = 500, 50  # users whose lists are tested, and how many of the nearest users make a list
BEST_OF = 1_000  # users whose best item is looked up
FLAT = 300  # Dirichlet concentration at which all users have nearly the same taste

COLUMNS = ["study", "setting", "seed", "method", "value"]
LIBRARIES = ["numpy", "scipy"]
NUMERICS = ["_checks", "models", "recovery", "remedies", "similarity", "simulate"]
SETTINGS = dict(seeds=list(SEEDS), users=N, items=P, clusters=CLUSTERS, lambda_1=LAM1, lambda_2=LAM2, k=K, neighbours=M,
                figure1=FIGURE1, active=ACTIVE, ranks=list(RANKS), tested_users=USERS, nearest_users=NEAREST, flat=FLAT)


def tasks():
    """Every (function, setting, seed) of the run."""
    for name, settings in (("items", ["default"]), ("users", ["default"]), ("flat", ["default"]),
                           ("ranks", ["fixed"]), ("active", ACTIVE)):
        yield from ((name, setting, seed) for setting in settings for seed in SEEDS)


def rows(study, setting, seed, values):
    """One row for each measured number."""
    for method, value in values.items():
        yield dict(study=study, setting=setting, seed=seed, method=method, value=value)


def nearest(S, m=M):
    """Mask of each row's m largest entries, the diagonal left out."""
    S = S.round(10)
    np.fill_diagonal(S, -np.inf)
    near = np.zeros(S.shape, dtype=bool)
    np.put_along_axis(near, np.argpartition(-S, m, axis=1)[:, :m], True, axis=1)
    return near


def shared(S, T):
    """Share of the m nearest that two similarities have in common."""
    return (nearest(S) & nearest(T)).sum() / (M * len(S))


def items(setting, seed):
    """Item–item cosines: their level, what a scaling, centring and lambda change, and leverage."""
    X, cluster, _ = draw(seed, {})
    spec, upper = cosim.spectrum(X), np.triu_indices(P, 1)
    same = (cluster[:, None] == cluster)[upper]

    def B(name, lam=LAM1, k=K, of=spec):
        return scaling(of, lam, k, *SCALINGS[name])

    S = {name: cosine(B(name)) for name in ("V", "V F^1/2", "V F", "V S F")} | {"Eq. 6": cosine(objective2(spec, LAM2, K))}
    values = {}
    for name, cosines in ((name, each[upper]) for name, each in S.items()):
        values |= {f"{name}: mean, same cluster": cosines[same].mean(), f"{name}: mean, others": cosines[~same].mean(),
                   f"{name}: others above .5": np.mean(cosines[~same] > 0.5)}

    values["V and V F: pairs that differ by .1"] = np.mean(np.abs(S["V"] - S["V F"])[upper] > 0.1)
    values["V S F, lambda 100: pairs that differ by .1"] = np.mean(np.abs(S["V S F"] - cosine(B("V S F", 100)))[upper] > 0.1)

    full = {name: cosine(B(name, k=P)) for name in ("V F^1/2", "V F")}
    values["full rank, V F: mean, same cluster"] = full["V F"][upper][same].mean()
    values["full rank, V F^1/2 and raw columns: shared neighbours"] = shared(full["V F^1/2"], cosine(X.T))
    for label, name, k in (("full rank, V F", "V F", P), ("k = 50, V", "V", K)):
        W = B("V F^1/2", k=k) @ B("V F^1/2", k=k).T
        dot = X[:BEST_OF] @ W
        by_cosine = dot / np.linalg.norm(B(name, k=k), axis=1)
        values[f"{label}: best item moves"] = np.mean(dot.argmax(axis=1) != by_cosine.argmax(axis=1))

    raw, order = cosine(X.T)[upper], np.argsort(-X.sum(axis=0), kind="stable")
    size = int(HEAD * P)
    head, tail = (np.isin(np.arange(P), part) for part in (order[:size], order[-size:]))
    both = {name: (part[:, None] & part)[upper] for name, part in (("head", head), ("tail", tail))}
    values["raw columns: mean, head, others"] = raw[both["head"] & ~same].mean()
    values["raw columns: mean, tail, same cluster"] = raw[both["tail"] & same].mean()

    centred = cosim.spectrum(X.toarray() - X.mean(axis=0), K)
    for name in ("V F^1/2", "V S F"):
        T = cosine(B(name, of=centred))
        values[f"{name}, centred: mean change"] = np.mean(np.abs(S[name] - T)[upper])
        values[f"{name}, centred: shared neighbours"] = shared(S[name], T)

    for data, V in {"clicks": spec.V[:, :K], "standardized": cosim.spectrum(cosim.standardize(X), K).V}.items():
        leverage = np.sum(V**2, axis=1)
        values |= {f"{data}: leverage, {name}": leverage[part].mean() for name, part in (("head", head), ("tail", tail))}
    return rows("items", setting, seed, values)


def users(setting, seed):
    """User–user cosines under four scalings: do the nearest users like what a user has hidden, and are they the same?"""
    _, train, hidden, test = hidden_task(seed)
    test = test[:USERS]
    X, hidden = train[test].toarray(), hidden[test].toarray()
    spec = cosim.spectrum(train, K)
    gain = 1 / (1 + LAM1 / spec.sigma**2)
    U = (train @ spec.V) / spec.sigma
    scales = {"V": spec.sigma * gain, "V F^1/2": spec.sigma * gain**0.5, "V F": spec.sigma, "V S F": np.ones(K),
              "Eq. 6": np.sqrt(np.maximum(spec.sigma - LAM2, 0))}  # of the columns of U, by the name of the items'
    values, near = {}, {}
    for name, scale in {**scales, "raw rows": None}.items():
        P_all = train if scale is None else (U * scale)[:, scale > 0]
        S = cosim.cosine_similarity(P_all[test], P_all)
        S[np.arange(USERS), test] = -1
        near[name] = np.argpartition(-S, NEAREST, axis=1)[:, :NEAREST]
        scores = np.array([S[u, near[name][u]] @ train[near[name][u]] for u in range(USERS)])
        values[f"{name}: recall"] = recall(scores, X > 0, hidden)
    for name in ("V F^1/2", "V F", "V S F"):
        common = [np.intersect1d(a, b).size / NEAREST for a, b in zip(near["V"], near[name])]
        values[f"V and {name}: shared neighbours"] = np.mean(common)
    return rows("users", setting, seed, values)


def flat(setting, seed):
    """Users with nearly the same taste: what is left of the clusters."""
    clicks = draw(seed, dict(concentration=FLAT))
    spec = cosim.spectrum(clicks.X, K)
    S = cosine(scaling(spec, LAM1, K, *SCALINGS["V F"]))
    return rows("flat", setting, seed, {"V F: auc": cosim.same_cluster_auc(S, clicks.cluster)})


def error(B, cluster, panel, blocks=slice(None)):
    """Mean absolute difference from the block means of a published panel; of some of its 25 blocks, row by row."""
    return np.mean(np.abs(block_means(cosine(B), cluster) - published()[panel]).ravel()[blocks])


def ranks(setting, seed):
    """Figure 1's titles with other ranks than the stated 50, at the setting fitted to it."""
    clicks = draw(seed, FIGURE1)
    spec, cluster = cosim.spectrum(clicks.X), clicks.cluster
    values = {f"panel {panel}, {name}, k = {k}": error(scaling(spec, LAM1, k, *powers), cluster, panel)
              for panel, name, powers in (("2", "V F^-1/2", (0, -0.5)), ("2", "V F^1/2", (0, 0.5)),
                                          ("3", "V", (0, 0)), ("4", "V S^2", (2, 0)))
              for k in RANKS}
    kept = int(np.sum(spec.sigma > LAM2))
    values |= {"kept": kept, "panel 5, V, kept": error(spec.V[:, :kept], cluster, "5"),
               "panel 5, V S^1/2": error(scaling(spec, LAM1, K, 0.5, 0), cluster, "5"),
               "V S^2: smallest mean within": np.diag(block_means(cosine(scaling(spec, LAM1, K, 2, 0)), cluster)).min()}
    return rows("ranks", setting, seed, values)


def active(setting, seed):
    """The candidates for Figure 1, also where users are more active; of panel 3 the five diagonal blocks on their own."""
    clicks = draw(seed, FIGURE1 | ACTIVE[setting])
    spec = cosim.spectrum(clicks.X, K)
    embeddings = {name: scaling(spec, LAM1, K, *powers) for name, powers in CANDIDATES.items()}
    embeddings["Eq. 6"] = objective2(spec, LAM2, K)
    values = {f"panel {panel}, {name}": error(B, clicks.cluster, panel)
              for name, B in embeddings.items() for panel in "2345"}
    values |= {f"panel 3, diagonal, {name}": error(B, clicks.cluster, "3", slice(None, None, 6))
               for name, B in embeddings.items()}
    return rows("active", setting, seed, values)
