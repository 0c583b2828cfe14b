"""What is measured in one task of the study of two-tower networks: one world, one draw, a list of rows.

A tower is two layers, tanh between them, and the score of a user and an item is the dot product of what the two
towers give. Gradients are autograd's. Every training of a draw sees the same data; a seed sets the initial weights,
the order of the batches and the dropout masks, and nothing else.
"""

from typing import NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad
from scipy import stats

import cosim

CLICKS = dict(n=10_000, p=60, n_clusters=5, max_items=30)
PARTS = [0.5, 0.3, 0.2]  # of the clicks: what a user enters as, what is to be predicted, what is kept to measure on
TEACHER = dict(n=60, p=40, inputs=3, hidden=8, k=5, noise=0.1)
HIDDEN, K = 16, 5
STEPS = {"teacher": 500, "clicks": 300}
BATCH = {"clicks": 64, "teacher": 60}  # users; of the teacher's world all of them
RATE = 0.02  # falls to 0 along half a cosine
NEIGHBOURS = 5
SPREAD = 9.0  # condition number of the maps that leave the predictions alone
# What is changed in a condition, and nothing else; "plain" is no change at all. `l2` is in units of the world's loss.
CONDITIONS = {
    "plain": {}, "start rescaled": dict(spread=SPREAD), "dropout": dict(dropout=0.1), "L2": dict(l2=1.0),
    "AdamW": dict(decay=0.3), "layer norm": dict(norm="hidden"), "normalized": dict(norm="unit"),
}
L2 = {"clicks": 1e-3, "teacher": 1e-4}  # the scale of `l2`

# ---- for run.py ---------------------------------------------------------------------------------------

COLUMNS = ["study", "setting", "seed", "method", "cosine", "cosine_sq", "correlation", "neighbours", "score", "top",
           "unexplained", "mapped", "back", "error", "truth", "imbalance"]
SMALL = ["cosine_sq", "score", "imbalance"]
SEEDS = range(10)
SETTINGS = dict(seeds=list(SEEDS), clicks=CLICKS, parts=PARTS, teacher=TEACHER, hidden=HIDDEN, k=K, steps=STEPS,
                batch=BATCH, rate=RATE, neighbours=NEIGHBOURS, spread=SPREAD, conditions=CONDITIONS, l2=L2)
LIBRARIES = ["numpy", "scipy", "autograd"]
NUMERICS = ["_checks", "similarity", "simulate"]


def tasks():
    """Every (function, setting, seed) of the run."""
    return [("towers", world, seed) for world in WORLDS for seed in SEEDS]


class Model(NamedTuple):
    """User embeddings (n, k), item embeddings (p, k), and the last layers (hidden, k) that made them."""

    P: np.ndarray
    Q: np.ndarray
    last: tuple


# ---- the worlds ---------------------------------------------------------------------------------------


def clicks_world(rng):
    """Section 4's clicks, small: from part of a user's clicks predict others; the loss is a softmax over all items."""
    drawn = cosim.simulate_clicks(rng=rng, **CLICKS)
    X, cluster = drawn.X.toarray(), drawn.cluster
    part = rng.choice(3, p=PARTS, size=X.shape)
    history, target, hidden = (X * (part == i) for i in range(3))
    return dict(name="clicks", users=history, items=np.eye(X.shape[1]), target=target, hidden=hidden,
                truth=upper(cluster[:, None] == cluster))


def teacher_world(rng):
    """Users and items are points in R^3; the target is the score of two random towers of them, plus noise."""
    n, p, inputs = TEACHER["n"], TEACHER["p"], TEACHER["inputs"]
    users, items = rng.normal(size=(n, inputs)), rng.normal(size=(p, inputs))
    first, last = (inputs, TEACHER["hidden"]), (TEACHER["hidden"], TEACHER["k"])
    sides = [np.tanh(x @ rng.normal(size=first)) @ rng.normal(size=last) for x in (users, items)]
    score = sides[0] @ sides[1].T
    score /= score.std()
    return dict(name="teacher", users=users, items=items, target=score + TEACHER["noise"] * rng.normal(size=(n, p)),
                hidden=score, truth=upper(cosim.cosine_similarity(items)))


WORLDS = {"teacher": teacher_world, "clicks": clicks_world}


# ---- the towers ---------------------------------------------------------------------------------------
# Models of one design are trained side by side: the first axis of every array is the model.


