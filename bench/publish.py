#!/usr/bin/env python3
"""Writes what was measured into docs/performance.md, between the marks that are there, and the plots.

    python3 bench/publish.py             # from bench/results, measuring nothing
"""

import argparse
import json
import re
from pathlib import Path

import plot
import report
import targets
from load import ROOT, machine

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
RESULTS = ROOT / "bench" / "results"
LEGEND = [("ours", "Gatepass, synced"), ("synced", "synced before the answer"), ("unsynced", "not synced")]
SYNCED = ("rustus-fsync", "garage-fsync", "floor")


def put(name, lines, page=PAGE):
    """Replaces what stands between the marks of this name."""
    text = page.read_text()
    pattern = re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{page.name} has no place for {name}")
    page.write_text(pattern.sub(lambda m: m.group(1) + "\n" + "\n".join(lines) + "\n\n" + m.group(2), text))


def draw(name, picture):
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_text(picture)


def group(results, case):
    rows = []
    for peer in results.peers(case):
        value = results.median(case.key, peer, case.main)
        kind = "ours" if peer == "gatepass" else "synced" if peer in SYNCED else "unsynced"
        rows.append((report.TITLES[peer], value, f"{report.number(value)} {report.UNITS[case.main]}", kind))
    return case.title, rows


PICTURES = {
    "small": ("Small uploads a second: more is better", "put-16k"),
    "middle": ("Uploads of 256 KiB a second: more is better", "put-256k"),
    "large": ("Uploads of 1 GiB, MB/s until they are on the disk: more is better", "put-1g"),
    "chunks": ("A file in 16 MiB chunks, seconds: less is better", "chunks-2048m"),
    "reads": ("Downloads a second: more is better", "get"),
    "slow": ("Memory of a slow upload, KiB: less is better", "slow"),
}


def compare(rows, about):
    """The page's part about the peers."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "machine.json").write_text(json.dumps(about) + "\n")
    results = report.Results(rows)
    lines, met = targets.table(results)
    put("in short", report.in_short(results))
    put("targets", lines)
    put("targets met", [f"{met} of {len(targets.TARGETS)} are met. Small uploads reach {targets.near(results)} a second "
        "with 1, 16 and 64 clients: of what disk and cores were thought to allow when the targets were set."])
    put("machine", [report.about(about) + "."])
    for name, (title, prefix) in PICTURES.items():
        cases = [case for case in results.cases() if case.key.startswith(prefix)]
        if cases:
            draw(name, plot.bars(title, [group(results, case) for case in cases], LEGEND))
    lines = []
    for case in results.cases():
        lines += [f"**{case.title}**", "", *report.table(results, case), ""]
    put("tables", lines[:-1])


def main():
    about = "Writes the figures and plots of docs/performance.md from bench/results, measuring nothing."
    argparse.ArgumentParser(description=about).parse_args()
    if not report.KEPT.exists():
        raise SystemExit("there are no results in bench/results: `compare.py --publish` and `scale.py --publish` keep theirs there")
    rows = [json.loads(line) for line in report.KEPT.read_text().splitlines()]
    compare(rows, json.loads((RESULTS / "machine.json").read_text()))
    import scale

    scale.publish()


if __name__ == "__main__":
    main()
