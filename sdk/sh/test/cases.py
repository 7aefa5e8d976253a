"""One case of vectors/signing.json, as the script answers it. Run as a program, it answers the
cases on its standard input: a URL, claims, or "!" and a code, one a line.

GATEPASS_SHELL names the shell, sh by default."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[1] / "gatepass-sign"
CLAIMS = ("sub", "path", "size", "type", "etag", "iat", "exp")


def run(*arguments, key="gp_test_key", public_url="https://files.example.net", shell=None):
    environment = {**os.environ, "GATEPASS_API_KEY": key, "GATEPASS_PUBLIC_URL": public_url}
    command = [*(shell or os.environ.get("GATEPASS_SHELL", "sh")).split(), str(SCRIPT), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return done.stdout.removesuffix("\n")
    program, code, _ = done.stderr.split(": ", 2)
    assert done.returncode == 1 and program == "gatepass-sign", done.stderr
    return f"!{code}"


def answer(case, shell=None):
    try:
        if case["kind"] == "receipt":
            found = run("verify-receipt", case["token"], "--now", str(case["now"]), key=case["key"], shell=shell)
            return found if found.startswith("!") else line(json.loads(found))
        return run("sign", case["path"], *options(case["policy"]), key=case["key"], public_url=case["public_url"], shell=shell)
    except ValueError:
        # An argument cannot hold a zero byte: the system refuses.
        return expected(case) if "\\u0000" in json.dumps(case) else "!"


def options(policy):
    for name, value in policy.items():
        if name == "meta":
            for key, entry in value.items():
                yield from ("--meta", key, entry)
        else:
            yield from (f"--{name.replace('_', '-')}", str(value).lower() if isinstance(value, bool) else str(value))


def expected(case):
    if "url" in case:
        return case["url"]
    expect = case["expect"]
    return line(expect["accept"]) if "accept" in expect else f"!{expect['refuse']}"


def line(claims):
    return "\t".join(str(claims[name]) for name in CLAIMS)


def answer_all(cases, shell=None):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda case: answer(case, shell), cases))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    for one in answer_all(json.load(sys.stdin.buffer)):
        print(one)
