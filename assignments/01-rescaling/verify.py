"""Assignment 1, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

MIRROR = [1, 0, 2, 3]  # dimensions exchanged: a d that was only written down does not suit both

def inputs(rng):
    A, B = rng.normal(size=(2, 9, 4))
    B[0] = rng.choice([-1, 1], 4) * rng.uniform(1, 2, 4)
    B[1], B[2] = B[0] * [0.3, 1, 1, 1], B[0] * [1, 0.2, 1, 1]
    B[3:, :2] = -np.sign(B[0, :2]) * np.abs(B[3:, :2])  # so that one stretch is always enough
    d = rng.uniform(0.2, 5, 4)
    S = rng.uniform(-0.9, -0.1, (9, 9))
    S = np.maximum(S, S.T)
    np.fill_diagonal(S, 1)
    return A, B, d, S


def calls(A, B, d, S):
    return {
        "cosine": Call("cosine", (B,), (9, 9)),
        **{f"nearest {item}": Call("nearest", (S, item), ()) for item in range(9)},
        "rescaled": Call("rescale", (A, B, d), (2, 9, 4)),
        "swap": Call("find_swap", (B, 0), (4,)),
        "swap in the mirror": Call("find_swap", (B[:, MIRROR], 0), (4,)),
    }


def cosine(B):
    E = B / np.linalg.norm(B, axis=1)[:, None]
    return E @ E.T


def nearest(S, item):
    return int(np.argmax(np.where(np.arange(len(S)) == item, -np.inf, S[item])))


def rescale(A, B, d):
    return A * d, B / d


def check_cosine(got, A, B, d, S):
    return np.allclose(got["cosine"], cosine(B), rtol=0, atol=1e-5)


def check_nearest(got, A, B, d, S):
    return all(got[f"nearest {item}"] == nearest(S, item) for item in range(9))


def check_product(got, A, B, d, S):
    A_new, B_new = got["rescaled"]
    return np.allclose(A_new @ B_new.T, A @ B.T, rtol=1e-4, atol=1e-4)


def check_columns(got, A, B, d, S):
    return np.allclose(got["rescaled"][0], A * d, rtol=1e-4, atol=1e-4)


def check_swap(got, A, B, d, S):
    def swaps(B, d):
        return np.isfinite(d).all() and d.min() > 0 and nearest(cosine(B / d), 0) != nearest(cosine(B), 0)

    return swaps(B, got["swap"]) and swaps(B[:, MIRROR], got["swap in the mirror"])


TOOLS = {"cosine": cosine, "nearest": nearest, "rescale-product": rescale, "rescale-d": rescale}
QUESTIONS = {
    "cosine": Question(check_cosine, "the cosines of fresh embeddings are wrong"),
    "nearest": Question(check_nearest, "the nearest neighbours of fresh similarities are wrong"),
    "rescale-product": Question(check_product, "rescaling changes the product A B^T"),
    "rescale-d": Question(check_columns, "rescaling does not multiply the columns of A by d"),
    "swap": Question(check_swap, "the d for fresh embeddings does not change the nearest neighbour", TOOLS),
}
