"""Draws one trace of a trace file as an SVG picture, for these pages:

python docs/draw_trace.py all.json ID > picture.svg        # ID: how the id of the trace begins
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from zcp_actors.cli.trace_file import Span, read_spans
from zcp_actors.cli.trace_tree import Row, Trace, traces_of

WIDTH, NAMES, LINE, TOP, INDENT = 1280, 430, 24, 84, 16
FONT = "DejaVu Sans, Arial, sans-serif"
SERVICES = ("#17807e", "#b5651d", "#5b5ea6", "#3c7a3c")

HATCHED = """<defs><pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#f3e3b3"/><rect width="2" height="6" fill="#d9a400"/></pattern></defs>"""


def draw(trace: Trace) -> str:
    services = list(dict.fromkeys(row.span.service for row in trace.rows))
    height = TOP + LINE * len(trace.rows) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="{FONT}">',
        HATCHED,
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(16, 28, trace.rows[0].span.name, size=17, weight="bold"),
        text(16, 50, said(trace), fill="#555"),
        *legend(services),
        *scale(trace, height),
    ]
    for number, row in enumerate(trace.rows):
        parts += line(trace, row, TOP + LINE * number, SERVICES[services.index(row.span.service) % len(SERVICES)])
    return "\n".join([*parts, "</svg>"])


def legend(services: list[str]) -> list[str]:
    parts = []
    for number, service in enumerate([*services, "a wait"]):
        x, fill = (
            WIDTH - 190 * (len(services) + 1 - number),
            "url(#wait)" if number == len(services) else SERVICES[number],
        )
        parts += [f'<rect x="{x}" y="18" width="22" height="12" rx="2" fill="{fill}"/>', text(x + 28, 29, service)]
    return parts


def said(trace: Trace) -> str:
    parts = (f"{len(trace.rows)} spans", time(trace.duration), f"waited {time(trace.waited)}")
    return " · ".join((f"trace {trace.id}", *parts))


def scale(trace: Trace, height: int) -> list[str]:
    parts = []
    for quarter in range(5):
        x = NAMES + (WIDTH - NAMES - 90) * quarter / 4
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height}" stroke="#e3e3e3"/>')
        parts.append(text(x + 3, TOP - 10, time(trace.duration * quarter // 4), size=11, fill="#777"))
    return parts


def line(trace: Trace, row: Row, y: int, colour: str) -> list[str]:
    span, room = row.span, WIDTH - NAMES - 90
    x = NAMES + room * (span.start - trace.start) / trace.duration
    width = max(3.0, room * span.duration / trace.duration)
    left = 16 + INDENT * len(row.last)
    return [
        f'<rect x="{left}" y="{y + 5}" width="4" height="14" fill="{colour}"/>',
        text(left + 10, y + 17, span.name, weight="bold" if not row.last else "normal"),
        f'<rect x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="12" rx="2" fill="{fill(span, colour)}"/>',
        text(x + width + 5, y + 16, time(span.duration), size=11, fill="#444"),
    ]


def fill(span: Span, colour: str) -> str:
    if span.waits:
        return "url(#wait)"
    return "#c0392b" if span.error else colour


def text(x: float, y: float, words: str, *, size: int = 13, weight: str = "normal", fill: str = "#111") -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'


def time(micro: int) -> str:
    return f"{micro / 1e3:.1f} ms"


if __name__ == "__main__":
    file, id = sys.argv[1:]
    (wanted,) = (trace for trace in traces_of(read_spans([Path(file)])) if trace.id.startswith(id))
    print(draw(wanted))
