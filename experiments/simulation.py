"""Section 4's simulation over many seeds: scalings, remedies, retrieval, Figure 1, and what they depend on.

A row holds the metrics that its part of the study measures, computed with the public functions of cosim.
"""

import csv
from importlib import resources

import numpy as np
from scipy import sparse, stats
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import cosim

N, P, C = 20_000, 1_000, 5  # Section 4
LAM1, LAM2, K = 10_000, 100, 50  # Section 4
M = 10  # neighbours per item
HEAD = 0.2  # head and tail: the fifth of the items that is consumed most, and least
HIDDEN, TOP, TEST_USERS = 0.2, 20, 4_000  # recall@20 on a hidden fifth of each user's items
TRAINING = dict(temperature=0.2, steps=400, rate=1000, batch=500)  # a dozen combinations were tried on seeds 0 and 1
HEAD_ITEMS = 100  # whose leverage the sweep of k follows

# The fixed setting for Figure 1; found by a search, see the chapter.
FIGURE1 = dict(cluster_sizes=[336, 292, 272, 49, 51], exponents=[0.40, 0.35, 0.42, 0.85, 1.05],
               concentration=1.5, activity_exponent=0.5, max_items=120)
FIGURE1_VARIANTS = {
    "concentration 0.5": dict(concentration=0.5), "concentration 1": dict(concentration=1.0),
    "concentration 3": dict(concentration=3.0), "max_items 60": dict(max_items=60),
    "max_items 200": dict(max_items=200), "max_items 400": dict(max_items=400),
    "activity_exponent 0": dict(activity_exponent=0.0), "activity_exponent 1": dict(activity_exponent=1.0),
    "exponents all 0.25": dict(exponents=[0.25] * 5), "exponents all 0.875": dict(exponents=[0.875] * 5),
    "exponents drawn": dict(exponents=None), "equal sizes": dict(cluster_sizes=[200] * 5),
}
# The choices that the paper leaves open, one at a time; "default" is simulate_clicks without keywords.
VARIANTS = {
    "default": {},
    "sizes 500 250 125 75 50": dict(cluster_sizes=[500, 250, 125, 75, 50]),
    "sizes of Figure 1": dict(cluster_sizes=FIGURE1["cluster_sizes"]),
    "concentration 0.2": dict(concentration=0.2), "concentration 0.5": dict(concentration=0.5),
    "concentration 3": dict(concentration=3.0), "concentration 10": dict(concentration=10.0),
    "max_items 50": dict(max_items=50), "max_items 100": dict(max_items=100),
    "max_items 500": dict(max_items=500), "max_items 1000": dict(max_items=1000),
    "exponents 0.25-0.75": dict(exponent_range=(0.25, 0.75)),
    "exponents 0.75-1.5": dict(exponent_range=(0.75, 1.5)), "exponents 0": dict(exponent_range=(0, 0)),
    "activity_exponent 0": dict(activity_exponent=0.0), "activity_exponent 1": dict(activity_exponent=1.0),
    "setting of Figure 1": FIGURE1,
}
# B = V S^p F^q with S = dMat(sigma) and F = dMat(w): name -> (p, q).
SCALINGS = {"V": (0, 0), "V F^1/2": (0, 0.5), "V F": (0, 1), "V (SF)^1/2": (0.5, 0.5), "V S F": (1, 1),
            "V S": (1, 0), "V S^2": (2, 0)}
CANDIDATES = {**SCALINGS, "V F^-1/2": (0, -0.5), "V S^-1/2": (-0.5, 0), "V S^-1": (-1, 0),
              "V S^-2": (-2, 0), "V F^1/2 S^-1": (-1, 0.5), "V F^1/2 S^-2": (-2, 0.5)}
POWERS = (-2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4)
LAMBDAS_1 = (1e2, 1e3, 1e4, 1e5, 1e6)
LAMBDAS_2 = (1, 30, 60, 80, 100, 150, 200, 300)
RANKS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)

SEEDS = range(20)
SEEDS_PER_VARIANT = range(10)  # of the sensitivity study: 17 settings
COLUMNS = ["study", "setting", "seed", "method", "auc", "precision", "auc_head", "auc_tail", "ari", "recall",
           "rank", "leverage", "cos_head", "overlap", "rank_corr", "error2", "error3", "error4", "error5"]
LIBRARIES = ["numpy", "scipy", "scikit-learn"]
NUMERICS = ["_checks", "models", "recovery", "remedies", "similarity", "simulate"]
SETTINGS = dict(
    seeds=list(SEEDS), seeds_per_variant=list(SEEDS_PER_VARIANT), users=N, items=P, clusters=C,
    lambda_1=LAM1, lambda_2=LAM2, k=K, neighbours=M,
    figure1=FIGURE1, figure1_variants=FIGURE1_VARIANTS, variants=VARIANTS)


