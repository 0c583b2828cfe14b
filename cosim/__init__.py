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
beyond the paper: prices          `flip_threshold`
beyond the paper: yardsticks      `same_cluster_auc`, `precision_at`, `claims.check`
================================  ============================================================

Data flows one way: simulate or load X -> spectrum -> factors -> rescale -> similarity -> recovery and
figures. The modules meet only in arrays.
"""

from . import claims
from .explorer import explore
from .figures import show_similarity
from .gauge import flip_threshold, split_product, unit_variance, whiten
from .models import (Factors, Spectrum, loss_factors, loss_product, rescale, solve_factors,
                     solve_product, spectrum)
from .recovery import precision_at, same_cluster_auc
from .remedies import ppmi, project_back, standardize, train_cosine, weight_by_propensity
from .similarity import cosine_similarity
from .simulate import Clicks, simulate_clicks

__all__ = ["Clicks", "Factors", "Spectrum", "claims", "cosine_similarity", "explore", "flip_threshold",
           "loss_factors", "loss_product", "ppmi", "precision_at", "project_back", "rescale",
           "same_cluster_auc", "show_similarity", "simulate_clicks", "solve_factors", "solve_product",
           "spectrum", "split_product", "standardize", "train_cosine", "unit_variance",
           "weight_by_propensity", "whiten"]
