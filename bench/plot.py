"""Plots as SVG by hand: bars and curves, readable on light and on dark pages."""

import math
from html import escape

WIDTH, LEFT, RIGHT = 760, 170, 90
# Distinct also for those who do not see red and green alike (Okabe and Ito).
LIGHT = ["#0072b2", "#d55e00", "#007a59", "#b0558a", "#9a6b00", "#59636e"]
DARK = ["#4ea1e0", "#f08a4b", "#2fbf93", "#e08fc0", "#e6b450", "#9198a1"]


def colours(values):
    return " ".join(f".c{at} {{ color: {value}; }}" for at, value in enumerate(values))


STYLE = f"""
  text {{ font: 13px system-ui, sans-serif; fill: #1f2328; }}
  .title {{ font-size: 15px; font-weight: 600; }}
  .small {{ font-size: 11px; fill: #59636e; }}
  .axis {{ stroke: #d1d9e0; stroke-width: 1; }}
  .ours {{ fill: #0072b2; }} .synced {{ fill: #d55e00; }} .unsynced {{ fill: #a8b1bb; }}
  .line {{ fill: none; stroke: currentColor; stroke-width: 2; }}
  .name {{ fill: currentColor; }}
  {colours(LIGHT)}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #f0f6fc; }} .small {{ fill: #9198a1; }} .axis {{ stroke: #3d444d; }}
    .ours {{ fill: #4ea1e0; }} .synced {{ fill: #e8894a; }} .unsynced {{ fill: #656c76; }}
    .name {{ fill: currentColor; }}
    {colours(DARK)}
  }}
"""


def svg(height, title, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    title = escape(title)
    body = [f"<title>{title}</title><style>{STYLE}</style>", text(10, 22, title, "title"), *parts]
    return "\n".join([head, *body, "</svg>\n"])


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(str(words))}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="axis"/>'


def bars(title, groups, legend):
    """`groups`: title and bars of each; a bar is its name, value, what is written, and its kind."""
    parts, y = [], 34
    for at, (kind, words) in enumerate(legend):
        x = LEFT + 190 * at
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" class="{kind}"/>')
        parts.append(text(x + 15, y + 9, words, "small"))
    y += 18
    for name, rows in groups:
        most = max(value for _, value, _, _ in rows)
        parts.append(text(10, y + 14, name, "small"))
        y += 20
        for label, value, written, kind in rows:
            length = max(1.0, value / most * (WIDTH - LEFT - RIGHT))
            parts.append(text(LEFT - 8, y + 13, label, anchor="end"))
            parts.append(f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="14" rx="2" class="{kind}"/>')
            parts.append(text(LEFT + length + 6, y + 13, written, "small"))
            y += 19
        y += 8
    return svg(y, title, parts)


def curves(title, across, up, lines, height=300):
    """`lines`: name and points of each. Both axes are logarithmic: what is proportional is straight."""
    points = [point for _, line_ in lines for point in line_]
    x_range = bounds([x for x, _ in points])
    y_range = bounds([y for _, y in points])
    top, bottom, left, right = 44, height - 40, 80, WIDTH - 190
    at = lambda value, low, high, first, last: first + (
        math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low)) * (last - first)
    place = lambda x, y: (at(x, *x_range, left, right), at(y, *y_range, bottom, top))
    parts = []
    for value in powers(*y_range):
        _, y = place(x_range[0], value)
        parts += [line(left, y, right, y), text(left - 8, y + 4, short(value), "small", "end")]
    for value in powers(*x_range):
        x, _ = place(value, y_range[0])
        parts += [line(x, bottom, x, bottom + 4), text(x, bottom + 18, short(value), "small", "middle")]
    parts += [text(left, height - 4, across, "small"), text(10, top - 8, up, "small")]
    ends = []
    for number, (name, line_) in enumerate(lines):
        colour = f"c{number % len(LIGHT)}"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line_))
        parts.append(f'<polyline points="{path}" class="line {colour}"/>')
        for point in line_:
            x, y = place(*point)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="name {colour}"/>')
        ends.append([y, x, name, colour])
    parts += names(ends)
    return svg(height, title, parts)


def names(ends):
    """The lines' names at their ends, pushed apart where they would touch."""
    parts, last = [], -100.0
    for y, x, name, colour in sorted(ends):
        last = max(y, last + 15)
        parts.append(f'<text x="{x + 10:.1f}" y="{last + 4:.1f}" class="name {colour}">{escape(name)}</text>')
    return parts


def bounds(values):
    low, high = min(values), max(values)
    low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    return low, high if high > low else low * 10


def powers(low, high):
    exponent = round(math.log10(low))
    values = []
    while 10**exponent <= high * 1.001:
        values.append(10.0**exponent)
        exponent += 1
    step = 1 + len(values) // 8
    return values[::step]


def short(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
