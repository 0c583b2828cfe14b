"""Assignment 5 checked outside the student's process: `probe` runs next to the student's functions and only
collects numbers; `verify` judges them where the student's code has never been. Needs numpy only.

What depends on chance is held against bounds of six standard deviations.
"""

import numpy as np

N, K, LAM_1, LAM_2 = 1500, 3, 4.0, 3.0
KEYS = ("case 1", "even", "case 2", "weight decay")


def inputs(seed):
    """Fresh data, the same on both sides."""
    rng = np.random.default_rng([seed, 5])
    cluster = rng.permutation(np.arange(12) % 3)
    S = np.triu(rng.permutation(144).reshape(12, 12) / 144, 1)
    S = S + S.T + np.eye(12)
    tied = np.round(S)
    Y, A, B = rng.normal(size=(15, 6)), rng.normal(size=(6, K)), rng.normal(size=(6, K))
    Y *= np.array([3, 2, 2, 1, 1, 1]) * rng.uniform(0.9, 1.1, 6)
    clicks = np.round(rng.random((9, 4)))
    clicks[:2, 0], clicks[:2, 2], clicks[:, 1], clicks[:, 3] = (0, 1), (1, 0), 0, 1
    return cluster, S, tied, Y, A, B, clicks


def probe(ns, seed):
    cluster, S, tied, Y, A, B, clicks = inputs(seed)
    arrays = {}

    def keep(name, call):
        try:
            arrays[name] = np.array(call(), dtype=float)
        except Exception:
            pass  # what is missing is judged by `verify`

    def draw(*choices, stream=0):
        return ns["simulate"](*choices, np.random.default_rng([seed, stream]))[0]

    keep("one", lambda: draw(40, (4, 3), (1.0, 0.5), 5))
    keep("again", lambda: draw(40, (4, 3), (1.0, 0.5), 5))
    keep("other", lambda: draw(40, (4, 3), (1.0, 0.5), 5, stream=1))
    keep("counts", lambda: draw(N, (5,), (1.2,), 5))
    keep("popularity", lambda: draw(N, (5, 6), (1.3, 0.3), 1))
    keep("preference", lambda: draw(N, (30, 30), (0.0, 0.0), 2))
    blocks = (cluster[:, None] == cluster) * 1.0
    keep("auc", lambda: [ns["auc"](M, cluster.copy()) for M in (S.copy(), -S, blocks, -blocks)])
    keep("ties", lambda: [ns["auc"](M, cluster.copy()) for M in (np.ones((12, 12)) + 1e-12 * S, tied.copy(), -tied)])
    keep("diagonal", lambda: [ns["auc"](np.where(np.eye(12), entry, S), cluster.copy()) for entry in (-9, 9)])
    keep("project", lambda: ns["project_back_cosine"](Y.copy(), A.copy(), B.copy()))
    keep("standard", lambda: ns["standardize"](Y.copy()))
    keep("constant", lambda: ns["standardize"](clicks.copy()))
    keep("embed", lambda: [ns["embeddings"](Y.copy(), K, LAM_1, LAM_2)[key] for key in KEYS[:3]])
    keep("decay", lambda: ns["embeddings"](Y.copy(), K, LAM_1, LAM_2)[KEYS[3]])
    return arrays


def near(counts, share):
    """Multinomial counts within six standard deviations."""
    share = share / share.sum()
    total = counts.sum()
    return (abs(counts - total * share) <= 6 * np.sqrt(total * share * (1 - share)) + 3).all()


def check_same(got, *_):
    one, again, other = got["one"], got["again"], got["other"]
    return one.shape == (40, 7) and np.array_equal(one, again) and not np.array_equal(one, other)


def check_counts(got, *_):
    X = got["counts"]
    found = np.array([(X.sum(axis=1) == k).sum() for k in range(1, 6)])
    return np.isin(X, (0, 1)).all() and X.shape == (N, 5) and found.sum() == N and near(found, np.arange(1, 6) ** -0.5)


def check_popularity(got, *_):
    clicks = got["popularity"].sum(axis=0)
    return clicks.shape == (11,) and near(clicks[:5], np.arange(1, 6) ** -1.3) and near(clicks[5:], np.arange(1, 7) ** -0.3)


def check_preference(got, *_):
    X = got["preference"]
    first = X[:, :30].sum(axis=1)[X.sum(axis=1) == 2]
    return abs(np.mean(first) / 2 - 0.5) < 0.1 and 0.56 < np.mean(first != 1) < 0.76


def check_score(got, cluster, S, *_):
    return got["auc"].shape == (4,) and np.isclose(got["auc"][:2].sum(), 1) and np.allclose(got["auc"][2:], (1, 0))


def check_ties(got, *_):
    ties = got["ties"]
    return np.isclose(ties[0], 0.5) and np.isclose(ties[1] + ties[2], 1)


def check_diagonal(got, cluster, S, *_):
    return np.isclose(*got["diagonal"]) and 0 <= got["diagonal"].min() <= 1


def check_project(got, cluster, S, tied, Y, A, B, clicks):
    smoothed = Y @ A @ B.T
    smoothed /= np.linalg.norm(smoothed, axis=0)
    return np.allclose(got["project"], smoothed.T @ smoothed)


def check_standardize(got, cluster, S, tied, Y, A, B, clicks):
    return np.allclose(got["standard"], (Y - Y.mean(axis=0)) / Y.std(axis=0))


def check_constant(got, *_):
    return np.isfinite(got["constant"]).all() and np.allclose(got["constant"][:, [1, 3]], 0)


def check_embed_1(got, cluster, S, tied, Y, A, B, clicks):
    s, Vt = np.linalg.svd(Y)[1:]
    w, V = s[:K] ** 2 / (s[:K] ** 2 + LAM_1), Vt[:K].T
    return all(np.allclose(found @ found.T, V * w**power @ V.T) for power, found in enumerate(got["embed"])) and len(
        got["embed"]) == 3


def check_embed_2(got, cluster, S, tied, Y, A, B, clicks):
    s, Vt = np.linalg.svd(Y)[1:]
    return np.allclose(got["decay"] @ got["decay"].T, Vt[:K].T * np.maximum(0, s[:K] - LAM_2) @ Vt[:K])


CHECKS = {
    "sim-same": (check_same, "the generator does not decide the data"),
    "sim-counts": (check_counts, "the number of items per user is off on fresh draws"),
    "sim-popularity": (check_popularity, "popularity does not fall like rank^(-beta) on fresh draws"),
    "sim-preference": (check_preference, "users do not have preferences of their own on fresh draws"),
    "auc-score": (check_score, "the score is wrong on fresh similarities"),
    "auc-ties": (check_ties, "ties do not count one half"),
    "auc-diagonal": (check_diagonal, "the diagonal changes the score"),
    "project-back": (check_project, "the cosines of X A B^T are wrong on fresh data"),
    "standardize": (check_standardize, "columns of fresh data do not have mean 0 and variance 1"),
    "standardize-constant": (check_constant, "constant columns are not zero"),
    "embed-1": (check_embed_1, "the embeddings of objective 1 are wrong on fresh data"),
    "embed-2": (check_embed_2, "the embeddings of objective 2 are wrong on fresh data"),
}


def verify(arrays, seed):
    faults = {}
    for question, (check, message) in CHECKS.items():
        try:
            fine = check(arrays, *inputs(seed))
        except Exception:  # an array that is missing or has another shape
            fine = False
        if not fine:
            faults[question] = message
    return faults
