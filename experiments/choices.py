"""What carries over from the simulation: conclusions on films under other choices, and remedies on other data.

`choices` measures the conclusions of the chapters robustness and remedies on films, for other ratings as clicks and
other minimum counts; `extra` those that need more than the study films, and two more remedies; `tuned` chooses lambda
and k for each method and task; `small_users` has neighbours of users in a simulation, and `simulation`, `digits` and
`documents` have remedies on other data; `stored` reads the other studies. A row is a difference of two methods.
"""

import re
from collections import Counter
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import causes
import films
import numpy as np
import pandas as pd
import run
import simulation as large
from causes import EVEN
from sklearn.datasets import load_digits

import cosim

# Which ratings are clicks, and how many clicks a film must have.
DATA = {"four stars": dict(at_least=4.0, min_clicks=20), "50 clicks": dict(at_least=0.5, min_clicks=50),
        "5 clicks": dict(at_least=0.5, min_clicks=5)}
WEIGHTED = [f"{name}: {EVEN}" for name in ("standardized", "IPS^1/2", "IPS")]
# Metric, better, worse: differences that are positive in the simulation.
ITEMS = [
    *((metric, *pair) for metric in ("auc", "overlap") for pair in (
        (EVEN, "V"), ("V F", EVEN), ("V F", "W (dot)"))),
    ("overlap", "V (SF)^1/2", "Eq. 6"), ("auc", "V S", "V"), ("auc", EVEN, "raw cosine"), ("auc", "Eq. 6", EVEN),
    *(("auc", name, EVEN) for name in ("V S F", "PPMI", "Pearson of predictions")),
    *(("auc", EVEN, name) for name in WEIGHTED), *(("auc_tail", EVEN, name) for name in WEIGHTED),
    *(row for row in causes.REVERSED if row[0] != "recall")]
LISTS = [
    *(("recall", f"list of {name}", f"list of {EVEN}") for name in ("V S F", "PPMI", "raw cosine", *WEIGHTED)),
    *(("recall", "dot", f"list of {name}") for name in ("PPMI", "raw cosine", *WEIGHTED)),
    *(("recall", "dot", name) for name in ("popularity", "cosine V", "cosine V F", "dot of IPS")),
    ("recall", "popularity", "cosine V"), *(row for row in causes.REVERSED if row[0] == "recall")]
USERS = [("users", "V", EVEN), ("users", EVEN, "V F"), ("users", "V F", "V S F"), ("users", "V", "raw cosine")]
CONCLUSIONS = ITEMS + LISTS + USERS
METHODS = [*causes.METHODS, "W (dot)", *WEIGHTED]
METHODS_RARE = [*causes.THREE, "V S F", "PPMI", "Eq. 6", "raw cosine", "W (dot)"]  # with 5 clicks, which takes long

TRAINED = [f"trained, power {power:g}" for power in (0, 0.75)]
TRAINING = dict(k=50, temperature=0.2, rounds=3, steps=80, rate=1000)  # temperature 0.1 was worse on one split
FIXED = dict(temperature=0.2, steps=400, rate=100)  # on digits and documents, where nothing is hidden that could choose
POWERS = {"IPS^1/4": 0.25, "IPS^1/2": 0.5, "IPS": 1}
QUARTER = [f"IPS^1/4: {name}" for name in films.CORRECTED]
RANK = 10  # the small rank of "V, k = 10"; "full" is all
EXTRA = [
    ("auc", "V, k = 10", "V, full rank"), ("auc", "V S F, full rank", "V, full rank"),
    ("shared", "V F and V (SF)^1/2", "V F and V S F"), ("shared", "V and V F^1/2", "V and V S F"),
    ("leverage", "clicks, head", "clicks, tail"), ("leverage", "standardized, tail", "standardized, head"),
    ("share", "V and V F differ by .1", "half"), ("share", "V S F moves by .1 with lambda / 100", "half"),
    ("share", "V S F above .5", "half"), ("mean cosine", "V S F", "V F"),
    *(("auc", name, EVEN) for name in QUARTER), *(("auc_tail", QUARTER[1], name) for name in (EVEN, "V S F")),
    ("auc_head", QUARTER[1], EVEN), ("recall", f"list of {QUARTER[1]}", f"list of {EVEN}"),
    *(("auc", EVEN, name) for name in TRAINED), ("auc_tail", *TRAINED),
    *(("recall", f"list of {name}", f"list of {EVEN}") for name in TRAINED),
    *(("recall", "dot", f"cosine of {name}") for name in TRAINED)]
