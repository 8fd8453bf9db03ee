"""The chart: what a request costs each server, as a multiple of the floor. One panel for each transport."""

from html import escape

from plan import TRANSPORTS
from targets import CPU, ratio

COLOURS = {"floor": "#b8bec6", "sluice": "#0b6e4f", "nginx": "#e08e45", "lighttpd": "#5b8fc7", "h2o": "#9a6fb0"}
WIDTH, LEFT, RIGHT = 1100, 70, 30
PANEL, GAP, TOP, BOTTOM = 210, 62, 120, 50
CEILING = 2.0  # higher bars are cut off; their label says how high they are
EXPLANATION = ("Lower is better. The floor is the least that a C loop can do: it reads no request and knows one file. "
               "Its bar says what that costs.")
INK, FAINT = "#1f2933", "#e4e7eb"


def draw(report):
    """The SVG as text."""
    lab, servers = report["plan"]["lab"], report["plan"]["servers"]
    load = "4 connections" if lab else "10 connections"
    rows = {(r["transport"], r["size"], r["server"]): r
            for r in report["rows"] if r["load"] == load and r.get("median")}
    panels = [t for t in TRANSPORTS if any(key[0] == t for key in rows)]
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM + 20
    what = "Instructions of the server" if lab else "CPU time of the server"
    facts = report["machine"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text(LEFT, 36, f"{what} per request, as a multiple of the floor", 22, weight="600"),
        text(LEFT, 60, EXPLANATION, 13, "#52606d"),
    ]
    parts += legend(servers)
    for number, transport in enumerate(panels):
        parts += panel(TOP + number * (PANEL + GAP), transport, report["plan"]["sizes"], servers, rows, lab)
    where = f"{facts['date']} · {facts['cpu']} · Linux {facts['kernel']} · commit {facts['commit']} · wrk, {load}"
    parts += [text(LEFT, height - 14, where, 12, "#7b8794"), "</svg>"]
    return "\n".join(parts) + "\n"


def text(x, y, content, size, colour=INK, anchor="start", weight="400"):
    # The white edge keeps a label readable across a line.
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}" stroke="#ffffff" stroke-width="3" paint-order="stroke">{escape(content)}</text>')


def legend(servers):
    x, parts = LEFT, []
    for server in servers:
        parts.append(f'<rect x="{x}" y="77" width="14" height="14" rx="2" fill="{COLOURS[server]}"/>')
        parts.append(text(x + 20, 89, server, 14, weight="600" if server == "sluice" else "400"))
        x += 44 + 9 * len(server)
    return parts


def panel(top, transport, sizes, servers, rows, lab):
    name = TRANSPORTS[transport]
    bottom = top + PANEL
    scale = (PANEL - 40) / CEILING
    parts = [text(LEFT, top + 16, name[0].upper() + name[1:], 16, weight="600")]
    for step in range(5):
        y = bottom - step * scale / 2
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(text(LEFT - 10, y + 4, f"{step / 2:g} ×", 12, "#7b8794", "end"))
    y = bottom - scale
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{INK}" '
                 'stroke-dasharray="5 4" stroke-width="1.2"/>')
    group = (WIDTH - LEFT - RIGHT) / len(sizes)
    bar = min(52, group * 0.86 / len(servers))
    for place, size in enumerate(sizes):
        middle = LEFT + (place + 0.5) * group
        parts.append(text(middle, bottom + 20, size, 14, anchor="middle"))
        floor = rows.get((transport, size, "floor"))
        present = [s for s in servers if (transport, size, s) in rows] if floor else []
        for i, server in enumerate(present):
            x = middle + (i - len(present) / 2) * bar
            row = rows[transport, size, server]
            parts += one_bar(x, bottom, bar, scale, server, row["median"][CPU], ratio(row, floor), lab)
    return parts


def one_bar(x, bottom, width, scale, server, value, times, lab):
    height = min(times, CEILING) * scale
    y = bottom - height
    label = amount(value, lab) if server == "floor" else f"{times:.2f}"
    # A cut through a bar that is higher than shown.
    cut = f'<path d="M{x:.1f} {y + 16:.1f}l{width:.1f} -8v5l-{width:.1f} 8z" fill="#ffffff"/>'
    return [
        f'<rect x="{x + 2:.1f}" y="{y:.1f}" width="{width - 4:.1f}" height="{height:.1f}" rx="2" '
        f'fill="{COLOURS[server]}"/>',
        text(x + width / 2, y - 5, label, 12 if width >= 40 else 11, anchor="middle",
             weight="600" if server == "sluice" else "400"),
        cut if times > CEILING else "",
    ]


def amount(value, lab):
    if lab:
        return f"{value / 1000:.1f} M" if value >= 1000 else f"{value:.0f} k"
    return f"{value / 1000:.1f} ms" if value >= 1000 else f"{value:.0f} µs"
