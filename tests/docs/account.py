"""Who runs which block: this program, another test, or nobody, for a reason that is written down.

Tests that take blocks from a page say so, one line `PAGE:LINE` for each, in the file that
GATEPASS_SNIPPETS names. In a full run of `scripts/test` this is what counts; without it a block is
left to the test that snippets.toml names."""

import os
import tomllib

from markdown import ROOT, files_of_the_tree

LISTS = "tests/docs/snippets.toml"


def record(block):
    """Says that a block is run."""
    if path := os.environ.get("GATEPASS_SNIPPETS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(block.place + "\n")


def recorded():
    """The places that other tests have said they run; none without GATEPASS_SNIPPETS."""
    path = os.environ.get("GATEPASS_SNIPPETS")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split("\n"))
    except FileNotFoundError:
        return set()


def pages():
    """Every Markdown page of the repository, but for the changelog."""
    return sorted(name for name in files_of_the_tree() if name.endswith(".md") and name != "CHANGELOG.md")


class Lists:
    """snippets.toml: what other tests run, and what is not run."""

    def __init__(self):
        lists = tomllib.loads((ROOT / LISTS).read_text())
        self.elsewhere = lists["elsewhere"]
        self.not_run = {(entry["page"], entry["first"]): entry["why"] for entry in lists["not-run"]}

    def test_of(self, block):
        """The other test that runs it, if one does."""
        for entry in self.elsewhere:
            if block.page in entry["pages"] and block.language in entry.get("languages", [block.language]):
                return entry["by"]
        return None

    def reason_of(self, block):
        """Why it is not run, if it is not."""
        return self.not_run.get((block.page, block.first))

    def faults(self, blocks):
        """Entries that fit nothing."""
        existing = {(block.page, block.first) for block in blocks}
        for page, first in self.not_run.keys() - existing:
            yield f"{LISTS}: {page} has no block that begins with {first!r}"
        for entry in self.elsewhere:
            if not (ROOT / entry["by"]).exists():
                yield f"{LISTS}: there is no {entry['by']}"
            for page in entry["pages"]:
                if not any(block.page == page and block.language in entry.get("languages", [block.language]) for block in blocks):
                    yield f"{LISTS}: {page} has no block for {entry['by']}"
