"""The heatmap, asserted on what it draws."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy import sparse

from cosim import cosine_similarity, show_similarity

CLUSTER = np.array([2, 0, 1, 0, 2, 2])
ORDER = [1, 3, 2, 0, 4, 5]  # by cluster, keeping the order inside


@pytest.fixture
def ax():
    figure = Figure()
    FigureCanvasAgg(figure)
    yield figure.subplots()
    figure.canvas.draw()  # whatever was drawn can be rendered


def similarity(p=6):
    return cosine_similarity(np.random.default_rng(0).normal(size=(p, 3)))


@pytest.mark.parametrize("cluster", [CLUSTER, np.array(["a", "b", "c"])[CLUSTER], CLUSTER.tolist(), CLUSTER * 0.5],
                         ids=["int", "str", "list", "float"])
def test_items_are_sorted_by_cluster(ax, cluster):
    image = show_similarity(ax, similarity(), cluster)
    assert isinstance(image, AxesImage) and image.axes is ax
    np.testing.assert_array_equal(image.get_array(), similarity()[np.ix_(ORDER, ORDER)])


def test_many_items_keep_their_order_inside_a_cluster(ax):
    cluster = np.arange(500) % 3
    image = show_similarity(ax, similarity(500), cluster)
    order = np.concatenate([np.arange(c, 500, 3) for c in range(3)])
    np.testing.assert_array_equal(image.get_array(), similarity(500)[np.ix_(order, order)])


@pytest.mark.parametrize("scale", [1, 0.01, 0])
def test_the_colour_scale_is_fixed(ax, scale):
    image = show_similarity(ax, scale * similarity(), CLUSTER)
    assert image.get_clim() == (-1, 1)


def test_the_first_item_is_at_the_top_left(ax):
    image = show_similarity(ax, similarity(), CLUSTER)
    assert tuple(image.get_extent()) == (-0.5, 5.5, 5.5, -0.5) and image.origin == "upper"
    assert ax.get_aspect() in ("equal", 1)


@pytest.mark.parametrize("cluster, edges", [(CLUSTER, [1.5, 2.5]), ([0] * 6, []), (range(6), np.arange(5) + 0.5)])
def test_lines_separate_the_clusters(ax, cluster, edges):
    show_similarity(ax, similarity(), cluster)
    across = [line.get_ydata()[0] for line in ax.lines if set(line.get_xdata()) == {0, 1}]
    down = [line.get_xdata()[0] for line in ax.lines if set(line.get_ydata()) == {0, 1}]
    np.testing.assert_array_equal(across, edges)
    np.testing.assert_array_equal(down, edges)


def test_title_and_ticks(ax):
    show_similarity(ax, similarity(), CLUSTER, title="B = V")
    assert ax.get_title() == "B = V" and len(ax.get_xticks()) == len(ax.get_yticks()) == 0


# What is seen of linear RGB without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {"all cones": np.eye(3),
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]}


@pytest.mark.parametrize("eye", SEEN)
def test_the_colours_read_in_greyscale_and_without_colour_vision(ax, eye):
    """Lightness falls all the way from -1 to 1."""
    image = show_similarity(ax, similarity(), CLUSTER)
    rgb = image.to_rgba(np.linspace(-1, 1, 21))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SEEN[eye]), 0, 1)
    assert (np.diff(seen @ [0.2126, 0.7152, 0.0722]) < 0).all()


def test_arguments_are_left_alone(ax):
    S, cluster = similarity(), CLUSTER.copy()
    S.flags.writeable = cluster.flags.writeable = False
    image = show_similarity(ax, S, cluster)
    assert not np.shares_memory(image.get_array(), S)


@pytest.mark.parametrize("S, cluster, message", [
    *((np.eye(3) * factor, [0, 0, 1], "S must be between -1 and 1, where the colours end; "
       f"got {abs(factor)} in magnitude. Where that is rounding, use numpy.clip") for factor in (1.01, -2)),
    (np.ones((2, 3)), [0, 1], "S must be square, one row and one column per item; got shape (2, 3)"),
    (sparse.eye_array(2), [0, 1], "S must be dense; got a sparse array. Call its toarray()"),
    (np.eye(3), [0, 1], "cluster must be one label per item, shape (3,); got shape (2,)")])
def test_errors(ax, S, cluster, message):
    with pytest.raises(ValueError) as caught:
        show_similarity(ax, S, cluster)
    assert str(caught.value) == message
    assert not ax.images


def test_rounding_beyond_one_is_no_error(ax):
    show_similarity(ax, np.eye(3) * (1 + 1e-12), [0, 0, 1])
