"""Medians, ratios within a round, and tables of them."""

import statistics
from collections import defaultdict
from pathlib import Path

from workloads import CASES

KEPT = Path(__file__).resolve().parent / "results" / "compare.jsonl"
TITLES = {
    "gatepass": "Gatepass", "floor": "disk floor", "nginx": "nginx", "nginx-signed": "nginx, signed URLs",
    "apache": "Apache", "rustus": "rustus", "rustus-fsync": "rustus, fsync", "tus-node": "@tus/server",
    "garage": "Garage", "garage-fsync": "Garage, fsync",
}
UNITS = {
    "rate": "/s", "durable_mb_s": "MB/s", "mb_s": "MB/s", "seconds": "s", "kib_each": "KiB", "first_ms": "ms",
    "kept": "x",
}
# Over the column of a main figure, where the unit alone would not tell what it is.
HEADS = {
    "seconds": "time, s", "durable_mb_s": "MB/s until on the disk", "kib_each": "memory of each upload, KiB",
    "first_ms": "time, ms", "kept": "rate of the last 10 s by that of the first 10 s",
}

# Cores that others used, above which a run counts only where there are no two better ones.
DISTURBED = 0.3


class Results:
    """Rows of `compare.py`: the figures of each case and peer, by round."""

    def __init__(self, rows):
        self.found = defaultdict(dict)
        self.failed = defaultdict(list)
        for row in rows:
            key = row["case"], row["peer"]
            if "error" in row["figures"]:
                self.failed[key].append(row["figures"]["error"])
            else:
                self.found[key][row["round"]] = row["figures"]
        for key, rounds in self.found.items():
            quiet = {r: f for r, f in rounds.items() if (f.get("foreign") or 0) <= DISTURBED}
            if len(quiet) >= 2:
                self.found[key] = quiet

    def values(self, case, peer, figure):
        rounds = self.found[case, peer].values()
        return [f[figure] for f in rounds if f.get(figure) is not None]

    def median(self, case, peer, figure):
        values = self.values(case, peer, figure)
        return statistics.median(values) if values else None

    def ratio(self, case, figure, base, peer="gatepass", base_figure=None):
        """Of the rounds that both took part in: the median of the ratios, the lowest, the highest."""
        mine, other = self.found[case, peer], self.found[case, base]
        ratios = [
            mine[r][figure] / other[r][base_figure or figure]
            for r in mine.keys() & other.keys()
            if mine[r].get(figure) is not None and other[r].get(base_figure or figure)
        ]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def cases(self):
        return [case for case in CASES if any(key == case.key and found for (key, _), found in self.found.items())]

    def peers(self, case):
        """Those that have figures, Gatepass first, then by what they reach."""
        peers = [p for (key, p), found in self.found.items() if key == case.key and found]
        order = 1 if case.less else -1
        return sorted(peers, key=lambda p: (p != "gatepass", order * self.median(case.key, p, case.main)))


def number(value):
    if value is None:
        return ""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def spread(ratio):
    return f"{number(ratio[0])} ({number(ratio[1])}..{number(ratio[2])})" if ratio else ""


# Title of a column, and the figure in it.
COLUMNS = {
    "put": [("p50, ms", "p50_ms"), ("p99, ms", "p99_ms"), ("CPU each, µs", "cpu_us"), ("written a byte", "written"), ("peak memory, MiB", "peak_mib")],
    "put-1g": [("MB/s until answered", "mb_s"), ("CPU, s/GiB", "cpu_s_gib"), ("written a byte", "written"), ("peak memory, MiB", "peak_mib")],
    "chunks": [("MB/s", "mb_s"), ("MB/s until on the disk", "durable_mb_s"), ("completing call, ms", "finish_ms"), ("CPU, s/GiB", "cpu_s_gib"), ("written a byte", "written"), ("peak memory, MiB", "peak_mib")],
    "get": [("MB/s", "mb_s"), ("p50, ms", "p50_ms"), ("p99, ms", "p99_ms"), ("CPU each, µs", "cpu_us")],
    "slow": [("share still connected", "alive"), ("cores used", "cores"), ("speed that a fast upload keeps", "kept"), ("p99 of small uploads beside them, ms", "p99_ms"), ("the same without them, ms", "p99_alone_ms")],
    "first": [("memory at idle, MiB", "idle_mib"), ("binary, MB", "binary_mb")],
    "steady": [("PUT/s", "rate"), ("p99, ms", "p99_ms")],
}


