"""Follows a page: all its commands and programs, in their order, in one shell and an empty folder."""

import json
import os
import pathlib
import re
import signal
import subprocess

import account
from markdown import ROOT
from surroundings import Surroundings

HERE = pathlib.Path(__file__).resolve().parent
MARK = "-- the output of block"
PATIENCE = 600

# How a program of a language is run, once it is in a file.
PROGRAMS = {
    "sh": (".sh", ". "), "js": (".mjs", "node "), "python": (".py", "python3 "), "php": (".php", "php "),
    "ruby": (".rb", "ruby "), "elixir": (".exs", "elixir "), "go": (".go", "go run "), "java": (".java", "java "),
}  # fmt: skip

# What is shown after a command: all of its output, or some members of its JSON.
OUTPUTS = ("text", "json")


class Failure(Exception):
    pass


def follow(page, blocks):
    """Runs the blocks of a page that are programs or outputs. Takes what is left to others out."""
    with Surroundings(whole_tree=not page.startswith("docs/")) as here:
        script = here.folder_of_programs / "page.sh"
        script.write_text("".join(step(block, here) for block in blocks if block.language in PROGRAMS))
        outputs = run(page, script, here)
        for block, shown in zip(blocks, [*blocks[1:], None]):
            if block.language not in PROGRAMS:
                continue
            printed = outputs[block.line]
            try_url(block, printed, here)
            if shown and shown.language in OUTPUTS:
                compare(shown, printed)
            account.record(block)


def step(block, here):
    """The lines of the script that run a block."""
    ending, interpreter = PROGRAMS[block.language]
    file = here.folder_of_programs / f"{block.line}{ending}"
    file.write_text(here.placed(block.code))
    lines = [f"echo '{MARK} {block.line}'"]
    if block.language == "sh":
        lines.append(f". '{file}'")
    else:
        # A program that makes a URL makes the one that the next commands use.
        lines += [f"printed=$({interpreter}'{file}')", 'echo "$printed"', 'case "$printed" in http*method=put*) export URL="$printed" ;; esac']
    return "\n".join(lines) + "\n"


def run(page, script, here):
    """Runs the script; what each block has printed, by its line."""
    command = ["bash", "-euo", "pipefail", script]
    options = {"cwd": here.folder, "env": here.environment, "encoding": "utf-8", "errors": "replace", "start_new_session": True}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as shell:
        try:
            printed, errors = shell.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            printed, errors = shell.communicate()
            errors += f"\nit was ended after {PATIENCE} s"
    outputs = {int(line): text for line, text in re.findall(rf"{MARK} (\d+)\n(.*?)(?={MARK} \d+\n|\Z)", printed, re.S)}
    if shell.returncode != 0:
        last = max(outputs, default=0)
        raise Failure(f"{page}:{last}: exit code {shell.returncode}\n{outputs.get(last, '')}{errors}")
    return outputs


def compare(shown, printed):
    """`...` stands for anything in a text; a JSON object may have more members than are shown."""
    same = contains(json.loads(printed), json.loads(shown.code)) if shown.language == "json" else is_like(printed, shown.code)
    if not same:
        raise Failure(f"{shown.place}: what is printed is\n{printed}and not\n{shown.code}")


def is_like(text, shown):
    return re.fullmatch(r"[^\n]*?".join(map(re.escape, shown.split("..."))), text) is not None


def contains(answer, shown):
    """Whether an answer, or its `data`, has what is shown."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        if all(name in answer and contains(answer[name], value) for name, value in shown.items()):
            return True
        return isinstance(answer.get("data"), dict) and contains(answer["data"], shown)
    if isinstance(shown, str) and isinstance(answer, str):
        return is_like(answer, shown)
    return answer == shown


def try_url(block, printed, here):
    """What prints signed URLs has to print such that the service accepts."""
    for url in re.findall(rf"^{re.escape(here.delivery)}/\S+&signature=\S+$", printed, re.M):
        status = here.use(url)
        if status in (400, 401, 403):
            raise Failure(f"{block.place}: {url} is answered with {status}")
