"""Points, gaps and error bars as SVG."""

import math
import re

import pytest
from plotly import graph_objects

from components.charts.style import figure
from components.charts.svg import figure_to_svg


def _lines(svg: str) -> list[tuple[float, ...]]:
    """The error bars: lines in a trace's colour."""
    found = re.findall(
        r'<line x1="([^"]*)" y1="([^"]*)" x2="([^"]*)" y2="([^"]*)" stroke="#0072B2"', svg
    )
    return [tuple(map(float, line)) for line in found]


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_line_ends_where_there_is_no_value(missing: float | None) -> None:
    trace = graph_objects.Scatter(mode="lines", x=[1, 2, 3, 4, 5], y=[1, 2, missing, 4, 5])

    assert figure_to_svg(figure(trace)).count("<polyline") == 2


def test_a_value_between_two_gaps_is_a_point() -> None:
    trace = graph_objects.Scatter(mode="lines", x=[1, 2, 3], y=[None, 2, None])

    svg = figure_to_svg(figure(trace))

    assert svg.count("<circle") == 1
    assert "<polyline" not in svg


def test_an_error_bar_reaches_from_bound_to_bound() -> None:
    trace = graph_objects.Scatter(
        mode="markers",
        x=[1, 2],
        y=[10, 20],
        error_y={"type": "data", "symmetric": False, "array": [5, 0], "arrayminus": [10, 0]},
    )

    svg = figure_to_svg(figure(trace))

    (bar,) = _lines(svg)
    (x, y) = map(float, re.findall(r'<circle cx="(.*?)" cy="(.*?)"', svg)[0])
    x1, y1, x2, y2 = bar
    assert x1 == x2 == x
    # Pixels grow downwards; the lower bound is twice as far from the value as the upper one.
    assert y1 - y == pytest.approx(2 * (y - y2), abs=0.3)


def test_models_on_the_same_category_are_beside_each_other() -> None:
    bars = {"type": "data", "symmetric": False, "array": [0.1], "arrayminus": [0.1]}
    traces = [
        graph_objects.Scatter(
            name=name, mode="markers", orientation="h", x=[0.5], y=["Loan"], error_x=bars
        )
        for name in ("candidate", "baseline")
    ]

    svg = figure_to_svg(figure(*traces, scattermode="group", showlegend=True))

    first, second = (float(y) for y in re.findall(r'<circle cx=".*?" cy="(.*?)"', svg))
    # As plotly draws them: the first is below.
    assert first > second
    (bar,) = _lines(svg)
    assert bar[1] == bar[3] == first