# User-user remedies, against the best scaling.
CORRECTED_USERS = [f"{name}: {scaling}" for name in (*films.CORRECTIONS, "IPS^1/4") for scaling in ("V", EVEN)]
USER_REMEDIES = [(metric, name, "V") for metric in ("users", "taste")
                 for name in (EVEN, "V F", "V S F", "Eq. 6", "raw cosine", *CORRECTED_USERS)]
# Remedies that need no clicks to choose by, against Eq. 5; the last columns of digits and documents.
REMEDIES = ["V F", "V S F", "Eq. 6", "Pearson of predictions", "PPMI", "raw cosine", *TRAINED,
            *(f"{name}: {scaling}" for name in ("standardized", *POWERS) for scaling in films.CORRECTED)]
DIGITS = dict(sample=500, k=50, knee=10)  # lambda = sigma_knee squared
DOCUMENTS = dict(texts=50, k=100, knee=50)

COLUMNS = causes.COLUMNS
LIBRARIES = [*causes.LIBRARIES, "pandas", "scikit-learn", "gensim"]
USES = ["causes", "films", "simulation"]
NUMERICS = [*films.NUMERICS, "recovery"]
SEEDS, FEWER = range(20), range(10)  # splits overlap so much that twenty narrow an interval little
SETTINGS = dict(
    seeds=list(SEEDS), fewer=list(FEWER), data=DATA, conclusions=CONCLUSIONS, extra=EXTRA, user_remedies=USER_REMEDIES,
    remedies=REMEDIES, training=TRAINING, training_fixed=FIXED, powers=POWERS, digits=DIGITS, documents=DOCUMENTS)


def tasks():
    """Every (function, setting, seed) of the run."""
    yield from (("stored", setting, seed) for setting in ("simulation", "films") for seed in SEEDS)
    yield from (("knobs", setting, seed) for setting in films.KNOBS for seed in films.SEEDS_PER_VARIANT)
    yield from (("documents", "k = 100", text) for text in range(DOCUMENTS["texts"]))
    for name, setting in (("simulation", "default"), ("digits", "k = 50"),
                          ("choices", "four stars"), ("choices", "50 clicks")):
        yield from ((name, setting, seed) for seed in SEEDS)
    for name, setting in (("small_users", "small"), ("extra", "all"), ("tuned", "all"), ("choices", "5 clicks")):
        yield from ((name, setting, seed) for seed in FEWER)


def rows(study, setting, seed, found, conclusions):
    """The differences of one task."""
    for row in causes.differences(found, conclusions):
        yield dict(study=study, setting=setting, seed=seed) | row


def known(found, conclusions):
    """The conclusions of which both methods were measured."""
    return [(metric, *pair) for metric, *pair in conclusions if all((metric, name) in found for name in pair)]


# ---- Films ---------------------------------------------------------------------------------------------

def choices(setting, seed):
    """Conclusions on films under one choice of the data, lambda and k chosen by prediction."""
    data = films.split_data(cosim.load_films(**DATA[setting]), seed)
    found = causes.levels(data, METHODS_RARE if setting == "5 clicks" else METHODS)
    yield from rows("choices", setting, seed, found, known(found, CONCLUSIONS))


