"""Which losses fix the cosines: many starts of one loss on one draw of data, and what differs between the ends.

A loss is a function of the scores W; it returns its value and its gradient G in W. The rest is the chain
rule: W = P Q^T gives G Q for P and G^T P for Q. All runs are by L-BFGS, down to the gradient in the table.
"""

import numpy as np
from scipy import optimize

USERS, ITEMS, CLUSTERS = 60, 20, 6
WIDTHS = (3, 20)  # narrower than the data, and with dimensions to spare
STARTS = 10
GRADIENT = {3: 1e-8, 20: 1e-5}  # where L-BFGS stops, by width: 1,600 numbers take their time
SEEDS = range(10)
SAME = 1e-6  # losses closer than this, relatively, are one minimum
LOG_SCALE = (0, np.log(20))  # bounds of a learned 1 / temperature, on the log scale: temperatures from 1 to .05
STEPS, RATE, WEIGHT = 20_000, 0.01, 0.1  # of the comparison of Adam and AdamW
BATCH = 10

COLUMNS = ["study", "setting", "seed", "method", "gradient", "minima", "lowest", "loss_spread", "cos_all", "cos_lowest",
           "score_lowest", "cos_given", "imbalance", "item_mean", "certificate", "temperature",
           "curvature"]
SMALL = ("gradient", "loss_spread", "cos_all", "cos_lowest", "score_lowest", "cos_given", "imbalance", "item_mean",
         "curvature")
LIBRARIES = ["numpy", "scipy"]
NUMERICS = []


# ---- data ------------------------------------------------------------------------------------------------


def draw(seed):
    """Counts of a clustered catalogue, ratings of low rank with noise, and which of them are observed."""
    rng = np.random.default_rng(seed)
    taste = rng.dirichlet(np.full(CLUSTERS, 0.5), size=USERS)
    popularity = rng.uniform(0.3, 3, size=ITEMS)
    counts = rng.poisson(3 * taste[:, rng.integers(CLUSTERS, size=ITEMS)] * popularity) + (rng.random((USERS, ITEMS)) < 0.02)
    counts[np.arange(USERS), rng.integers(ITEMS, size=USERS)] += 1  # nobody without a click
    ratings = rng.normal(size=(USERS, 5)) @ rng.normal(size=(5, ITEMS)) + rng.normal(size=(USERS, ITEMS))
    observed = rng.random((USERS, ITEMS)) < 0.4
    return dict(counts=counts.astype(float), clicks=(counts > 0).astype(float), ratings=ratings, observed=observed)


# ---- losses: scores -> value, gradient -------------------------------------------------------------------


def squared(W, data):
    R = W - data["ratings"]
    return np.sum(R**2), 2 * R


def observed(W, data):
    R = (W - data["ratings"]) * data["observed"]
    return np.sum(R**2), 2 * R


def weighted(W, data):
    """The weighted squares of Hu, Koren and Volinsky: confidence 1 + 10 counts."""
    C, R = 1 + 10 * data["counts"], W - data["clicks"]
    return np.sum(C * R**2), 2 * C * R


def softmax(W, data):
    C = data["counts"]
    lift = W - W.max(axis=1, keepdims=True)
    log_prob = lift - np.log(np.exp(lift).sum(axis=1, keepdims=True))
    return -np.sum(C * log_prob), C.sum(axis=1, keepdims=True) * np.exp(log_prob) - C


def logistic(W, data):
    """Clicks against all others, each score for itself: sampled negatives in expectation."""
    X = data["clicks"]
    return np.sum(np.logaddexp(0, W) - X * W), 1 / (1 + np.exp(-W)) - X


def bpr(W, data):
    """Every click of a user against every item without one."""
    X = data["clicks"]
    pair = X[:, :, None] * (1 - X[:, None, :])
    D = W[:, :, None] - W[:, None, :]
    slope = -pair / (1 + np.exp(D))
    return np.sum(pair * np.logaddexp(0, -D)), slope.sum(axis=2) - slope.sum(axis=1)


