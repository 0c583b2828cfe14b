"""Assignment 7, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

BAD = 4  # rows


def inputs(rng):
    P, old = rng.normal(size=(20, 4)), rng.normal(size=(50, 4)) * 10 ** rng.uniform(-3, 0, (50, 1))
    stretch = rng.uniform(0.5, 4, 4)
    M = np.linalg.qr(rng.normal(size=(4, 4)))[0] * stretch @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    bad = np.sort(rng.permutation(50)[:BAD])
    old[bad[[0, 2]]] *= 1e-3
    factor = np.ones((50, 1))
    factor[bad] = [[-1], [-1], [1.02], [1.02]]
    noise = rng.normal(size=(50, 4))
    return P, old, M, stretch, bad, factor, noise


def damaged(old, bad):
    table = old.copy()
    fine = np.setdiff1d(np.arange(50), bad)
    table[fine[0]] *= 1e-9
    table[fine[1], 0] = table[bad[:2]] = 0
    table[bad[2], 1], table[bad[3], 2] = np.nan, np.inf
    return table


def calls(P, old, M, stretch, bad, factor, noise):
    new, other = old @ M, P @ np.linalg.inv(M).T
    return {
        "unusable": Call("unusable", (damaged(old, bad),), (BAD,)),
        "same": Call("prediction_change", (P, old, other, new), ()),
        "changed": Call("prediction_change", (P, old, other, new * factor), ()),
        "changed the other way": Call("prediction_change", (-P, old, -other, new * factor), ()),
        "map": Call("find_map", (old, new + noise), (4, 4), part=0),
        "kappa": Call("find_map", (old, new), (), part=1),
        "off": Call("off_the_map", (old, new * factor), (BAD,)),
        "kept": Call("neighbours_kept", (old, new, 5), ()),
        "kept by a rotation": Call("neighbours_kept", (old, old @ np.linalg.qr(M)[0], 5), ()),
    }


def check_unusable(got, P, old, M, stretch, bad, factor, noise):
    return np.array_equal(got["unusable"], bad)


def check_predictions(got, P, old, M, stretch, bad, factor, noise):
    Y = P @ old.T
    change = np.abs(Y * (factor.T - 1)).max() / np.abs(Y).max()
    both = [got["changed"], got["changed the other way"]]
    return np.isclose(got["same"], 0, rtol=0, atol=1e-4) and np.allclose(both, change, rtol=1e-3)


def check_map(got, P, old, M, stretch, bad, factor, noise):
    return np.allclose(old.T @ (old @ got["map"] - old @ M - noise), 0, rtol=0, atol=1e-3)


def check_kappa(got, P, old, M, stretch, *_):
    return np.isclose(got["kappa"], stretch.max() / stretch.min(), rtol=1e-3)


def check_off(got, P, old, M, stretch, bad, *_):
    return np.array_equal(got["off"], bad)


def nearest(table, n):
    E = table / np.linalg.norm(table, axis=1)[:, None]
    return [set(np.argsort(-np.delete(E @ row, i))[:n] + (np.argsort(-np.delete(E @ row, i))[:n] >= i)) for i, row in enumerate(E)]


def check_kept(got, P, old, M, *_):
    share = np.mean([len(one & other) / 5 for one, other in zip(nearest(old, 5), nearest(old @ M, 5))])
    return np.isclose(got["kept"], share, rtol=1e-4) and np.isclose(got["kept by a rotation"], 1, rtol=1e-4)


QUESTIONS = {
    "unusable": Question(check_unusable, "the rows that cannot be used are others in a fresh table"),
    "predictions": Question(check_predictions, "the change of predictions is wrong for fresh tables"),
    "map": Question(check_map, "the matrix does not lead from one fresh table to the other"),
    "map-kappa": Question(check_kappa, "the condition number is wrong for fresh tables"),
    "off-map": Question(check_off, "the rows off the map are others in fresh tables"),
    "kept": Question(check_kept, "the share of neighbours kept is wrong for fresh tables"),
}
