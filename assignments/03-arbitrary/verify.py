"""Assignment 3, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

LAM = 3.0


def inputs(rng):
    X = rng.normal(size=(200, 6)) * rng.uniform(0.5, 2, 6)
    A, B = rng.normal(size=(2, 6, 3))
    B *= rng.uniform(0.8, 1.25, (6, 1)) / np.linalg.norm(B, axis=1)[:, None]
    return X, A, B


def calls(X, A, B):
    sigma, Vt = np.linalg.svd(X)[1:]
    return {
        "case 1": Call("case_1", (Vt.T, sigma, LAM), (2, 6, 6)),
        "case 2": Call("case_2", (Vt.T, sigma, LAM), (2, 6, 6)),
        "order": Call("same_order", (X, A, B), ()),
    }


def cosine(E):
    E = E / np.linalg.norm(E, axis=1)[:, None]
    return E @ E.T


def is_model(factors, X):
    """V with its columns rescaled, and the product that solves objective 1."""
    gram, V = X.T @ X, np.linalg.svd(X)[2].T
    columns = [V.T @ factor for factor in factors]
    diagonal = all(np.allclose(M, np.diag(np.diag(M)), rtol=1e-4, atol=1e-4) for M in columns)
    return diagonal and np.allclose((gram + LAM * np.eye(6)) @ factors[0] @ factors[1].T, gram, rtol=1e-4, atol=1e-4)


def check_order(got, X, A, B):
    dot = X @ A @ B.T
    same = np.argsort(dot) == np.argsort(dot / np.linalg.norm(B, axis=1))
    return np.isclose(got["order"], same.all(axis=1).mean(), rtol=1e-4, atol=1e-4)


QUESTIONS = {
    "case-1-model": Question(lambda got, X, A, B: is_model(got["case 1"], X), "case 1 is not the model on fresh data"),
    "case-1-identity": Question(lambda got, X, A, B: np.allclose(cosine(got["case 1"][1]), np.eye(6), rtol=1e-4, atol=1e-4),
                                "case 1 does not give the identity on fresh data"),
    "case-2-model": Question(lambda got, X, A, B: is_model(got["case 2"], X), "case 2 is not the model on fresh data"),
    "case-2-users": Question(lambda got, X, A, B: np.allclose(cosine(X @ got["case 2"][0]), cosine(X), rtol=1e-4, atol=1e-4),
                             "case 2 does not give the users' raw cosines on fresh data"),
    "order": Question(check_order, "the share of users is wrong on fresh data"),
}
