"""Assignment 6, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

KAPPA = 1.1  # so many times the price


def inputs(rng):
    products = rng.uniform(0.5, 2, (2, 6)) * [1, 1, -0.3, 1, -0.3, 1]
    first = rng.uniform(0.5, 2, (2, 6)) * rng.choice([-1, 1], (2, 6))
    second = products / first * [[1], [-1]]  # one cosine of each sign
    gamma, kappa = rng.uniform(-0.8, 0.8), rng.uniform(1.3, 4)
    return first, second, gamma, kappa


def price(b, c):
    products = b * c
    sums = products[products > 0].sum(), -products[products < 0].sum()
    return np.sqrt(max(sums) / min(sums))


def calls(first, second, gamma, kappa):
    pairs = list(zip(first, second))
    return {
        **{f"price {i}": Call("price", pair, ()) for i, pair in enumerate(pairs)},
        "safe": Call("price", (first[0], np.abs(second[0]) * np.sign(first[0])), ()),
        "safe, negative": Call("price", (first[1], -np.abs(second[1]) * np.sign(first[1])), ()),
        **{f"turn {i}": Call("turn", (*pair, KAPPA * price(*pair)), (6,)) for i, pair in enumerate(pairs)},
        "bound": Call("bound", (gamma, kappa), (2,)),
        **{f"push {i}": Call("push", (*pair, kappa), (6, 6)) for i, pair in enumerate(pairs)},
    }


def odds(cosine):
    return (1 + cosine) / (1 - cosine)


def cosine(b, c):
    return b @ c / np.sqrt((b @ b) * (c @ c))


def check_price(got, first, second, *_):
    return all(np.isclose(got[f"price {i}"], price(*pair), rtol=1e-4) for i, pair in enumerate(zip(first, second)))


def check_safe(got, *_):
    return got["safe"] == got["safe, negative"] == np.inf


def check_turn(got, first, second, *_):
    def turns(d, b, c):
        most = KAPPA * price(b, c) * (1 + 1e-4)
        return np.isfinite(d).all() and d.min() > 0 and d.max() <= most * d.min() and (b / d) @ (c / d) * (b @ c) < 0

    return all(turns(got[f"turn {i}"], *pair) for i, pair in enumerate(zip(first, second)))


def check_bound(got, first, second, gamma, kappa):
    low, high = got["bound"]
    return np.allclose([odds(low), odds(high)], odds(gamma) * kappa ** np.array([-2.0, 2.0]), rtol=1e-4)


def check_push(got, first, second, gamma, kappa):
    def reaches(M, b, c):
        best = kappa**2 * odds(cosine(b, c))
        fits = np.isfinite(M).all() and np.linalg.cond(M) <= kappa * (1 + 1e-4)
        return fits and np.isclose(cosine(M @ b, M @ c), (best - 1) / (best + 1), rtol=1e-3, atol=1e-4)

    return all(reaches(got[f"push {i}"], *pair) for i, pair in enumerate(zip(first, second)))


QUESTIONS = {
    "price": Question(check_price, "the price of a sign is wrong for fresh pairs"),
    "price-safe": Question(check_safe, "the price is not infinite where all products have one sign"),
    "turn": Question(check_turn, "the d for fresh pairs is too uneven, or does not turn the sign"),
    "bound": Question(check_bound, "the ends are wrong for a fresh cosine"),
    "push": Question(check_push, "the matrix for fresh pairs exceeds kappa, or does not reach the bound"),
}
