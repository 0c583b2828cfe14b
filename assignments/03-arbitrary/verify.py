"""Assignment 3 checked outside the student's process: `probe` runs next to the student's functions and only
collects numbers; `verify` judges them where the student's code has never been. Needs numpy only.
"""

import numpy as np

LAM = 3.0


def inputs(seed):
    """Fresh data, the same on both sides."""
    rng = np.random.default_rng([seed, 3])
    X = rng.normal(size=(30, 6)) * rng.uniform(0.5, 2, 6)
    A, B = rng.normal(size=(2, 6, 3))
    B *= rng.uniform(0.8, 1.25, (6, 1)) / np.linalg.norm(B, axis=1)[:, None]
    return X, A, B


def probe(ns, seed):
    X, A, B = inputs(seed)
    sigma, Vt = np.linalg.svd(X)[1:]
    arrays = {}

    def keep(name, call):
        try:
            arrays[name] = np.array(call(), dtype=float)
        except Exception:
            pass  # what is missing is judged by `verify`

    keep("case 1", lambda: np.stack(ns["case_1"](Vt.T.copy(), sigma.copy(), LAM)))
    keep("case 2", lambda: np.stack(ns["case_2"](Vt.T.copy(), sigma.copy(), LAM)))
    keep("order", lambda: ns["same_order"](X.copy(), A.copy(), B.copy()))
    return arrays


def cosine(E):
    E = E / np.linalg.norm(E, axis=1)[:, None]
    return E @ E.T


def is_model(factors, X):
    gram = X.T @ X
    return np.allclose((gram + LAM * np.eye(6)) @ factors[0] @ factors[1].T, gram)


def check_order(got, X, A, B):
    dot = X @ A @ B.T
    same = np.argsort(dot) == np.argsort(dot / np.linalg.norm(B, axis=1))
    return got["order"].shape == () and np.isclose(got["order"], same.all(axis=1).mean())


CHECKS = {
    "case-1-model": (lambda got, X, A, B: is_model(got["case 1"], X), "case 1 is not the model on fresh data"),
    "case-1-identity": (lambda got, X, A, B: np.allclose(cosine(got["case 1"][1]), np.eye(6)),
                        "case 1 does not give the identity on fresh data"),
    "case-2-model": (lambda got, X, A, B: is_model(got["case 2"], X), "case 2 is not the model on fresh data"),
    "case-2-users": (lambda got, X, A, B: np.allclose(cosine(X @ got["case 2"][0]), cosine(X)),
                     "case 2 does not give the users' raw cosines on fresh data"),
    "order": (check_order, "the share of users is wrong on fresh data"),
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