def tasks():
    """Every (function, setting, seed) of the run."""
    for name, settings, seeds in (
            ("figure1", ["fixed", *FIGURE1_VARIANTS], SEEDS), ("recovery", ["default"], SEEDS),
            ("retrieval", ["default"], SEEDS), ("sensitivity", VARIANTS, SEEDS_PER_VARIANT),
            ("remedies", ["default"], SEEDS)):
        yield from ((name, setting, seed) for setting in settings for seed in seeds)


def draw(seed, setting):
    """Simulated clicks at the paper's size; items that nobody consumed have no direction and are left out."""
    clicks = cosim.simulate_clicks(N, P, C, rng=np.random.default_rng(seed), **setting)
    seen = np.flatnonzero(clicks.X.sum(axis=0) > 0)
    return clicks if seen.size == P else cosim.Clicks(clicks.X[:, seen], clicks.cluster[seen], clicks.popularity[seen])


def scaling(spec, lam, k, p, q):
    """B = V_k S^p F^q."""
    sigma = spec.sigma[:k]
    return spec.V[:, :k] * (sigma**p / (1 + lam / sigma**2) ** q)


def objective2(spec, lam, k):
    """B of Eq. 6; None if the penalty leaves no direction at all."""
    return None if lam >= spec.sigma[0] else cosim.solve_factors(spec, lam, k).B


def cosine(B):
    """Item-item cosine, or None if there is no embedding."""
    return None if B is None else cosim.cosine_similarity(B)


def quality(S, cluster):
    """How well S finds the clusters; nan where there is no S."""
    if S is None:
        return dict(auc=np.nan, precision=np.nan)
    return dict(auc=cosim.same_cluster_auc(S, cluster), precision=cosim.precision_at(S, cluster, M))


def head_and_tail(S, cluster, consumed):
    """AUC among the most and among the least consumed fifth of the items."""
    order, size = np.argsort(-consumed, kind="stable"), int(HEAD * len(consumed))
    parts = dict(auc_head=order[:size], auc_tail=order[-size:])
    return {name: cosim.same_cluster_auc(S[np.ix_(part, part)], cluster[part]) for name, part in parts.items()}


def clustering(E, cluster):
    """Adjusted Rand index of k-means with the true number of clusters on the rows of E."""
    found = KMeans(len(np.unique(cluster)), n_init=5, random_state=0).fit_predict(E)
    return dict(ari=adjusted_rand_score(cluster, found))


def unit(E):
    """Rows divided by their lengths."""
    return E / np.linalg.norm(E, axis=1, keepdims=True)


# ---- Figure 1 ----------------------------------------------------------------------------------------

def published():
    """Block means of panels 2-5 of the published figure: panel -> (5, 5)."""
    text = resources.files("cosim").joinpath("data/figure1-published.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    return {panel: np.array([[float(row[f"c{c}"]) for c in range(1, 6)] for row in rows
                             if row["panel"] == panel]) for panel in "2345"}


def block_means(S, cluster):
    """Mean of S in every block, negatives counted as 0 and the diagonal included, as in the picture."""
    member = (cluster[:, None] == np.unique(cluster)).astype(float)
    member /= member.sum(axis=0)
    return member.T @ np.maximum(S, 0) @ member


def figure1(setting, seed):
    """Mean absolute block error of every candidate scaling against every published panel."""
    study = "figure1" if setting == "fixed" else "figure1-variants"
    clicks = draw(seed, FIGURE1 | FIGURE1_VARIANTS.get(setting, {}))
    spec = cosim.spectrum(clicks.X, K)
    embeddings = {name: scaling(spec, LAM1, K, p, q) for name, (p, q) in CANDIDATES.items()}
    embeddings["Eq. 6"] = objective2(spec, LAM2, K)
    for method, B in embeddings.items():
        means = np.nan if B is None else block_means(cosine(B), clicks.cluster)
        yield dict(study=study, setting=setting, seed=seed, method=method,
                   rank=np.sum(spec.sigma > LAM2) if method == "Eq. 6" else None,
                   **{f"error{panel}": np.mean(np.abs(means - block)) for panel, block in published().items()})


# ---- Recovery of the clusters ------------------------------------------------------------------------