def start(world, seed, spread=1.0):
    """Initial weights; `spread` > 1 rescales the dimensions of the two last layers, and no score changes."""
    rng, weights = np.random.default_rng(seed), []
    for x in (world["users"], world["items"]):
        size = x.shape[1] if world["name"] == "teacher" else 1 + x.sum(axis=1).mean()
        weights += [rng.normal(size=(x.shape[1], HIDDEN)) / np.sqrt(size), np.zeros((1, HIDDEN)),
                    rng.normal(size=(HIDDEN, K)) / np.sqrt(HIDDEN)]
    d = np.geomspace(spread**-0.5, spread**0.5, K)
    weights[2], weights[5] = weights[2] * d, weights[5] / d
    return [*weights, np.zeros((1, 1))]


def centred(x):
    """Vectors with mean 0 and variance 1: layer normalization without its gain."""
    x = x - anp.mean(x, axis=-1, keepdims=True)
    return x / anp.sqrt(anp.mean(x**2, axis=-1, keepdims=True) + 1e-6)


def tower(x, W1, b1, W2, norm=None, keep=1.0):
    """One side: a hidden layer, tanh, a linear layer to the embedding; x None: one-hot. `keep`: dropout's mask."""
    h = (W1 if x is None else anp.matmul(x, W1)) + b1
    h = anp.tanh(centred(h) if norm == "hidden" else h)
    e = anp.matmul(h * keep, W2)
    return e / anp.sqrt(anp.sum(e**2, axis=-1, keepdims=True) + 1e-12) if norm == "unit" else e


def embed(world, weights, norm=None, users=slice(None), keep=(1.0, 1.0)):
    """User and item embeddings; where they have a fixed length, the score has a learned gain."""
    P = tower(world["users"][users], *weights[:3], norm, keep[0])
    Q = tower(None if world["name"] == "clicks" else world["items"], *weights[3:6], norm, keep[1])
    return (P if norm in (None, "hidden") else P * 4 * anp.exp(weights[6])), Q


def loss(weights, world, users, norm, l2, keep):
    """Mean loss per click (softmax over all items) or entry (squared) plus coupled weight decay, summed over models."""
    P, Q = embed(world, weights, norm, users, keep)
    score, target = anp.matmul(P, anp.swapaxes(Q, -1, -2)), world["target"][users]
    if world["name"] == "teacher":
        data = anp.sum((score - target)**2) / target[0].size
    else:
        data = -anp.sum(target * log_softmax(score) / target.sum(axis=(1, 2), keepdims=True))
    return data + sum(anp.sum(l2 * w**2) for w in weights[:6])


def log_softmax(score):
    """Row by row, without overflow."""
    score = score - anp.max(score, axis=-1, keepdims=True)
    return score - anp.log(anp.sum(anp.exp(score), axis=-1, keepdims=True))


def train(world, seeds, changes, norm=None):
    """Adam, one model for each seed and change (spread, dropout, l2, decay); evaluated without dropout."""
    spread, dropout, l2, decay = (np.array([change.get(name, default) for change in changes])[:, None, None]
                                  for name, default in dict(spread=1.0, dropout=0.0, l2=0.0, decay=0.0).items())
    starts = [start(world, seed, s) for seed, s in zip(seeds, spread.ravel(), strict=True)]
    weights = [np.array(layer) for layer in zip(*starts, strict=True)]
    rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
    n, p, batch, steps = len(world["users"]), len(world["items"]), BATCH[world["name"]], STEPS[world["name"]]
    gradient, l2 = grad(loss), l2 * L2[world["name"]]
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(1, steps + 1):
        users = np.array([rng.integers(n, size=batch) if batch < n else np.arange(n) for rng in rngs])
        keep = [(np.array([rng.random((size, HIDDEN)) for rng in rngs]) >= dropout) / (1 - dropout)
                for size in (batch, p)] if dropout.any() else (1.0, 1.0)
        rate = RATE * (1 + np.cos(np.pi * step / steps)) / 2
        for i, g in enumerate(gradient(weights, world, users, norm, l2, keep)):
            m[i] += 0.1 * (g - m[i])
            v[i] += 0.001 * (g**2 - v[i])
            move = m[i] / (1 - 0.9**step) / (np.sqrt(v[i] / (1 - 0.999**step)) + 1e-8)
            weights[i] = weights[i] - rate * (move + decay * weights[i])
    P, Q = embed(world, weights, norm)
    return [Model(*parts) for parts in zip(P, Q, zip(weights[2], weights[5], strict=True), strict=True)]


def train_all(world, seeds):
    """condition -> a model for each seed."""
    models = {}
    for norm in dict.fromkeys(change.get("norm") for change in CONDITIONS.values()):
        names = [name for name, change in CONDITIONS.items() if change.get("norm") == norm]
        trained = iter(train(world, [seed for _ in names for seed in seeds],
                             [CONDITIONS[name] for name in names for _ in seeds], norm))
        models |= {name: [next(trained) for _ in seeds] for name in names}
    return models


# ---- what is compared ---------------------------------------------------------------------------------


