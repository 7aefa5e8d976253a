"""The blocks of code of a page."""

import dataclasses
import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^( *)```(.*)$")
INDENTED = re.compile(r"^(?: {4}|\t)\s*\S")
LIST_ITEM = re.compile(r"^ *([-*+]|\d+\.) ")


class PageError(Exception):
    """A page that is not written as CONTRIBUTING.md says."""


@functools.cache
def files_of_the_tree():
    """What is tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@dataclasses.dataclass(frozen=True)
class Block:
    """`line` is that of the opening fence; `page` is relative to the repository."""

    page: str
    line: int
    language: str
    code: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"

    @property
    def first(self):
        """Its first line, by which the list of what is not run names it."""
        return self.code.split("\n")[0].strip()


def blocks(page):
    """All fenced blocks, in order. Indented code is refused, for nothing would tell what it is."""
    found, opened, listed, before = [], None, False, ""
    for number, line in enumerate((ROOT / page).read_text().split("\n"), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened = (number, fence[1], fence[2].strip(), [])
            elif INDENTED.match(line) and not before.strip() and not listed:
                raise PageError(f"{page}:{number}: code by indentation; fence it, and name its language")
            elif line.strip():
                listed = bool(LIST_ITEM.match(line)) or (listed and line.startswith(" "))
        elif fence and not fence[2]:
            start, indent, language, lines = opened
            found.append(Block(page, start, language, "".join(part.removeprefix(indent) + "\n" for part in lines)))
            opened = None
        else:
            opened[3].append(line)
        before = line
    if opened:
        raise PageError(f"{page}:{opened[0]}: the block has no end")
    return found


def section(page, heading):
    """The blocks between a heading and the next one of its level or above."""
    lines = (ROOT / page).read_text().split("\n")
    start = lines.index(heading)
    level = len(heading) - len(heading.lstrip("#"))
    above = re.compile(rf"^#{{1,{level}}} ")
    fenced, end = False, len(lines)
    for number in range(start + 1, len(lines)):
        fenced ^= lines[number].lstrip().startswith("```")
        if not fenced and above.match(lines[number]):
            end = number
            break
    return [block for block in blocks(page) if start < block.line - 1 < end]