def extra(setting, seed):
    """What takes more than levels: ranks, leverage, pairs; weak inverse propensity and training for the cosine."""
    data = films.split_films(setting, seed)
    spec, best = films.models(data)
    best |= films.best_of([*weak_weights(data), *trained(data, np.random.default_rng([seed, 16]))])
    found = of_pairs(data, spec, best[EVEN]) | of_ranks(data, spec, best[EVEN].lam)
    for row in films.item_rows({name: best[name] for name in (EVEN, "V S F", *QUARTER, *TRAINED)}, data):
        found |= {(metric, row["method"]): row[metric] for metric in ("auc", "auc_head", "auc_tail")}
        found["recall", f"list of {row['method']}"] = row["recall"]
    for name in TRAINED:
        found["recall", f"cosine of {name}"] = films.recall(best[name].scores, data.train, data.judge)
    found["recall", "dot"] = films.recall(best[EVEN].scores, data.train, data.judge)
    yield from rows("extra", setting, seed, found, EXTRA)
    yield from rows("user-remedies", "films", seed, of_users(data, spec, best), USER_REMEDIES)


def weak_weights(data):
    """Objective 1 on clicks divided by popularity to the power one quarter."""
    mean = data.X.mean(axis=0)
    return films.fitted(data, "IPS^1/4", cosim.weight_by_propensity(data.X, 0.25), mean**0.25, 0)


def trained(data, rng):
    """Training for the cosine, stopped where it predicts the choosing clicks best."""
    users = np.flatnonzero(np.diff(data.X.indptr))
    recipe = {key: TRAINING[key] for key in ("temperature", "steps", "rate")} | dict(batch=len(users))
    for name in TRAINED:
        A, B = rng.normal(size=(2, data.X.shape[1], TRAINING["k"]))
        for _ in range(TRAINING["rounds"]):
            A, B = cosim.train_cosine(data.X[users], A, B, power=power_of(name), **recipe)
            scores = cosim.cosine_similarity(data.train @ A, B)
            fit = films.recall(scores, data.train, data.choose)
            yield films.Candidate(name, 0, TRAINING["k"], fit, large.unit(B), scores)


def power_of(name):
    """The exponent of the negatives, the last word of a name in TRAINED."""
    return float(name.split()[-1])


def of_ranks(data, spec, lam):
    """AUC at a small rank and at full rank, one lambda."""
    found = {}
    for name, power in ("V", (0, 0)), ("V S F", (1, 1)):
        for label, k in ("k = 10", RANK), ("full rank", spec.sigma.size):
            E = large.unit(large.scaling(spec, lam, k, *power))
            found["auc", f"{name}, {label}"] = films.item_quality(E @ E.T, data)["auc"]
    return found


def of_pairs(data, spec, model):
    """Shares of pairs, shared neighbours, mean cosines and leverage, with the lambda and k of one model."""
    lam, k = model.lam, model.k
    upper = np.triu_indices(data.X.shape[1], 1)
    S = {name: cosim.cosine_similarity(large.scaling(spec, lam, k, *power)) for name, power in large.SCALINGS.items()}
    near = {name: films.nearest(each.copy(), films.M) for name, each in S.items()}
    weaker = cosim.cosine_similarity(large.scaling(spec, lam / 100, k, *large.SCALINGS["V S F"]))
    found = {("share", "half"): 0.5,
             ("share", "V and V F differ by .1"): np.mean(np.abs(S["V"] - S["V F"])[upper] > 0.1),
             ("share", "V S F moves by .1 with lambda / 100"): np.mean(np.abs(S["V S F"] - weaker)[upper] > 0.1),
             ("share", "V S F above .5"): np.mean(S["V S F"][upper] > 0.5)}
    found |= {("mean cosine", name): S[name][upper].mean() for name in ("V S F", "V F")}
    for a, b in ("V F", "V (SF)^1/2"), ("V F", "V S F"), ("V", EVEN), ("V", "V S F"):
        found["shared", f"{a} and {b}"] = np.mean([np.isin(x, y).mean() for x, y in zip(near[a], near[b])])
    order, fifth = np.argsort(-data.X.sum(axis=0), kind="stable"), int(large.HEAD * data.X.shape[1])
    for name, V in ("clicks", spec.V), ("standardized", cosim.spectrum(cosim.standardize(data.X)).V):
        leverage = np.sum(V[:, :k] ** 2, axis=1)
        found |= {("leverage", f"{name}, head"): leverage[order[:fifth]].mean(),
                  ("leverage", f"{name}, tail"): leverage[order[-fifth:]].mean()}
    return found


