"""A figure's bars and lines as plain SVG, for places where no script may run."""

import html
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from plotly import graph_objects

from components.charts.style import COLOURS

_WIDTH, _HEIGHT = 760, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 15, 30, 60
_TICKS = 5
_MAX_CATEGORY_LABELS = 24
_LABEL_LENGTH = 22


def figure_to_svg(figure: graph_objects.Figure) -> str:
    """Draws the bar and scatter traces of a figure.

    Args:
        figure: A figure with traces of types ``bar`` and ``scatter`` only; axes are linear, or of
            categories.

    Returns:
        An SVG element; its texts are escaped.

    Raises:
        ValueError: If a trace has another type.
    """
    for trace in figure.data:
        if trace.type not in ("bar", "scatter"):
            raise ValueError(f"a trace of type {trace.type} cannot be drawn as SVG")
    return _Drawing(figure).svg()


class _Axis:
    """One axis: where values lie between two pixels."""

    def __init__(self, values: Sequence[Any], start: float, end: float, *, from_zero: bool) -> None:
        numbers = [value for value in values if _is_number(value)]
        self.categories: list[str] = []
        if values and not numbers:
            self.categories = list(dict.fromkeys(str(value) for value in values))
        self._start, self._end = start, end
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
        if from_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        self._low, self._high = float(low), float(high)

    @property
    def band(self) -> float:
        """Pixels for a category, or for a bar of a numeric axis."""
        return abs(self._end - self._start) / max(len(self.categories), 1)

    def at(self, value: Any) -> float:
        if self.categories:
            index = self.categories.index(str(value)) + 0.5
            return self._start + (self._end - self._start) * index / len(self.categories)
        share = (float(value) - self._low) / (self._high - self._low)
        return self._start + (self._end - self._start) * share

    def ticks(self) -> list[tuple[float, str]]:
        if self.categories:
            step = math.ceil(len(self.categories) / _MAX_CATEGORY_LABELS)
            return [(self.at(name), _short(name)) for name in self.categories[::step]]
        size = _nice((self._high - self._low) / _TICKS)
        first = math.ceil(self._low / size - 1e-9)
        last = math.floor(self._high / size + 1e-9)
        return [(self.at(index * size), f"{index * size:.6g}") for index in range(first, last + 1)]