def symmetric(W, data):
    """One encoder, squares: an item-item matrix of cosines as target."""
    C = data["counts"]
    R = W - C.T @ C / USERS
    return np.sum(R**2), 2 * R


def between_items(W, data):
    """One encoder, softmax: which item was consumed together with which."""
    X = data["counts"]
    return softmax(W, {"counts": X.T @ X / USERS})


UP_TO_ROWS = (softmax, bpr, between_items)  # losses that a constant added to a row of W leaves alone


# ---- models: parameters -> scores, and the chain rule ------------------------------------------------------


def unit(E):
    return E / np.linalg.norm(E, axis=1, keepdims=True)


def tangent(G, E):
    """Gradient through e -> e / |e|."""
    length = np.linalg.norm(E, axis=1, keepdims=True)
    U = E / length
    return (G - np.sum(G * U, axis=1, keepdims=True) * U) / length


class Model:
    """One way from tables to scores; `parts` are the shapes of its parameters."""

    def __init__(self, loss, lam, k, *, shared=False, cosine=None, biases=()):
        self.loss, self.lam, self.k = loss, lam, k
        self.shared, self.cosine, self.biases = shared, cosine, biases
        self.parts = [(ITEMS, k)] if shared else [(USERS, k), (ITEMS, k)]
        self.parts += [(dict(user=USERS, item=ITEMS)[side],) for side in biases] + [(1,)] * (cosine == "learned")
        self.size = sum(int(np.prod(shape)) for shape in self.parts)

    def split(self, theta):
        ends = np.cumsum([int(np.prod(shape)) for shape in self.parts])
        return [part.reshape(shape) for part, shape in zip(np.split(theta, ends[:-1]), self.parts)]

    def normal(self, theta):
        """The same model with unit rows, if it scores by cosines: the loss does not see lengths, but the steps do."""
        if self.cosine is None:
            return theta
        theta, size = theta.copy(), (ITEMS if self.shared else USERS + ITEMS) * self.k
        theta[:size] = unit(theta[:size].reshape(-1, self.k)).ravel()
        return theta

    def tables(self, theta):
        """P, Q, what is left, and the scores."""
        first, *rest = self.split(theta)
        P, Q = (first, first) if self.shared else (first, rest.pop(0))
        scale = 1.0 if self.cosine is None else np.exp(rest[-1][0]) if self.cosine == "learned" else 1 / self.cosine
        W = scale * (unit(P) @ unit(Q).T if self.cosine else P @ Q.T)
        for side, bias in zip(self.biases, rest):
            W = W + (bias[:, None] if side == "user" else bias)
        return P, Q, scale, W

    def __call__(self, theta, data):
        P, Q, scale, W = self.tables(theta)
        value, G = self.loss(W, data)
        if self.cosine:
            gradients = [tangent(scale * G @ unit(Q), P), tangent(scale * G.T @ unit(P), Q)]
        else:
            gradients = [G @ Q + 2 * self.lam * P, G.T @ P + 2 * self.lam * Q]
            value += self.lam * (np.sum(P**2) + np.sum(Q**2))
        if self.shared:  # E is counted in both places, and so is its penalty
            gradients = [gradients[0] + gradients[1]]
        gradients += [G.sum(axis=1 if side == "user" else 0) for side in self.biases]
        if self.cosine == "learned":
            gradients.append(np.array([np.sum(G * W)]))
        return value, np.concatenate([g.ravel() for g in gradients])


def models(k):
    """Name -> model, for one width."""
    plain = {
        "squared": (squared, 5.0), "observed": (observed, 2.0), "weighted": (weighted, 5.0),
        "softmax": (softmax, 1.0), "logistic": (logistic, 0.5), "BPR": (bpr, 2.0)}
    yield from ((name, Model(loss, lam, k)) for name, (loss, lam) in plain.items())
    yield "observed, biases", Model(observed, 2.0, k, biases=("user", "item"))
    yield "softmax, item bias", Model(softmax, 1.0, k, biases=("item",))
    yield "one encoder, squared", Model(symmetric, 0.0, k, shared=True)
    yield "one encoder, squared, decay", Model(symmetric, 0.5, k, shared=True)
    yield "one encoder, softmax, decay", Model(between_items, 0.5, k, shared=True)
    if k == min(WIDTHS):  # with dimensions to spare, unit vectors fit the data without a minimum to speak of
        yield "cosine", Model(softmax, 0.0, k, cosine=0.2)
        yield "cosine, learned temperature", Model(softmax, 0.0, k, cosine="learned")
        yield "one encoder, cosine", Model(between_items, 0.0, k, shared=True, cosine=0.2)