def columns(case):
    return next(COLUMNS[key] for key in sorted(COLUMNS, reverse=True) if case.key.startswith(key))


def table(results, case):
    """Lines of Markdown: a row for each peer, with the ratio of Gatepass to it."""
    more = columns(case)
    head = HEADS.get(case.main, UNITS[case.main])
    lines = ["| | " + " | ".join([head, "Gatepass is"] + [title for title, _ in more] + ["rounds"]) + " |"]
    lines.append("|---" * (len(more) + 4) + "|")
    for peer in results.peers(case):
        ratio = "" if peer == "gatepass" else times(results.ratio(case.key, case.main, peer), case.less)
        cells = [number(results.median(case.key, peer, case.main)), ratio]
        cells += [number(results.median(case.key, peer, figure)) for _, figure in more]
        cells.append(str(len(results.found[case.key, peer])))
        lines.append(f"| {TITLES[peer]} | " + " | ".join(cells) + " |")
    return lines


def times(ratio, less):
    """A ratio so that more is better."""
    if ratio and less:
        ratio = 1 / ratio[0], 1 / ratio[2], 1 / ratio[1]
    return f"{spread(ratio)} x" if ratio else ""


# What is told first: what was done, by the beginnings of its cases, and beside whom.
SHORT = [
    ("uploads of 16 KiB", ["put-16k"], ["rustus-fsync", "garage-fsync"]),
    ("uploads of 16 KiB, one at a time", ["put-16k-1"], ["nginx"]),
    ("16 and 64 of them at a time", ["put-16k-16", "put-16k-64"], ["nginx"]),
    ("uploads of 256 KiB", ["put-256k"], ["rustus-fsync", "nginx"]),
    ("uploads of 1 GiB until they are on the disk", ["put-1g"], ["nginx"]),
    ("a file of 2 GiB in chunks", ["chunks-2048m"], ["rustus", "garage", "garage-fsync", "nginx"]),
    ("downloads of 16 KiB", ["get-16k"], ["nginx-signed"]),
    ("downloads of 1 MiB and of ranges of 64 KiB", ["get-1024k", "get-64k-range"], ["nginx-signed"]),
]
# From this ratio on something is faster; slower below its inverse.
CLEAR = 1.05


def in_short(results):
    """Lines of Markdown: where Gatepass is faster and where it is not, by the ratios of the tables."""
    faster, slower, neither = {}, {}, {}
    for what, beginnings, peers in SHORT:
        for peer in peers:
            ratios = sorted(factors(results, beginnings, peer))
            if not ratios:
                continue
            kind = faster if ratios[0] >= CLEAR else slower if ratios[-1] <= 1 / CLEAR else neither
            ends = " to ".join(dict.fromkeys(number(ratio) for ratio in (ratios[0], ratios[-1])))
            kind.setdefault(what, []).append(f"{ends} x {TITLES[peer].replace(',', ' with')}")
    kinds = {"Gatepass is faster": faster, "The other is faster": slower, "Neither is clearly faster": neither}
    told = lambda found: "; ".join(f"{what} ({', '.join(ratios)})" for what, ratios in found.items())
    return [f"- **{kind}**: {told(found)}." for kind, found in kinds.items() if found]


def factors(results, beginnings, peer):
    """How many times as fast as a peer Gatepass is, in each case."""
    for case in results.cases():
        named = any(f"{case.key}-".startswith(f"{beginning}-") for beginning in beginnings)
        if named and (ratio := results.ratio(case.key, case.main, peer)):
            yield 1 / ratio[0] if case.less else ratio[0]


def text(rows, machine):
    """Everything, for a terminal."""
    results = Results(rows)
    lines = [about(machine), "Medians. In brackets the lowest and the highest ratio of a round."]
    for case in results.cases():
        lines += ["", case.title, *table(results, case)]
    for (case, peer), errors in results.failed.items():
        lines.append(f"failed: {case} {peer}, {len(errors)} times: {errors[0][:200]}")
    return "\n".join(lines)


def about(machine):
    return f"{machine['cores']} cores ({machine['model']}), Linux {machine['kernel']}, {machine['filesystem']}"


def brief(case, row):
    figures = row["figures"]
    if "error" in figures:
        return f"{case.key} {row['peer']}: failed: {figures['error'][:160]}"
    foreign = figures.get("foreign") or 0
    note = f" ({foreign:.1f} cores were used by others)" if foreign > 0.3 else ""
    return f"{case.key} {row['peer']}: {number(figures[case.main])} {UNITS[case.main]}{note}"