class _Drawing:
    def __init__(self, figure: graph_objects.Figure) -> None:
        self._figure = figure
        # Also points beside categories.
        self._horizontal = any(trace.orientation == "h" for trace in figure.data)
        has_bars = any(trace.type == "bar" for trace in figure.data)
        xs = [value for trace in figure.data for value in _with_bounds(trace.x, trace.error_x)]
        ys = [value for trace in figure.data for value in _with_bounds(trace.y, trace.error_y)]
        left = _LEFT + (110 if self._horizontal else 0)
        height = _HEIGHT
        if self._horizontal:
            height = max(_HEIGHT, 22 * len({str(value) for value in ys}) + _TOP + _BOTTOM)
        self._height = height
        self._x = _Axis(xs, left, _WIDTH - _RIGHT, from_zero=has_bars and self._horizontal)
        self._y = _Axis(ys, height - _BOTTOM, _TOP, from_zero=has_bars and not self._horizontal)
        self._left = left

    def svg(self) -> str:
        parts = [
            f'<svg viewBox="0 0 {_WIDTH} {self._height}" width="{_WIDTH}" height="{self._height}" '
            'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12" '
            'aria-hidden="true">'
        ]
        parts += self._axes()
        bars = [trace for trace in self._figure.data if trace.type == "bar"]
        for index, trace in enumerate(self._figure.data):
            colour = COLOURS[index % len(COLOURS)]
            if trace.type == "bar":
                parts += self._bars(trace, colour, bars.index(trace), len(bars))
            else:
                parts += self._line(trace, colour)
        parts += self._legend()
        parts.append("</svg>")
        return "".join(parts)

    def _axes(self) -> list[str]:
        bottom = self._height - _BOTTOM
        parts = []
        turned = len(self._x.categories) > 6
        for x, text in self._x.ticks():
            parts.append(_line(x, _TOP, x, bottom, "#e4e7eb"))
            turn = f' transform="rotate(-30 {x:.1f} {bottom + 14})"' if turned else ""
            anchor = "end" if turned else "middle"
            parts.append(_text(x, bottom + 14, text, anchor, turn))
        for y, text in self._y.ticks():
            parts.append(_line(self._left, y, _WIDTH - _RIGHT, y, "#e4e7eb"))
            parts.append(_text(self._left - 6, y + 4, text, "end"))
        layout = self._figure.layout
        if layout.xaxis.title.text:
            middle = (self._left + _WIDTH) / 2
            parts.append(_text(middle, self._height - 6, layout.xaxis.title.text, "middle"))
        if layout.yaxis.title.text:
            turn = f' transform="rotate(-90 14 {self._height / 2})"'
            parts.append(_text(14, self._height / 2, layout.yaxis.title.text, "middle", turn))
        return parts

    def _bars(self, trace: Any, colour: str, index: int, count: int) -> list[str]:
        along, across = (self._y, self._x) if self._horizontal else (self._x, self._y)
        places, sizes = (trace.y, trace.x) if self._horizontal else (trace.x, trace.y)
        pairs = [(p, s) for p, s in zip(_values(places), _values(sizes), strict=False)]
        pairs = [(place, size) for place, size in pairs if _is_number(size)]
        band = along.band if along.categories else along.band / max(len(pairs), 1)
        width = 0.8 * band / count
        parts = []
        for place, size in pairs:
            middle = along.at(place) - 0.4 * band + width * (index + 0.5)
            zero, end = across.at(0), across.at(size)
            low, length = min(zero, end), abs(end - zero)
            x, y, w, h = (
                (low, middle - width / 2, length, width)
                if self._horizontal
                else (middle - width / 2, low, width, length)
            )
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{colour}"/>'
            )
        return parts

    def _line(self, trace: Any, colour: str) -> list[str]:
        shift = self._shift(trace)
        points = [
            (self._x.at(x), self._y.at(y) + shift)
            if (_is_number(x) or self._x.categories) and (_is_number(y) or self._y.categories)
            else None
            for x, y in zip(_values(trace.x), _values(trace.y), strict=False)
        ]
        mode = trace.mode or "lines"
        dash = ' stroke-dasharray="6 4"' if trace.line.dash else ""
        parts = self._error_bars(trace, colour, shift)
        # A line ends where there is no value.
        for has_value, group in itertools.groupby(points, key=lambda point: point is not None):
            run = [point for point in group if point is not None] if has_value else []
            if "lines" in mode and len(run) > 1:
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
                parts.append(
                    f'<polyline points="{path}" fill="none" stroke="{colour}" '
                    f'stroke-width="2"{dash}/>'
                )
            if "markers" in mode or len(run) == 1:
                parts += [
                    f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in run
                ]
        return parts

    def _shift(self, trace: Any) -> float:
        """Returns how far points are from the middle of their category, beside other traces'."""
        if self._figure.layout.scattermode != "group" or not self._y.categories:
            return 0.0
        traces = [each for each in self._figure.data if each.type == "scatter"]
        # plotly has the first trace below the others.
        return 0.3 * self._y.band * ((len(traces) - 1) / 2 - traces.index(trace))

    def _error_bars(self, trace: Any, colour: str, shift: float) -> list[str]:
        xs, ys = _values(trace.x), _values(trace.y)
        parts = []
        for y, (_, low, high) in zip(ys, _bounds(xs, trace.error_x), strict=False):
            if low < high and (_is_number(y) or self._y.categories):
                at = self._y.at(y) + shift
                parts.append(_line(self._x.at(low), at, self._x.at(high), at, colour))
        for x, (_, low, high) in zip(xs, _bounds(ys, trace.error_y), strict=False):
            if low < high and (_is_number(x) or self._x.categories):
                parts.append(
                    _line(self._x.at(x), self._y.at(low), self._x.at(x), self._y.at(high), colour)
                )
        return parts

    def _legend(self) -> list[str]:
        named = [
            (trace.name, COLOURS[index % len(COLOURS)])
            for index, trace in enumerate(self._figure.data)
            if trace.name and trace.showlegend is not False
        ]
        if len(named) < 2:
            return []
        parts, x = [], float(self._left)
        for name, colour in named:
            parts.append(f'<rect x="{x:.1f}" y="8" width="12" height="12" fill="{colour}"/>')
            parts.append(_text(x + 17, 18, _short(name), "start"))
            x += 30 + 7.5 * len(_short(name))
        return parts


def _values(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _bounds(values: Sequence[Any], bars: Any) -> Iterator[tuple[Any, float, float]]:
    """Yields each value with the bounds of its error bar; both are the same where it has none."""
    above, below = _values(bars.array), _values(bars.arrayminus)
    for index, value in enumerate(values):
        if not _is_number(value):
            yield value, 0.0, 0.0
            continue
        high = above[index] if index < len(above) and _is_number(above[index]) else 0.0
        low = below[index] if index < len(below) and _is_number(below[index]) else 0.0
        yield value, float(value - low), float(value + high)


def _with_bounds(values: Any, bars: Any) -> list[Any]:
    found = _values(values)
    for value, low, high in _bounds(_values(values), bars):
        found += [low, high] if _is_number(value) else []
    return found


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _nice(size: float) -> float:
    """Returns the nearest 1, 2 or 5 times a power of ten that is not smaller."""
    power = 10 ** math.floor(math.log10(size))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= size * 0.999)


def _short(text: str) -> str:
    # Figures' texts are escaped already, for plotly.
    plain = html.unescape(str(text))
    return plain if len(plain) <= _LABEL_LENGTH else f"{plain[: _LABEL_LENGTH - 1]}…"


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    escaped = html.escape(html.unescape(str(text)))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escaped}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