# ---- many starts -------------------------------------------------------------------------------------------


def train(model, data, rng):
    """From one random start to a point without gradient: value, parameters, largest entry of the gradient."""
    theta = np.exp(rng.uniform(np.log(0.1), np.log(2))) * rng.normal(size=model.size)
    bounds = np.full((2, model.size), [[-np.inf], [np.inf]])
    if model.cosine == "learned":
        theta[-1], bounds[:, -1] = np.log(5), LOG_SCALE
    for attempt in range(6):  # a restart forgets a spoilt approximation of the curvature
        found = optimize.minimize(model, model.normal(theta), (data,), jac=True, method="L-BFGS-B", bounds=bounds.T,
                                  options=dict(maxiter=3_000, maxfun=4_000, ftol=0, gtol=GRADIENT[model.k], maxcor=50))
        theta = model.normal(found.x)
        value, gradient = model(theta, data)
        slope = np.abs(theta - np.clip(theta - gradient, *bounds)).max()  # at a bound only what leads inside counts
        if attempt == 0:
            theta = np.clip(theta + 1e-3 * rng.normal(size=model.size), *bounds)  # off a saddle, if it is one
        elif slope < max(1e-5, 10 * GRADIENT[model.k]):
            break
    return value, theta, slope


def curvature(model, theta, data):
    """Smallest over largest eigenvalue of the Hessian, from differences of gradients: below zero at a saddle."""
    step = 1e-5 * np.eye(model.size)
    H = np.array([model(theta + e, data)[1] - model(theta - e, data)[1] for e in step])
    values = np.linalg.eigvalsh(H + H.T)
    return values[0] / values[-1]


def apart(stack):
    """Largest difference between two of the arrays."""
    return max((np.abs(a - b).max() for i, a in enumerate(stack) for b in stack[:i]), default=0.0)


def cosines(E):
    """Cosines of the rows; rows that decay has taken to zero have none."""
    length = np.linalg.norm(E, axis=1)
    alive = length > 1e-3 * length.max()
    S = np.eye(len(E))
    S[np.ix_(alive, alive)] = unit(E[alive]) @ unit(E[alive]).T
    return S


def root(W):
    """(W^T W)^(1/2), whose rows have the inner products of (W^T W)^(1/2) times itself."""
    _, s, Vt = np.linalg.svd(W, full_matrices=False)
    return Vt.T * np.sqrt(s)


