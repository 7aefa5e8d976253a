"""What this project wants to reach, held against what was measured."""

from dataclasses import dataclass

from report import TITLES, number, spread


@dataclass
class Beside:
    """A figure as a multiple of a peer's, in the same round."""

    title: str
    case: str
    peer: str
    goal: float
    figure: str = "rate"
    less: bool = False  # the figure itself is better when it is less
    most: bool = False  # the ratio must not be above the goal

    def wanted(self):
        return f"{'at most' if self.most else 'at least'} {self.goal} x {TITLES[self.peer]}"

    def measured(self, results):
        ratio = results.ratio(self.case, self.figure, self.peer)
        if ratio is None:
            return None
        if self.less and not self.most:
            ratio = 1 / ratio[0], 1 / ratio[2], 1 / ratio[1]
        met = ratio[0] <= self.goal if self.most else ratio[0] >= self.goal
        return f"{spread(ratio)} x", met


@dataclass
class Figure:
    """A figure by itself."""

    title: str
    case: str
    figure: str
    goal: float
    unit: str
    most: bool = True

    def wanted(self):
        return f"{'at most' if self.most else 'at least'} {number(self.goal)} {self.unit}".strip()

    def measured(self, results):
        value = results.median(self.case, "gatepass", self.figure)
        if value is None:
            return None
        met = value <= self.goal if self.most else value >= self.goal
        values = results.values(self.case, "gatepass", self.figure)
        return f"{spread((value, min(values), max(values)))} {self.unit}".strip(), met


@dataclass
class Growth:
    """A figure of one case as a multiple of the same in a smaller case."""

    title: str
    case: str
    smaller: str
    figure: str
    goal: float

    def wanted(self):
        return f"at most {self.goal} x"

    def measured(self, results):
        large = results.median(self.case, "gatepass", self.figure)
        small = results.median(self.smaller, "gatepass", self.figure)
        if large is None or not small:
            return None
        return f"{number(large / small)} x ({number(small)} and {number(large)} ms)", large / small <= self.goal


def small():
    for clients, rustus, garage in ((1, 1.4, 8), (16, 1.3, 18), (64, 1.8, 20)):
        case, title = f"put-16k-{clients}", f"PUT 16 KiB, {clients} at once"
        yield Beside(title, case, "rustus-fsync", rustus)
        yield Beside(title, case, "garage-fsync", garage)
        yield Beside(f"{title}: processor time", case, "rustus-fsync", 0.8, "cpu_us", most=True)
    for clients in (16, 64):
        case, title = f"put-256k-{clients}", f"PUT 256 KiB, {clients} at once"
        yield Beside(title, case, "rustus-fsync", 1.05)
        yield Beside(title, case, "nginx", 0.6)


def large():
    for clients in (1, 4):
        case, title = f"put-1g-{clients}", f"PUT 1 GiB, {clients} at once"
        yield Beside(f"{title}: MB/s until on the disk", case, "nginx", 1.2, "durable_mb_s")
        yield Beside(f"{title}: processor time", case, "nginx", 1.2, "cpu_s_gib", most=True)
        yield Figure(f"{title}: memory", case, "peak_mib", 24, "MiB")


def chunks():
    for clients in (4, 8):
        case, title = f"chunks-2048m-{clients}", f"2 GiB in chunks, {clients} at once"
        yield Beside(f"{title}: time", case, "nginx", 1.5, "seconds", less=True, most=True)
        for peer, goal in (("rustus", 3.5), ("garage", 5), ("garage-fsync", 6)):
            yield Beside(title, case, peer, goal, "seconds", less=True)
    case = "chunks-2048m-4"
    yield Figure("the call that completes 2 GiB", case, "finish_ms", 20, "ms")
    yield Growth("that call at 2 GiB and at 256 MiB", case, "chunks-256m-4", "finish_ms", 1.5)
    yield Figure("2 GiB in chunks: written for each byte", case, "written", 1.01, "")


def other():
    for case, title, goal in (
        ("get-16k", "GET 16 KiB", 0.9), ("get-1024k", "GET 1 MiB", 1.0), ("get-64k-range", "GET ranges of 64 KiB", 0.9),
    ):
        yield Beside(title, case, "nginx-signed", goal)
        yield Figure(f"{title}: p99, without stalls", case, "p99_ms", 40, "ms")
    yield Figure("8,000 slow uploads: still there", "slow-8000", "alive", 1, "of them", most=False)
    yield Figure("8,000 slow uploads: memory of each", "slow-8000", "kib_each", 20, "KiB")
    yield Figure("a fast upload beside them", "slow-8000", "kept", 0.8, "of its speed", most=False)
    yield Figure("PUT 16 KiB beside them: p99", "slow-8000", "p99_ms", 5, "ms")
    yield Figure("start with 100,000 files to the first upload", "first", "first_ms", 15, "ms")
    yield Figure("memory at idle, after that", "first", "idle_mib", 16, "MiB")
    yield Figure("binary", "first", "binary_mb", 25, "MB")
    yield Figure("PUT 16 KiB for a minute: the last 10 s by the first 10 s", "steady", "kept", 0.9, "", most=False)


TARGETS = [*small(), *large(), *chunks(), *other()]


def peers(case):
    """Those that a case is held against."""
    named = {target.peer for target in TARGETS if isinstance(target, Beside) and target.case == case}
    return {"gatepass", "nginx"} | named


def table(results):
    """Lines of Markdown, and how many targets are met."""
    lines, met = ["| | target | measured | |", "|---|---|---|---|"], 0
    for target in TARGETS:
        found = target.measured(results)
        written, reached = found or ("not measured", False)
        met += reached
        word = "met" if reached else "**missed**" if found else ""
        lines.append(f"| {target.title} | {target.wanted()} | {written} | {word} |")
    return lines, met


NEAR = {"put-16k-1": 2_500, "put-16k-16": 8_500, "put-16k-64": 10_000}


def near(results):
    """How near the small uploads are to what this disk and two cores allow."""
    parts = []
    for case, limit in NEAR.items():
        if (rate := results.median(case, "gatepass", "rate")) is not None:
            parts.append(f"{rate / limit:.0%} of {limit:,}")
    return ", ".join(parts)