def recovery(setting, seed):
    """All scalings, their overlap and the sweeps, at the default simulation."""
    clicks = draw(seed, {})
    cluster, consumed = clicks.cluster, np.asarray(clicks.X.sum(axis=0))
    spec = cosim.spectrum(clicks.X)
    key = dict(setting="default", seed=seed)

    embeddings = {name: unit(scaling(spec, LAM1, K, *power)) for name, power in SCALINGS.items()}
    embeddings["Eq. 6"] = unit(objective2(spec, LAM2, K))
    embeddings["W (dot)"] = scaling(spec, LAM1, K, 0, 0.5)  # W = B B^T: not normalized
    embeddings["raw cosine"] = unit(spec.V * spec.sigma)
    similarity = {name: E @ E.T for name, E in embeddings.items()}
    for method, S in similarity.items():
        yield dict(study="scalings", **key, method=method, **quality(S, cluster),
                   **head_and_tail(S, cluster, consumed), **clustering(embeddings[method], cluster),
                   rank=np.sum(spec.sigma[:K] > LAM2) if method == "Eq. 6" else None)
    yield from ({"study": "overlap", **key, **row} for row in overlaps(similarity))
    yield from ({**key, **row} for row in sweeps(spec, cluster, consumed))


def overlaps(similarity):
    """Shared nearest neighbours and rank correlation of all pairs, for every two similarities."""
    names = ["V", "V F^1/2", "V F", "V (SF)^1/2", "V S F", "Eq. 6", "W (dot)", "raw cosine"]
    near, rank = {}, {}
    for name in names:
        S = similarity[name].round(10)
        np.fill_diagonal(S, -np.inf)
        near[name] = np.zeros(S.shape, dtype=bool)
        np.put_along_axis(near[name], np.argpartition(-S, M, axis=1)[:, :M], True, axis=1)
        rank[name] = stats.rankdata(S[np.triu_indices(len(S), 1)])
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            yield dict(method=f"{a} | {b}", overlap=np.mean((near[a] & near[b]).sum(axis=1) / M),
                       rank_corr=np.corrcoef(rank[a], rank[b])[0, 1])


def sweeps(spec, cluster, consumed):
    """One setting of the model at a time: the power p, lambda_1, lambda_2, k."""
    for p in POWERS:
        yield dict(study="sweep-power", setting=f"{p:g}", method="V S^p",
                   **quality(cosine(scaling(spec, LAM1, K, p, 0)), cluster))
    for lam in LAMBDAS_1:
        gain = np.sum(1 / (1 + lam / spec.sigma[:K] ** 2))
        for method in ("V F^1/2", "V F", "V S F"):
            yield dict(study="sweep-lam1", setting=f"{lam:g}", method=method, rank=gain,
                       **quality(cosine(scaling(spec, lam, K, *SCALINGS[method])), cluster))
    for lam in LAMBDAS_2:
        yield dict(study="sweep-lam2", setting=f"{lam:g}", method="Eq. 6", rank=np.sum(spec.sigma[:K] > lam),
                   **quality(cosine(objective2(spec, lam, K)), cluster))
    head = np.argsort(-consumed, kind="stable")[:HEAD_ITEMS]
    pairs = np.triu(cluster[head][:, None] == cluster[head], 1)
    for k in RANKS:
        k = min(k, spec.sigma.size)
        leverage = np.mean(np.sum(spec.V[head, :k] ** 2, axis=1))
        for method in ("V", "V F^1/2", "V S F"):
            S = cosine(scaling(spec, LAM1, k, *SCALINGS[method]))
            yield dict(study="sweep-k", setting=f"{k}", method=method, leverage=leverage,
                       cos_head=np.mean(np.abs(S[np.ix_(head, head)][pairs])), **quality(S, cluster))


def sensitivity(setting, seed):
    """The main scalings with one of the simulation's open choices changed."""
    clicks = draw(seed, VARIANTS[setting])
    spec = cosim.spectrum(clicks.X, K)
    similarity = {name: cosine(scaling(spec, LAM1, K, *SCALINGS[name])) for name in ("V", "V F^1/2", "V F", "V S F")}
    similarity["Eq. 6"] = cosine(objective2(spec, LAM2, K))
    B = scaling(spec, LAM1, K, *SCALINGS["V F^1/2"])
    similarity["W (dot)"] = B @ B.T
    for method, S in similarity.items():
        yield dict(study="sensitivity", setting=setting, seed=seed, method=method,
                   rank=np.sum(spec.sigma[:K] > LAM2) if method == "Eq. 6" else None,
                   **quality(S, clicks.cluster))


# ---- Section 3's remedies, and user-item retrieval ---------------------------------------------------

def hold_out(X, rng):
    """Hide a fifth of every user's items, rounded down: what is left and what is hidden, both 0/1."""
    lengths = np.diff(X.indptr)
    user = np.repeat(np.arange(X.shape[0]), lengths)
    item = X.indices[np.lexsort([rng.random(user.size), user])]  # shuffled within each user
    hide = np.arange(user.size) - X.indptr[user] < (HIDDEN * lengths).astype(int)[user]
    return [sparse.csr_array((np.ones(part.sum()), (user[part], item[part])), shape=X.shape) for part in (~hide, hide)]