def starts(setting, seed):
    """Train one loss from many starts, and compare the ends."""
    name, k = setting.rsplit(", k = ", 1)
    model, data = dict(models(int(k)))[name], draw(seed)
    ends = [train(model, data, np.random.default_rng([seed, start])) for start in range(STARTS)]
    values = np.array([value for value, _, _ in ends])
    lowest = values <= values.min() + SAME * abs(values.min())
    tables = [model.tables(theta) for _, theta, _ in ends]
    seen = [W - W.mean(axis=1, keepdims=True) if model.loss in UP_TO_ROWS else W for _, _, _, W in tables]
    found = [cosines(Q) for _, Q, _, _ in tables]
    ordered = np.sort(values)
    row = dict(
        study="starts", setting=setting, seed=seed, method="L-BFGS", gradient=max(g for _, _, g in ends),
        minima=1 + np.sum(np.diff(ordered) > SAME * abs(values.min())), lowest=lowest.sum(),
        loss_spread=np.ptp(values) / abs(values.min()), cos_all=apart(found),
        cos_lowest=apart([S for S, low in zip(found, lowest) if low]),
        score_lowest=apart([W for W, low in zip(seen, lowest) if low]))
    if int(k) == min(WIDTHS):
        row["curvature"] = min(curvature(model, ends[end][1], data) for end in (np.argmin(values), np.argmax(values)))
    P, Q, scale, W = tables[int(np.argmin(values))]
    if model.cosine == "learned":
        row["temperature"] = 1 / scale
    if model.cosine is None and model.lam > 0:
        G = model.loss(W, data)[1]
        row["imbalance"] = max(np.abs(P.T @ P - Q.T @ Q).max() / np.abs(P.T @ P).max() for P, Q, _, _ in tables)
        row["item_mean"] = max(np.abs(Q.mean(axis=0)).max() / np.abs(Q).max() for _, Q, _, _ in tables)
        row["cos_given"] = max(apart([S, cosines(root(P @ Q.T))]) for S, (P, Q, _, _) in zip(found, tables))
        largest = -np.linalg.eigvalsh(G + G.T)[0] / 2 if model.shared else np.linalg.norm(G, 2)
        row["certificate"] = largest / (2 * model.lam)
    yield row


# ---- the two kinds of weight decay ---------------------------------------------------------------------------


def adam(model, data, rng, *, batch, decoupled):
    """Adam with the penalty in the loss, or beside it (AdamW); the step size falls to zero, the start is uneven."""
    uneven = np.array([3, 1, 1 / 3])
    theta = np.concatenate([(rng.normal(size=(USERS, 3)) * uneven).ravel(), (rng.normal(size=(ITEMS, 3)) / uneven).ravel()])
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, STEPS + 1):
        users = rng.choice(USERS, size=batch, replace=False) if batch < USERS else np.arange(USERS)
        P, Q = model.split(theta)
        G = np.zeros((USERS, ITEMS))
        G[users] = USERS / batch * model.loss(P[users] @ Q.T, {key: value[users] for key, value in data.items()})[1]
        g = np.concatenate([(G @ Q).ravel(), (G.T @ P).ravel()])
        if not decoupled:
            g += 2 * model.lam * theta
        m += 0.1 * (g - m)
        v += 0.001 * (g**2 - v)
        rate = RATE * (1 - step / STEPS)
        move = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        theta = theta - rate * (move + WEIGHT * theta if decoupled else move)
    return theta


def decay(setting, seed):
    """How far weight decay takes the two tables to P^T P = Q^T Q, in the loss and beside it."""
    model, data = dict(models(3))["softmax"], draw(seed)
    batch = dict([("all users", USERS), (f"{BATCH} users", BATCH)])[setting]
    for decoupled in (False, True):
        theta = adam(model, data, np.random.default_rng([seed, 1]), batch=batch, decoupled=decoupled)
        P, Q, _, W = model.tables(theta)
        slope = model.loss(W, data)[1] @ Q if decoupled else model(theta, data)[1]
        yield dict(study="decay", setting=setting, seed=seed, method="AdamW" if decoupled else "Adam, penalty in the loss",
                   gradient=np.abs(slope).max(), imbalance=np.abs(P.T @ P - Q.T @ Q).max() / np.abs(P.T @ P).max(),
                   cos_given=apart([cosines(Q), cosines(root(W))]))


def tasks():
    """Every (function, setting, seed) of the run."""
    for k in WIDTHS:
        for name, _ in models(k):
            yield from (("starts", f"{name}, k = {k}", seed) for seed in SEEDS)
    yield from (("decay", setting, seed) for setting in ("all users", f"{BATCH} users") for seed in SEEDS)


SETTINGS = dict(seeds=list(SEEDS), starts=STARTS, users=USERS, items=ITEMS, clusters=CLUSTERS, widths=list(WIDTHS), gradient={str(k): g for k, g in GRADIENT.items()},
                same_minimum=SAME, log_scale=list(LOG_SCALE), adam_steps=STEPS, adam_rate=RATE, adam_weight_decay=WEIGHT,
                batch=BATCH)
