"""Figures as SVG: everything is drawn, nothing from data is read as markup."""

import xml.etree.ElementTree as ElementTree

import pytest
from plotly import graph_objects

from components.charts.section import label
from components.charts.style import figure
from components.charts.svg import figure_to_svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{NAMESPACE}{name}"))


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def test_a_bar_for_every_value_with_a_length_in_proportion() -> None:
    svg = figure_to_svg(figure(graph_objects.Bar(x=["a", "b"], y=[1.0, 4.0])))

    low, high = (numbers(bar, "height")[0] for bar in elements(svg, "rect"))
    assert high == pytest.approx(4 * low, rel=0.01)


def test_horizontal_bars_grow_to_the_right_from_one_line() -> None:
    svg = figure_to_svg(figure(graph_objects.Bar(y=["a", "b"], x=[2.0, 1.0], orientation="h")))

    first, second = elements(svg, "rect")
    assert numbers(first, "x") == numbers(second, "x")
    assert numbers(first, "width")[0] == pytest.approx(2 * numbers(second, "width")[0], rel=0.01)


def test_bars_of_two_traces_stand_side_by_side() -> None:
    traces = [graph_objects.Bar(x=["a"], y=[1.0], name=name) for name in ("train", "eval")]

    svg = figure_to_svg(figure(*traces))

    bars = [bar for bar in elements(svg, "rect") if numbers(bar, "height")[0] > 12]
    (left, width), (right, _) = (numbers(bar, "x", "width") for bar in bars)
    assert right == pytest.approx(left + width, abs=0.2)


def test_a_line_goes_through_the_finite_points_on_each_side_of_a_gap() -> None:
    trace = graph_objects.Scatter(
        x=[0, 1, 2, 3, 4], y=[0.0, 1.0, float("nan"), 3.0, 4.0], mode="lines"
    )

    lines = elements(figure_to_svg(figure(trace)), "polyline")

    assert [len(line.attrib["points"].split()) for line in lines] == [2, 2]


def test_a_single_point_is_a_dot() -> None:
    svg = figure_to_svg(figure(graph_objects.Scatter(x=[1], y=[1], mode="lines")))

    assert len(elements(svg, "circle")) == 1


def test_titles_of_axes_and_names_of_traces_are_written() -> None:
    traces = [graph_objects.Bar(x=["a"], y=[1.0], name=name) for name in ("train", "eval")]

    svg = figure_to_svg(figure(*traces, xaxis={"title": {"text": "epoch"}}))

    texts = {element.text for element in elements(svg, "text")}
    assert {"train", "eval", "epoch", "a"} <= texts


HOSTILE = "<script>alert(1)</script>&\"'"


def test_texts_from_data_are_texts() -> None:
    trace = graph_objects.Bar(x=[label(HOSTILE)], y=[1.0], name=label(HOSTILE))

    svg = figure_to_svg(figure(trace, xaxis={"title": {"text": label(HOSTILE)}}))

    assert "<script" not in svg
    assert any((element.text or "").startswith("<script>") for element in elements(svg, "text"))


@pytest.mark.parametrize(
    "trace",
    [
        graph_objects.Bar(x=[], y=[]),
        graph_objects.Bar(x=["a"], y=[0.0]),
        graph_objects.Bar(x=["a"], y=[float("nan")]),
        graph_objects.Bar(x=["a"], y=[-3.0]),
        graph_objects.Bar(x=["a"], y=[1e300]),
        graph_objects.Scatter(x=[1, 1], y=[2, 2]),
        graph_objects.Scatter(x=None, y=None),
    ],
)
def test_what_has_no_extent_is_drawn_all_the_same(trace: object) -> None:
    ElementTree.fromstring(figure_to_svg(figure(trace)))


def test_other_traces_are_refused() -> None:
    with pytest.raises(ValueError, match="pie"):
        figure_to_svg(figure(graph_objects.Pie(values=[1])))