def hidden_task(seed):
    """The default simulation, its two parts, and the first users who have something hidden."""
    clicks = draw(seed, {})
    train, hidden = hold_out(clicks.X, np.random.default_rng([seed, 1]))
    return clicks, train, hidden, np.flatnonzero(np.diff(hidden.indptr))[:TEST_USERS]


def recall(scores, known, hidden):
    """Share of a user's hidden items among the TOP best-scored items the user does not know yet."""
    scores = np.where(known, -np.inf, scores)
    top = np.argpartition(-scores, TOP, axis=1)[:, :TOP]
    hits = np.take_along_axis(hidden, top, axis=1).sum(axis=1)
    return np.mean(hits / np.minimum(TOP, hidden.sum(axis=1)))


def retrieval(setting, seed):
    """Recall on hidden items: the model's dot product, its cosines, and popularity."""
    _, train, hidden, users = hidden_task(seed)
    X, hidden = train[users].toarray(), hidden[users].toarray()
    spec = cosim.spectrum(train)

    scores = {"popularity": np.broadcast_to(train.sum(axis=0), X.shape)}
    for label, k in (("", K), (", full rank", spec.sigma.size)):
        A, B = cosim.solve_product(spec, LAM1, k)
        dot = scores["dot" + label] = X @ A @ B.T
        for name, power in SCALINGS.items():  # Omega_A does not change a ranking, Omega_B does
            lengths = np.linalg.norm(scaling(spec, LAM1, k, *power), axis=1)
            scores[f"cosine {name}{label}"] = dot / lengths
    A, B = cosim.solve_factors(spec, LAM2, K)
    scores["dot Eq. 6"] = X @ A @ B.T
    scores["cosine Eq. 6"] = scores["dot Eq. 6"] / np.linalg.norm(B, axis=1)
    for method, score in scores.items():
        yield dict(study="retrieval", setting=setting, seed=seed, method=method, recall=recall(score, X > 0, hidden))


def corrected(X):
    """Section 3's corrections of popularity: name, data Z, and scale and shift with X = Z scale + shift."""
    mean = X.mean(axis=0)
    spread = np.sqrt(mean * (1 - mean))  # standard deviation of 0/1 data
    yield "clicks", X, 1, 0
    yield "centred", X.toarray() - mean, 1, mean
    yield "standardized", cosim.standardize(X), spread, mean
    yield "IPS^1/2", cosim.weight_by_propensity(X, 0.5), np.sqrt(mean), 0
    yield "IPS", cosim.weight_by_propensity(X, 1), mean, 0


def remedied(X, users, rng):
    """Item embeddings under every remedy, and for remedies that are models the scores of some users.

    Lambda keeps its ratio to the squared size of the data, which the corrections change.
    """
    for name, Z, scale, shift in corrected(X):
        lam = LAM1 * (Z**2).sum() / X.sum()
        spec = cosim.spectrum(Z, K)
        A, B = cosim.solve_product(spec, lam, K)
        dot = Z[users] @ A @ B.T
        yield f"{name}: Eq. 5", B, {"dot": dot} if name == "clicks" else {"dot": dot, "dot, undone": dot * scale + shift}
        yield f"{name}: project back", cosim.project_back(B, Z @ A), {}
        if name == "clicks":
            P = X @ A
            yield "clicks: Pearson of predictions", cosim.project_back(B, P - P.mean(axis=0)), {}
            yield "clicks: raw cosine", X.T, {}
    C = (X.T @ X).toarray()
    np.fill_diagonal(C, 0)
    U, s, _ = np.linalg.svd(cosim.ppmi(C, 0.75))
    yield "PPMI", U[:, :K] * s[:K], {}
    for power in (0, 0.75):
        A, B = cosim.train_cosine(X, *rng.normal(size=(2, X.shape[1], K)), power=power, **TRAINING)
        yield f"trained for the cosine, power {power:g}", B, {"cosine": cosim.cosine_similarity(X[users] @ A, B)}


def remedies(setting, seed):
    """Every remedy, fitted without the hidden items: recovery of the clusters, and recall of the hidden.

    An item-item similarity scores an item for a user by the sum over the items the user knows.
    """
    clicks, train, hidden, users = hidden_task(seed)
    X, hidden = train[users].toarray(), hidden[users].toarray()
    consumed = train.sum(axis=0)
    for method, E, scores in remedied(train, users, np.random.default_rng([seed, 2])):
        S = cosim.cosine_similarity(E)
        yield dict(study="remedies", setting=setting, seed=seed, method=method, **quality(S, clicks.cluster),
                   **head_and_tail(S, clicks.cluster, consumed),
                   **clustering(unit(E) if isinstance(E, np.ndarray) else S, clicks.cluster))
        for label, score in {"neighbours": X @ S, **scores}.items():
            yield dict(study="remedies-recall", setting=label, seed=seed, method=method,
                       recall=recall(score, X > 0, hidden))
