"""cosim: the code behind "Is Cosine-Similarity of Embeddings Really About Similarity?".

A companion to Steck, Ekanadham and Kallus (2024), doi 10.1145/3589335.3651526.

================================  ============================================================
place in the paper                function
================================  ============================================================
Section 2.1, Eq. 1 and 2          `loss_product`, `loss_factors`
Section 2.1, Eq. 3                `rescale`
Section 2.1, Eq. 4                `cosine_similarity`
Section 2.2, Eq. 5                `spectrum`, `solve_product`
Section 2.3, Eq. 6                `solve_factors`
Section 3, leave the embeddings   `project_back`
Section 3, popularity             `standardize`, `weight_by_propensity`, `ppmi`
Section 3, train for the cosine   `train_cosine`
Section 4                         `simulate_clicks`
Section 4, Figure 1               `show_similarity`
drag D                            `explore`
beyond the paper: conventions     `split_product`, `unit_variance`, `whiten`
beyond the paper: prices          `flip_threshold`, `cosine_range`
beyond the paper: neighbours      `nearest`
beyond the paper: yardsticks      `same_cluster_auc`, `precision_at`, `claims.check`
the exercises of the book         `self_check`
your own ratings                  `read_ratings`; films with titles: `load_films`, `series_of`
your own embeddings               `audit`, and the command ``cosim audit``
================================  ============================================================

Data flows one way: simulate or load X -> spectrum -> factors -> rescale -> similarity -> recovery and
figures. The modules meet only in arrays.
"""

from importlib import import_module

from . import claims
from .audit import audit
from .exercises import self_check
from .gauge import cosine_range, flip_threshold, split_product, unit_variance, whiten
from .models import (Factors, Spectrum, loss_factors, loss_product, rescale, solve_factors,
                     solve_product, spectrum)
from .ratings import Films, Ratings, load_films, read_ratings, series_of
from .recovery import precision_at, same_cluster_auc
from .remedies import ppmi, project_back, standardize, train_cosine, weight_by_propensity
from .similarity import Neighbours, cosine_similarity, nearest
from .simulate import Clicks, simulate_clicks

__all__ = ["Clicks", "Factors", "Films", "Neighbours", "Ratings", "Spectrum", "audit", "claims",
           "cosine_range", "cosine_similarity", "explore", "flip_threshold", "load_films", "loss_factors",
           "loss_product",
           "nearest", "ppmi", "precision_at", "project_back", "read_ratings", "rescale", "same_cluster_auc",
           "self_check", "series_of", "show_similarity", "simulate_clicks", "solve_factors", "solve_product", "spectrum",
           "split_product", "standardize", "train_cosine", "unit_variance", "weight_by_propensity",
           "whiten"]

# These draw, and are imported when they are used: matplotlib and seaborn take several times as long as all the rest.
_DRAWING = {"explore": "explorer", "show_similarity": "figures"}


def __getattr__(name):
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_DRAWING[name]}", __name__), name)
