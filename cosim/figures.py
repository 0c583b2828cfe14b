"""Figures that several chapters draw. The only module that imports matplotlib."""

import numpy as np
import seaborn as sns
from matplotlib.colors import ListedColormap

from ._checks import check_labels, check_similarity, half_digits, require

# One scale for every similarity panel. Its lightness falls all the way from -1 to 1, so it reads in
# greyscale and without colour vision; 0 sits near the light end, since most cosines lie in 0..1.
_MAKO = sns.color_palette("mako_r", as_cmap=True)
_SHADES = np.concatenate([np.linspace(0, 0.12, 128), np.linspace(0.12, 1, 128)])
SIMILARITY_SCALE = dict(cmap=ListedColormap(_MAKO(_SHADES), name="similarity"), vmin=-1, vmax=1)


def show_similarity(ax, S, cluster, *, title=None):
    """Draw S as a heatmap, items sorted by cluster, on the fixed colour scale -1..1.

    Within a cluster the items keep the order they come in (from `simulate_clicks`: falling
    popularity). White lines separate the clusters.

    Source: the panels of Figure 1.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    S : array, shape (p, p)
        Similarities in [-1, 1].
    cluster : array, shape (p,)
        Cluster of every item.
    title : str, optional
        Title of the panel.

    Returns
    -------
    matplotlib.image.AxesImage
        For a colour bar; its array is S in the order drawn.

    Raises
    ------
    ValueError
        If the shapes do not fit, or S leaves [-1, 1], where the colours end.
    """
    slack = half_digits(S, "S")
    S = check_similarity(S)
    largest = np.abs(S).max()
    require(largest <= 1 + slack, "S", "between -1 and 1, where the colours end", f"{largest:.10g} in magnitude",
            "Where that is rounding, use numpy.clip")
    cluster = check_labels(cluster, len(S))
    order = np.argsort(cluster, kind="stable")
    image = ax.imshow(S[np.ix_(order, order)], interpolation="antialiased", **SIMILARITY_SCALE)
    drawn = cluster[order]
    for edge in np.flatnonzero(drawn[1:] != drawn[:-1]) + 0.5:
        ax.axhline(edge, color="white", linewidth=0.8)
        ax.axvline(edge, color="white", linewidth=0.8)
    ax.set(xticks=[], yticks=[], title=title)
    return image
