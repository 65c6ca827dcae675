"""``lines``: how numbers change over time, drawn, and as a table in plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workshop_lib.evidence.messages import Display
from workshop_lib.views import svg

_LEFT, _RIGHT, _TOP, _HEIGHT = 48, 560, 40, 200
_DASHES = ("none", "8 4", "2 3", "10 3 2 3")  # tell the lines apart without colour


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> None:
    """Draw lines that go in steps: each value holds until the next point.

    Args:
        title: What the picture shows.
        series: A line's name, and its points (x, y) in the order of x; at most four lines.
        x: What the horizontal axis counts, with its unit.
        y: What the vertical axis counts.
    """
    points = [point for line in series.values() for point in line]
    widest, highest = (max(max(axis), 1e-9) for axis in zip(*points, strict=True))
    shapes = [svg.text(8, 18, title, bold=True), svg.text(8, _TOP - 4, y, opacity=0.75)]
    for value in _ticks(highest):
        down = _TOP + 8 + (1 - value / highest) * _HEIGHT
        shapes.append(svg.path(f"M{_LEFT} {down:.1f}H{_RIGHT}", stroke=svg.GRID, stroke_width=0.5))
        shapes.append(svg.text(_LEFT - 8, down + 4, f"{value:g}", text_anchor="end", opacity=0.75))
    for value in _ticks(widest):
        across = _LEFT + value / widest * (_RIGHT - _LEFT)
        shapes.append(svg.text(across, _TOP + _HEIGHT + 26, f"{value:g}", text_anchor="middle", opacity=0.75))
    shapes.append(svg.text(_RIGHT + 16, _TOP + _HEIGHT + 26, x, opacity=0.75))
    for number, (name, line) in enumerate(series.items()):
        place = [
            (_LEFT + across / widest * (_RIGHT - _LEFT), _TOP + 8 + (1 - up / highest) * _HEIGHT) for across, up in line
        ]
        (first_x, first_y), *others = place
        steps = f"M{first_x:.1f} {first_y:.1f}" + "".join(f"H{across:.1f}V{down:.1f}" for across, down in others)
        shapes.append(svg.path(steps, stroke=svg.WORK, stroke_width=2, stroke_dasharray=_DASHES[number]))
        key = _TOP + 16 + 22 * number
        shapes.append(
            svg.path(f"M{_RIGHT + 16} {key}h36", stroke=svg.WORK, stroke_width=2, stroke_dasharray=_DASHES[number])
        )
        shapes.append(svg.text(_RIGHT + 60, key + 4, name))
    Display().show(svg.picture(title, _TOP + _HEIGHT + 36, shapes), _table(title, series, x, y))


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 up, at most seven."""
    rough = highest / 6
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [round(number * step, 9) for number in range(int(highest / step) + 1)]


def _table(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    told = [title]
    for name, line in series.items():
        some = line[:: max(1, len(line) // 6)]
        told.append(f"  {name}: " + ", ".join(f"{up:.3g} at {across:.2f}" for across, up in some))
    return "\n".join([*told, f"  ({y}, at {x})"])


def bars(title: str, rows: Mapping[str, tuple[float, float]], *, parts: tuple[str, str], unit: str) -> None:
    """Draw bars of two parts, the first filled, the second hollow.

    Args:
        title: What the picture shows.
        rows: A bar's name, and how long its parts are.
        parts: What the two parts are.
        unit: What they count.
    """
    longest = max(first + second for first, second in rows.values()) or 1
    shapes, text, y = [svg.text(8, 18, title, bold=True)], [title], 44.0
    for name, (first, second) in rows.items():
        scale = 400 / longest
        share = round(100 * first / ((first + second) or 1))
        said = f"{first:g} + {second:g} {unit}, {share} % {parts[0]}"
        shapes += [
            svg.text(8, y + 4, name, room=180),
            svg.rect(196, y - 9, first * scale, 18, fill=svg.WORK),
            svg.rect(196 + first * scale, y - 9, second * scale, 18, fill="none", stroke=svg.WAIT) if second else "",
            svg.text(204 + (first + second) * scale, y + 4, said, room=svg.WIDTH - 204 - (first + second) * scale),
        ]
        text.append(f"  {name}: {said}")
        y += 28
    shapes.append(svg.text(8, y + 8, f"filled: {parts[0]} · hollow: {parts[1]}", opacity=0.75))
    Display().show(svg.picture(title, y + 18, shapes), "\n".join(text))
