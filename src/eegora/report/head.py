"""A head seen from above: where channels lie on paper, its outline, and values spread over it. Knows no result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.recordings.positions import head_position
from eegora.report.style import GREY, INK
from eegora.signal import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Sphere through the 10-20 electrodes in the head frame (metres) and the tilt that puts Cz on top; least squares on
# the frozen table. In this view Fpz, T7, Oz and T8 lie 90 degrees from the top.
_CENTRE = np.array([0.0, 0.016, 0.044])
_TILT = np.radians(6.8)
_RING = 0.8  # of the head's radius, where 90 degrees are drawn: the ring of Fpz, T7, Oz, T8
_NEAR = 0.12  # of the head's radius: how far a channel's own value reaches on a map, about


def flat_positions(ch_names: Sequence[str], ch_pos: Array | None = None) -> Array:
    """Return where channels lie on paper: azimuthal equidistant, nose up, the head's radius is 1.

    Parameters
    ----------
    ch_names : sequence of str
        Electrodes or derivations.
    ch_pos : ndarray, shape (n_channels, 3), optional
        Metres, head frame; where it is absent or NaN, the name's own position counts.

    Returns
    -------
    ndarray, shape (n_channels, 2)
        NaN where nothing is known.
    """
    places = np.full((len(ch_names), 3), np.nan) if ch_pos is None else np.array(ch_pos, np.float64)
    for i, name in enumerate(ch_names):
        if not np.isfinite(places[i]).all() and (known := head_position(name)) is not None:
            places[i] = known
    x, y, z = (places - _CENTRE).T
    y, z = y * np.cos(_TILT) - z * np.sin(_TILT), y * np.sin(_TILT) + z * np.cos(_TILT)
    around = np.hypot(x, y)
    radius = np.arctan2(around, z) / (np.pi / 2) * _RING
    direction = np.stack([x, y], axis=-1) / np.maximum(around, 1e-9)[:, None]
    return np.asarray(direction * radius[:, None])


def draw_outline(axes: Axes, *, radius: float = 1.0) -> None:
    """Draw head, nose and ears, and fit the axes around them."""
    angle = np.linspace(0, 2 * np.pi, 200)
    style: dict[str, Any] = {"color": GREY, "linewidth": 1.0, "zorder": 1, "clip_on": False}
    axes.plot(radius * np.cos(angle), radius * np.sin(angle), **style)
    axes.plot([-0.12, 0, 0.12], [radius * 0.993, radius + 0.13, radius * 0.993], **style)
    side = np.linspace(-0.5, 0.5, 40) * np.pi
    for sign in (-1, 1):
        axes.plot(sign * (radius + 0.07 * np.cos(side)), 0.17 * np.sin(side), **style)
    axes.set(xlim=(-radius - 0.22, radius + 0.22), ylim=(-radius - 0.12, radius + 0.2), aspect="equal")
    axes.set_axis_off()


def draw_map(axes: Axes, values: Array, flat: Array, *, limits: tuple[float, float]) -> Any:
    """Spread values over a head: each point shows the mean of all channels, weighted by nearness.

    Parameters
    ----------
    values : ndarray, shape (n_channels,)
    flat : ndarray, shape (n_channels, 2)
        From `flat_positions`; channels without a place are left out.
    limits : (float, float)
        Values of the first and the last colour.

    Returns
    -------
    matplotlib.image.AxesImage
        For a colour bar.
    """
    from matplotlib.patches import Circle

    there = np.isfinite(flat).all(axis=1)
    values, flat = np.asarray(values)[there], flat[there]
    radius = max(1.0, float(np.hypot(*flat.T).max()) + 0.05)
    x, y = np.meshgrid(*[np.linspace(-radius, radius, 161)] * 2)
    squares = (x[..., None] - flat[:, 0]) ** 2 + (y[..., None] - flat[:, 1]) ** 2
    weights = (squares + _NEAR**2) ** -2
    grid = (weights * values).sum(-1) / weights.sum(-1)
    image = axes.imshow(
        grid,
        extent=(-radius, radius, -radius, radius),
        origin="lower",
        cmap="YlGnBu",
        vmin=limits[0],
        vmax=limits[1],
        interpolation="bilinear",
    )
    image.set_clip_path(Circle((0, 0), radius, transform=axes.transData))
    axes.plot(*flat.T, "o", color=INK, markersize=2.2, markeredgecolor="white", markeredgewidth=0.4, zorder=3)
    draw_outline(axes, radius=radius)
    return image