def of_users(data, spec, best):
    """Neighbours of users, also with corrected clicks: recall, and overlap of what is hidden."""
    found = {}
    for row in films.users(best[EVEN], best["Eq. 6"], spec, data):
        found |= {("users", row["method"]): row.get("recall"), ("taste", row["method"]): row["overlap"]}
    weak = ("IPS^1/4", cosim.weight_by_propensity(data.X, 0.25), None, None)
    for name, Z, _, _ in [*large.corrected(data.X), weak]:
        if name != "clicks":
            sigma, V = cosim.spectrum(Z, best[f"{name}: {EVEN}"].k)
            gain = 1 / (1 + best[f"{name}: {EVEN}"].lam / sigma**2)
            U = Z[:films.LISTED] @ V
            for scaling, q in ("V", 1), (EVEN, 0.5):
                quality = films.user_quality(U * gain**q, data)
                found |= {("users", f"{name}: {scaling}"): quality["recall"],
                          ("taste", f"{name}: {scaling}"): quality["overlap"]}
    return found


def small_users(setting, seed):
    """Neighbours of users in the small simulation."""
    data = films.split_simulation({}, seed)
    spec, best = films.models(data)
    best |= films.best_of(weak_weights(data))
    yield from rows("user-remedies", "small simulation", seed, of_users(data, spec, best), USER_REMEDIES)


def tuned(setting, seed):
    """Lambda and k chosen for each method: by its lists on the choosing clicks, or by genres of half of the films."""
    data = films.split_films(setting, seed)
    spec = cosim.spectrum(data.X)
    shown, judged = np.array_split(np.random.default_rng([seed, 15]).permutation(data.X.shape[1]), 2)
    square = np.ix_(judged, judged)
    half = data._replace(X=data.X[:, judged], graded=data.graded[square], mates=data.mates[square])
    candidates = [*films.first_objective(data), *films.second_objective(spec, data), *films.without_a_model(data)]
    candidates = [candidate for candidate in candidates if candidate.method in METHODS]
    by_lists = films.best_of(candidate._replace(
        fit=films.recall(films.lists(candidate, data), data.train, data.choose)) for candidate in candidates)
    found = {("recall", f"list of {name}"): films.recall(films.lists(best, data), data.train, data.judge)
             for name, best in by_lists.items()}
    found["recall", "dot"] = found["recall", "list of W (dot)"]
    popularity = np.broadcast_to(data.X.sum(axis=0), data.train.shape)
    found["recall", "popularity"] = films.recall(popularity, data.train, data.judge)
    yield from rows("tuned", "lists", seed, found, known(found, LISTS))
    alike = data.graded[shown[:, None], shown][np.triu_indices(len(shown), 1)] >= films.ALIKE
    by_pairs = films.best_of(candidate._replace(
        fit=films.auc(pairs_of(candidate, shown), alike)) for candidate in candidates)
    for rule, best in ("pairs", by_pairs), ("prediction, half of the films", films.best_of(candidates)):
        found = {(metric, name): value for name, each in best.items()
                 for metric, value in films.item_quality(each.E[judged] @ each.E[judged].T, half).items()}
        yield from rows("tuned", rule, seed, found | causes.derived(found), ITEMS)


def stored(setting, seed):
    """The conclusions from the tables of the studies simulation, repeated and films, which is quicker than anew."""
    sources = [causes.named(of_seed("films", seed, setting="all"))] if setting == "films" else of_simulation(seed)
    for conclusion in CONCLUSIONS + EXTRA:
        found = next((each for each in sources if known(each, [conclusion])), {})
        yield from rows("stored", setting, seed, found, known(found, [conclusion]))


def knobs(setting, seed):
    """What is reversed on films, in the small simulation with one knob turned, from the table of the study films."""
    yield from rows("knobs", setting, seed, causes.named(of_seed("films", seed, setting=setting)), causes.REVERSED)


@cache
def table(name):
    """The table of another study."""
    return pd.read_csv(run.DATA / f"{name}.csv", dtype={"setting": str})


def of_seed(name, seed, **where):
    """The rows of one seed, as dicts."""
    chosen = table(name)["seed"] == seed
    for column, value in where.items():
        chosen &= table(name)[column] == value
    return table(name)[chosen].to_dict("records")