def upper(S):
    """The entries above the diagonal."""
    return S[np.triu_indices(len(S), 1)]


def neighbours(S, m=NEIGHBOURS):
    """The m most similar other items of each."""
    return np.argsort(-(S - 9 * np.eye(len(S))), axis=1)[:, :m]


def shared(first, second):
    """Mean share of common entries in two lists per row."""
    return np.mean((first[:, :, None] == second[:, None, :]).any(axis=2))


def projected_back(P, Q, shift):
    """Cosines that the predictions determine: items centred if a softmax lets them shift, in the metric of P."""
    Q = Q - Q.mean(axis=0) if shift else Q
    return upper(cosim.cosine_similarity(Q @ np.linalg.qr(P, mode="r").T))


def compare(world, one, other):
    """How far two trained models are from each other."""
    shift = world["name"] == "clicks"
    (P, Q, _), (P2, Q2, _) = one, other
    S, S2 = cosim.cosine_similarity(Q), cosim.cosine_similarity(Q2)
    scores = [(p @ q.T) - (p @ q.T).mean(axis=1, keepdims=True) for p, q, _ in (one, other)]
    top = [np.argsort(-s, axis=1)[:, :NEIGHBOURS] for s in scores]
    fit, test = np.arange(len(Q))[::2], np.arange(len(Q))[1::2]
    design = np.column_stack([Q, np.ones(len(Q))]) if shift else Q
    mapped = design @ np.linalg.lstsq(design[fit], Q2[fit])[0]
    pairs = np.ix_(test, test)
    rest = np.sum((mapped - Q2)[test]**2) / np.sum((Q2[test] - Q2[test].mean(axis=0))**2)
    return dict(
        cosine=np.mean(np.abs(upper(S) - upper(S2))), cosine_sq=np.mean((upper(S) - upper(S2))**2),
        correlation=np.corrcoef(upper(S), upper(S2))[0, 1], neighbours=shared(neighbours(S), neighbours(S2)),
        score=np.sqrt(np.mean((scores[0] - scores[1])**2) / scores[0].var()), top=shared(*top),
        unexplained=rest, mapped=np.mean(np.abs(upper(cosim.cosine_similarity(mapped[test]) - S2[pairs]))),
        back=np.mean(np.abs(projected_back(P, Q, shift) - projected_back(P2, Q2, shift))))


def quality(world, model):
    """Error on what was not trained on, agreement of the cosines with the truth, A^T A - B^T B of the last layers."""
    score, cosines = model.P @ model.Q.T, upper(cosim.cosine_similarity(model.Q))
    A, B = (W.T @ W for W in model.last)
    row = dict(imbalance=np.linalg.norm(A - B) / np.linalg.norm(A + B))
    if world["name"] == "teacher":
        error, truth = np.mean((score - world["hidden"])**2), stats.spearmanr(cosines, world["truth"])[0]
    else:
        error = -np.sum(world["hidden"] * log_softmax(score)) / world["hidden"].sum()
        same, other = cosines[world["truth"]], cosines[~world["truth"]]
        truth = stats.mannwhitneyu(same, other)[0] / same.size / other.size
    return dict(error=error, truth=truth, **row)


def turned(model, rng, spread=SPREAD):
    """An invertible layer before the dot product, undone on the other side: the same scores."""
    U, V = (np.linalg.qr(rng.normal(size=(K, K)))[0] for _ in range(2))
    d = np.geomspace(spread**-0.5, spread**0.5, K)
    M, inverse_t = U * d @ V.T, U / d @ V.T
    return Model(model.P @ M, model.Q @ inverse_t, (model.last[0] @ M, model.last[1] @ inverse_t))


def towers(setting, seed):
    """Every condition on one draw of the world, trained twice; a row compares two models.

    Its study says what differs between the two: the seed alone, the condition alone, or both.
    """
    world = WORLDS[setting](np.random.default_rng([seed, 7]))
    trained = train_all(world, (2 * seed, 2 * seed + 1))
    plain = trained["plain"]
    trained["invertible layer"] = [turned(model, np.random.default_rng([seed, 8, i])) for i, model in enumerate(plain)]
    for name, models in trained.items():
        row = dict(setting=setting, seed=seed, method=name)
        yield dict(study="seed", **row, **mean_of(quality(world, model) for model in models), **compare(world, *models))
        if name != "plain":
            yield dict(study="condition", **row, **mean_of(compare(world, plain[i], models[i]) for i in (0, 1)))
            yield dict(study="both", **row, **mean_of(compare(world, plain[i], models[1 - i]) for i in (0, 1)))


def mean_of(rows):
    """Entry by entry."""
    rows = list(rows)
    return {key: np.mean([row[key] for row in rows]) for key in rows[0]}
