"""Assignment 1 checked outside the student's process: `probe` runs next to the student's functions and only
collects numbers; `verify` judges them where the student's code has never been. Needs numpy only.
"""

import numpy as np


def inputs(seed):
    """Fresh data, the same on both sides."""
    rng = np.random.default_rng([seed, 1])
    A, B = rng.normal(size=(2, 9, 4))
    B[0] = rng.choice([-1, 1], 4) * rng.uniform(1, 2, 4)
    B[1], B[2] = B[0] * [0.3, 1, 1, 1], B[0] * [1, 0.2, 1, 1]
    d = rng.uniform(0.2, 5, 4)
    S = rng.uniform(-0.9, -0.1, (9, 9))
    S = np.maximum(S, S.T)
    np.fill_diagonal(S, 1)
    return A, B, d, S


def cosine(B):
    E = B / np.linalg.norm(B, axis=1)[:, None]
    return E @ E.T


def nearest(S, item):
    return int(np.argmax(np.where(np.arange(len(S)) == item, -np.inf, S[item])))


def probe(ns, seed):
    A, B, d, S = inputs(seed)
    arrays = {}

    def keep(name, call):
        try:
            arrays[name] = np.array(call(), dtype=float)
        except Exception:
            pass  # what is missing is judged by `verify`

    keep("cosine", lambda: ns["cosine"](B.copy()))
    keep("nearest", lambda: [ns["nearest"](S.copy(), item) for item in range(9)])
    keep("rescaled", lambda: np.stack(ns["rescale"](A.copy(), B.copy(), d.copy())))
    # Question 4 is marked on its own, as in the notebook.
    own = {name: ns.get(name) for name in ("cosine", "nearest", "rescale")}
    ns.update(cosine=cosine, nearest=nearest, rescale=lambda A, B, d: (A * d, B / d))
    keep("swap", lambda: ns["find_swap"](B.copy(), 0))
    ns.update(own)
    return arrays


def check_cosine(got, A, B, d, S):
    return np.allclose(got["cosine"], cosine(B), rtol=0, atol=1e-10)


def check_nearest(got, A, B, d, S):
    return np.array_equal(got["nearest"], [nearest(S, item) for item in range(9)])


def check_product(got, A, B, d, S):
    A_new, B_new = got["rescaled"]
    return np.allclose(A_new @ B_new.T, A @ B.T)


def check_columns(got, A, B, d, S):
    return np.allclose(got["rescaled"][0], A * d)


def check_swap(got, A, B, d, S):
    swap = got["swap"]
    positive = swap.shape == (4,) and np.isfinite(swap).all() and swap.min() > 0
    return positive and nearest(cosine(B / swap), 0) != nearest(cosine(B), 0)


CHECKS = {
    "cosine": (check_cosine, "the cosines of fresh embeddings are wrong"),
    "nearest": (check_nearest, "the nearest neighbours of fresh similarities are wrong"),
    "rescale-product": (check_product, "rescaling changes the product A B^T"),
    "rescale-d": (check_columns, "rescaling does not multiply the columns of A by d"),
    "swap": (check_swap, "the d for fresh embeddings does not change the nearest neighbour"),
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