def of_simulation(seed):
    """What the large simulation has, under the names of this study; one dict for each training data."""
    metrics = {"auc": "auc", "auc_head": "auc_head", "auc_tail": "auc_tail", "precision": "overlap"}
    scalings = {(new, row["method"]): row[old] for row in of_seed("simulation", seed, study="scalings")
                for old, new in metrics.items()}
    remedies = {(metric, renamed(row["method"])): row[metric] for row in of_seed("simulation", seed, study="remedies")
                for metric in ("auc", "auc_head", "auc_tail")}
    lists = {("recall", row["method"]): row["recall"] for row in of_seed("simulation", seed, study="retrieval")}
    for row in of_seed("simulation", seed, study="remedies-recall"):
        name = renamed(row["method"])
        kind = {"neighbours": f"list of {name}", "dot": "dot", "cosine": f"cosine of {name}",
                "dot, undone": f"dot of {name.removesuffix(': ' + EVEN)}"}[row["setting"]]
        if kind != "dot" or name == EVEN:
            lists["recall", kind] = row["recall"]
    return [scalings | causes.derived(scalings), remedies, lists, of_sweeps(seed), of_repeated(seed)]


def renamed(method):
    """The names of the study simulation in those of this one."""
    method = method.removeprefix("clicks: ").replace("trained for the cosine", "trained")
    return {"Eq. 5": EVEN, "project back": "V S F"}.get(method, method.replace(": Eq. 5", f": {EVEN}").replace(
        ": project back", ": V S F"))


def of_sweeps(seed):
    """Ranks and shared neighbours."""
    found = {("shared", row["method"].replace(" | ", " and ")): row["overlap"]
             for row in of_seed("simulation", seed, study="overlap")}
    for k, label in (str(RANK), f"k = {RANK}"), (str(large.P), "full rank"):
        found |= {("auc", f"{row['method']}, {label}"): row["auc"]
                  for row in of_seed("simulation", seed, study="sweep-k", setting=k)}
    return found


def of_repeated(seed):
    """Users, leverage, and shares and means over pairs (there: of different clusters)."""
    value = {row["method"]: row["value"] for study in ("users", "items")
             for row in of_seed("repeated", seed, study=study)}
    found = {("users", name.removesuffix(": recall").replace("raw rows", "raw cosine")): each
             for name, each in value.items() if name.endswith(": recall")}
    found |= {("leverage", name.replace(": leverage", "")): each
              for name, each in value.items() if ": leverage" in name}
    found |= {("mean cosine", name): value[f"{name}: mean, others"] for name in ("V S F", "V F")}
    return found | {("share", "half"): 0.5, ("share", "V S F above .5"): value["V S F: others above .5"],
                    ("share", "V and V F differ by .1"): value["V and V F: pairs that differ by .1"],
                    ("share", "V S F moves by .1 with lambda / 100"):
                        value["V S F, lambda 100: pairs that differ by .1"]}


def pairs_of(candidate, items):
    """The similarities of all pairs of some items."""
    S = candidate.E[items] @ candidate.E[items].T
    return S[np.triu_indices(len(items), 1)].round(films.DECIMALS)


# ---- Other data ----------------------------------------------------------------------------------------

def simulation(setting, seed):
    """Inverse propensity with power one quarter in the large simulation, as the study simulation has other powers."""
    clicks, train, hidden, users = large.hidden_task(seed)
    X, hidden, found = train[users].toarray(), hidden[users].toarray(), {}
    for name, Z in ("", train), ("IPS^1/4: ", cosim.weight_by_propensity(train, 0.25)):
        lam, spec = large.LAM1 * (Z**2).sum() / train.sum(), cosim.spectrum(Z, large.K)
        for scaling, power in films.CORRECTED.items():
            S = cosim.cosine_similarity(large.scaling(spec, lam, large.K, *power))
            quality = large.quality(S, clicks.cluster) | large.head_and_tail(S, clicks.cluster, train.sum(axis=0))
            found |= {(metric, name + scaling): quality[metric] for metric in ("auc", "auc_head", "auc_tail")}
            found["recall", f"list of {name}{scaling}"] = large.recall(X @ S, X > 0, hidden)
    yield from rows("simulation", setting, seed, found, known(found, EXTRA))


