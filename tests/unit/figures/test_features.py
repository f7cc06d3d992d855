import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.figures.features import raster
from sylvian.figures.style import canvas, panel, plotted


@pytest.fixture
def axis():
    return panel(canvas(), 15, 10, 60, 30)


def test_time_runs_across_in_seconds_and_channels_down(axis):
    features = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    raster(axis, features, bin_s=0.02, name="Threshold crossings", labels=[(0.02, "hello")])
    (image,) = axis.images
    np.testing.assert_array_equal(image.get_array(), features.T)
    assert image.get_extent() == [0, pytest.approx(0.08), 3, 0]
    assert axis.get_xlabel() == "Time (s)" and axis.get_ylabel() == "Channel (n = 3)"
    assert axis.lines[0].get_xdata()[0] == 0.02 and axis.texts[0].get_text() == " hello"
    columns = plotted(axis.figure)[0].columns
    assert columns["time_s"] == pytest.approx([0, 0.02, 0.04, 0.06])
    assert columns["mean"] == pytest.approx([1, 4, 7, 10])


def test_arrays_are_named_at_their_middle(axis):
    raster(axis, np.ones((5, 10)), bin_s=0.02, name="x", arrays=[("6v", 0, 4), ("44", 4, 10)])
    assert list(axis.get_yticks()) == [2, 7]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["6v", "44"]
    assert axis.lines[0].get_ydata()[0] == 4


def test_a_few_large_values_do_not_hide_the_rest(axis):
    features = np.tile(np.linspace(0, 1, 100), (100, 1))
    features[0, 0] = 1e6
    raster(axis, features, bin_s=0.02, name="x")
    assert axis.images[0].get_clim()[1] < 2


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_constant_or_missing_features_draw(axis, value):
    raster(axis, np.full((4, 3), value), bin_s=0.02, name="x")
    low, high = axis.images[0].get_clim()
    assert low < high
    axis.figure.canvas.draw()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_is_refused(axis, shape):
    with pytest.raises(ConfigError, match="nothing to draw"):
        raster(axis, np.zeros(shape), bin_s=0.02, name="x")


def test_a_real_trial(axis, shared_data):
    features = np.load(shared_data / "t12_single_trial" / "t12_trial_zscored.npy").T
    raster(axis, features[:, :64], bin_s=0.02, name="Threshold crossings")
    assert axis.images[0].get_extent()[1] == pytest.approx(591 * 0.02)
