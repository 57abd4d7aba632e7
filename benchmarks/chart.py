"""A chart of a run as SVG: mails a second as multiples of one side's, on a log scale.

It has no background of its own and its colours are legible on white and on black.
"""

from __future__ import annotations

from html import escape
from math import log10

from .measure import Result
from .report import times

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD = 860, 280, 70, 18, 6, 34

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .ours { fill: #1a7f5a }
  .other { fill: #8a94a0 }
  .line { stroke: #8a94a0; stroke-opacity: .4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #3fb98a }
    .other { fill: #768390 }
  }
"""


def chart(results: list[Result], measure: str, title: str) -> str:
    """Return the SVG of the cases that one side is the measure of.

    Args:
        measure: the label of that side.
        title: what the chart shows.
    """
    shown = [
        result
        for result in results
        if result.case.kind != "attachment" and result.figures[0].label == measure
    ]
    most = max(one.ratio for result in shown for one in result.figures)
    scale = (WIDTH - LEFT - RIGHT) / log10(most)
    parts: list[str] = []
    y = 10.0
    for result in shown:
        parts.append(f'<text class="title" x="10" y="{y + 16}">{escape(result.case.title)}</text>')
        y += HEAD - GAP
        for one in result.figures:
            parts += _bar(one.label, one.ratio, y, scale)
            y += BAR + GAP
        y += GAP * 2
    height = round(y)
    lines = [
        f'<line class="line" x1="{x:.1f}" y1="10" x2="{x:.1f}" y2="{height - 10}"/>'
        for power in range(int(log10(most)) + 1)
        for x in [LEFT + power * scale]
    ]
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join(
        [
            head,
            f"<title>{escape(title)} (log scale)</title>",
            f"<style>{_STYLE}</style>",
            *lines,
            *parts,
            "</svg>",
            "",
        ]
    )


def _bar(label: str, ratio: float, y: float, scale: float) -> list[str]:
    width = max(2.0, log10(max(1.0, ratio)) * scale)
    kind = "ours" if label.startswith("mailsetup") else "other"
    middle = y + BAR - 5
    return [
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{times(ratio)}</text>',
    ]