def digits(setting, seed):
    """Remedies on a sample of scikit-learn's digits, pictures for items and pixels for users."""
    data, rng = load_digits(), np.random.default_rng([seed, 17])
    chosen = np.sort(rng.choice(len(data.target), size=DIGITS["sample"], replace=False))
    X, label = data.data[chosen].T, data.target[chosen]
    found = {}
    for name, E in remedied(X[X.any(axis=1)], DIGITS["k"], DIGITS["knee"], rng):
        S = cosim.cosine_similarity(E)
        found |= {("auc", name): cosim.same_cluster_auc(S, label),
                  ("precision", name): cosim.precision_at(S, label, films.M)}
    yield from rows("digits", setting, seed, found,
                    [(metric, name, EVEN) for metric in ("auc", "precision") for name in REMEDIES])


def documents(setting, text):
    """Remedies on the Lee documents; a row is the jackknife pseudo-value of one text."""
    found = {("correlation", name): values[text] for name, values in pseudo_values().items()}
    yield from rows("documents", setting, text, found, [("correlation", name, EVEN) for name in REMEDIES])


@cache
def pseudo_values():
    """Of every remedy: what each judged text adds to the correlation with people."""
    X, people = lee()
    m, pairs = DOCUMENTS["texts"], np.triu_indices(DOCUMENTS["texts"], 1)
    without = [(pairs[0] != text) & (pairs[1] != text) for text in range(m)]
    values = {}
    for name, E in remedied(X, DOCUMENTS["k"], DOCUMENTS["knee"], np.random.default_rng(18)):
        s = cosim.cosine_similarity(E[:m])[pairs]
        part = [np.corrcoef(s[keep], people[keep])[0, 1] for keep in without]
        values[name] = m * np.corrcoef(s, people)[0, 1] - (m - 1) * np.array(part)
    return values


def lee():
    """Words by texts, the judged texts first, and the judgements of their pairs; weights as in the chapter words."""
    data = Path(distribution("gensim").locate_file("gensim/test/test_data"))
    texts = [re.findall("[a-z]+", text.lower()) for name in ("lee.cor", "lee_background.cor")
             for text in (data / name).read_text(encoding="latin-1").splitlines()]
    counts = [Counter(text) for text in texts]
    spread = Counter(word for count in counts for word in count)
    words = sorted(word for word, texts_with in spread.items() if 3 <= texts_with < len(texts))
    weight = np.log(len(texts) / np.array([spread[word] for word in words]))
    X = np.log1p(np.array([[count[word] for count in counts] for word in words])) * weight[:, None]
    m = DOCUMENTS["texts"]
    return X, np.loadtxt(data / "similarities0-1.txt")[np.triu_indices(m, 1)]


def remedied(X, k, knee, rng):
    """Item embeddings under Eq. 5 and every remedy, lambda at the squared singular value number `knee` of the data."""
    data = {"": X, "standardized: ": cosim.standardize(X)}
    data |= {f"{name}: ": cosim.weight_by_propensity(X, power) for name, power in POWERS.items()}
    for name, Z in data.items():
        spec = cosim.spectrum(Z)
        lam = spec.sigma[knee - 1] ** 2
        for scaling, power in (films.CORRECTED if name else large.SCALINGS).items():
            yield name + scaling, large.scaling(spec, lam, k, *power)
    spec = cosim.spectrum(X)
    yield "Eq. 6", cosim.solve_factors(spec, spec.sigma[knee - 1], k).B
    A, B = cosim.solve_product(spec, spec.sigma[knee - 1] ** 2, k)
    yield "Pearson of predictions", cosim.project_back(B, X @ A - (X @ A).mean(axis=0))
    yield "raw cosine", X.T
    yield "PPMI", films.of_counts(X.T @ X, k)
    for name in TRAINED:
        yield name, cosim.train_cosine(X, *rng.normal(size=(2, X.shape[1], k)), power=power_of(name),
                                       batch=len(X), **FIXED)[1]
