"""Assignment 5, checked outside the student's process (see `outside.py`).

What depends on chance is held against bounds of six standard deviations.
"""

import numpy as np
from grading.outside import Call, Question

N, K, LAM_1, LAM_2 = 5000, 3, 4.0, 3.0
KEYS = ("case 1", "even", "case 2", "weight decay")


def inputs(rng):
    cluster = rng.permutation(np.arange(12) % 3)
    S = np.triu(rng.permutation(144).reshape(12, 12) / 144, 1)
    S = S + S.T + np.eye(12)
    Y, A, B = rng.normal(size=(15, 6)), rng.normal(size=(6, K)), rng.normal(size=(6, K))
    Y *= np.array([3, 2, 2, 1, 1, 1]) * rng.uniform(0.9, 1.1, 6)
    clicks = np.round(rng.random((9, 4)))
    clicks[:2, 0], clicks[:2, 2], clicks[:, 1], clicks[:, 3] = (0, 1), (1, 0), 0, 1
    seeds = rng.integers(2**31, size=2)
    return cluster, S, Y, A, B, clicks, seeds


def calls(cluster, S, Y, A, B, clicks, seeds):
    def draw(n, sizes, exponents, max_items, seed=seeds[0]):
        arguments = n, sizes, exponents, max_items, np.random.default_rng(seed)
        return Call("simulate", arguments, (n, sum(sizes)), part=0)

    def score(M):
        return Call("auc", (M, cluster), ())

    blocks, tied, inner = (cluster[:, None] == cluster) * 1.0, np.round(S), np.eye(12)
    return {
        "one": draw(40, (4, 3), (1.0, 0.5), 5),
        "again": draw(40, (4, 3), (1.0, 0.5), 5),
        "other": draw(40, (4, 3), (1.0, 0.5), 5, seeds[1]),
        "counts": draw(N, (5,), (1.2,), 5),
        "popularity": draw(N, (5, 6), (0.3, 1.3), 1),
        "preference": draw(8000, (400, 400), (0.0, 0.0), 12),  # with 5,000 users softmax preferences passed at 1 seed of 10,000
        "S": score(S), "-S": score(-S), "S^3": score(S**3), "blocks": score(blocks), "-blocks": score(-blocks),
        "flat": score(1 + 1e-12 * S), "tied": score(tied), "-tied": score(-tied),
        "low diagonal": score(np.where(inner, -9, S)), "high diagonal": score(np.where(inner, 9, S)),
        "project": Call("project_back_cosine", (Y, A, B), (6, 6)),
        "standard": Call("standardize", (Y,), (15, 6)),
        "constant": Call("standardize", (clicks,), (9, 4)),
        **{key: Call("embeddings", (Y, K, LAM_1, LAM_2), (6, K), part=key) for key in KEYS},
        "nothing left": Call("embeddings", (Y, K, LAM_1, 1000.0), (6, K), part=KEYS[3]),
    }


def near(counts, share):
    """Multinomial counts within six standard deviations."""
    share = share / share.sum()
    total = counts.sum()
    return (abs(counts - total * share) <= 6 * np.sqrt(total * share * (1 - share)) + 3).all()


def check_same(got, *_):
    return np.array_equal(got["one"], got["again"]) and not np.array_equal(got["one"], got["other"])


def check_counts(got, *_):
    X = got["counts"]
    found = np.array([(X.sum(axis=1) == k).sum() for k in range(1, 6)])
    return np.isin(X, (0, 1)).all() and found.sum() == N and near(found, np.arange(1, 6) ** -0.5)


def check_popularity(got, *_):
    clicks = got["popularity"].sum(axis=0)
    return near(clicks[:5], np.arange(1, 6) ** -0.3) and near(clicks[5:], np.arange(1, 7) ** -1.3)


def check_preference(got, *_):
    """Of k items, the number in cluster 0 is uniform on 0, ..., k, if the Dirichlet parameters are 1."""
    X = got["preference"]
    k = X.sum(axis=1)
    if not (k >= 5).any():
        return False
    share = np.sort(((X[:, :400].sum(axis=1) + np.random.default_rng().random(len(X))) / (k + 1))[k >= 5])
    m = len(share)
    gap = np.abs(share - (np.arange(m) + 0.5) / m).max() * np.sqrt(m)
    return abs(np.mean(share) - 0.5) * np.sqrt(12 * m) < 6 and abs(np.var(share) - 1 / 12) * np.sqrt(180 * m) < 5 and gap < 2.7


def check_score(got, cluster, S, *_):
    pairs = [(S[i, j], cluster[i] == cluster[j]) for i in range(12) for j in range(i)]
    wins = [one > other for one, mine in pairs if mine for other, its in pairs if not its]
    wins_too = wins + [S[i, i] > other for i in range(12) for other, its in pairs if not its]  # the diagonal has its own check
    share = np.isclose(got["S"], [np.mean(wins), np.mean(wins_too)], rtol=1e-4, atol=1e-4).any()
    order = np.isclose(got["S"] + got["-S"], 1, rtol=1e-4, atol=1e-4) and np.isclose(got["S"], got["S^3"], rtol=1e-4, atol=1e-4)
    return share and order and np.isclose(got["blocks"], 1, rtol=1e-4, atol=1e-4) and np.isclose(got["-blocks"], 0, rtol=1e-4, atol=1e-4)


def check_ties(got, *_):
    return np.isclose(got["flat"], 0.5, rtol=1e-4, atol=1e-4) and np.isclose(got["tied"] + got["-tied"], 1, rtol=1e-4, atol=1e-4)


def check_diagonal(got, *_):
    low, high = got["low diagonal"], got["high diagonal"]
    return np.isclose(low, high, rtol=1e-4, atol=1e-4) and 0 <= low <= 1


def check_project(got, cluster, S, Y, A, B, *_):
    smoothed = Y @ A @ B.T
    smoothed /= np.linalg.norm(smoothed, axis=0)
    return np.allclose(got["project"], smoothed.T @ smoothed, rtol=1e-4, atol=1e-4)


def check_standardize(got, cluster, S, Y, *_):
    return np.allclose(got["standard"], (Y - Y.mean(axis=0)) / Y.std(axis=0), rtol=1e-4, atol=1e-4)


def check_constant(got, *_):
    return np.isfinite(got["constant"]).all() and np.allclose(got["constant"][:, [1, 3]], 0, rtol=1e-4, atol=1e-4)


def check_embed_1(got, cluster, S, Y, *_):
    s, Vt = np.linalg.svd(Y)[1:]
    w, V = s[:K] ** 2 / (s[:K] ** 2 + LAM_1), Vt[:K].T
    return all(np.allclose(got[key] @ got[key].T, V * w**power @ V.T, rtol=1e-4, atol=1e-4) for power, key in enumerate(KEYS[:3]))


def check_embed_2(got, cluster, S, Y, *_):
    s, Vt = np.linalg.svd(Y)[1:]
    product = Vt[:K].T * np.maximum(0, s[:K] - LAM_2) @ Vt[:K]
    return np.allclose(got[KEYS[3]] @ got[KEYS[3]].T, product, rtol=1e-4, atol=1e-4) and np.allclose(got["nothing left"], 0, rtol=1e-4, atol=1e-4)


QUESTIONS = {
    "sim-same": Question(check_same, "the generator does not decide the data"),
    "sim-counts": Question(check_counts, "the number of items per user is off on fresh draws"),
    "sim-popularity": Question(check_popularity, "popularity does not fall like rank^(-beta) on fresh draws"),
    "sim-preference": Question(check_preference, "users do not have preferences of their own on fresh draws"),
    "auc-score": Question(check_score, "the score is wrong on fresh similarities"),
    "auc-ties": Question(check_ties, "ties do not count one half"),
    "auc-diagonal": Question(check_diagonal, "the diagonal changes the score"),
    "project-back": Question(check_project, "the cosines of X A B^T are wrong on fresh data"),
    "standardize": Question(check_standardize, "columns of fresh data do not have mean 0 and variance 1"),
    "standardize-constant": Question(check_constant, "constant columns are not zero"),
    "embed-1": Question(check_embed_1, "the embeddings of objective 1 are wrong on fresh data"),
    "embed-2": Question(check_embed_2, "the embeddings of objective 2 are wrong on fresh data"),
}
