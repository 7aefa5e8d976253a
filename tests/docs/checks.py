"""Configuration and data on pages, checked by the program that they are for."""

import configparser
import json
import pathlib
import subprocess
import tempfile
import tomllib

import account
from surroundings import GATEPASS


class Failure(Exception):
    pass


def check(block):
    """Checks a block that is no program. An unknown language is a fault of the page."""
    checker = CHECKERS.get(block.language)
    if checker is None:
        known = ", ".join(sorted(CHECKERS))
        raise Failure(f"{block.place}: nothing can run {block.language or 'a block without a language'!r} (known here: programs, {known})")
    try:
        checker(block.code)
    except (Failure, ValueError, configparser.Error) as error:
        raise Failure(f"{block.place}: {error}") from None
    account.record(block)


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, encoding="utf-8", timeout=120, **options)
    if done.returncode != 0:
        raise Failure(f"{command[0]} refuses it:\n{done.stdout}{done.stderr}")


def in_file(name, text, *command):
    """Runs a checker on the text in a file, whose place is FILE in the command."""
    with tempfile.TemporaryDirectory(prefix="gatepass-docs-") as folder:
        file = pathlib.Path(folder) / name
        file.write_text(text)
        run(*(file if part == "FILE" else part for part in command))


def nginx(code):
    """A server of a site, with a certificate made for it in place of the one it names."""
    with tempfile.TemporaryDirectory(prefix="gatepass-docs-") as name:
        folder = pathlib.Path(name)
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=files.example.net", "-keyout", key, "-out", certificate)
        files = {"ssl_certificate": certificate, "ssl_certificate_key": key}
        lines = [
            f"{words[0]} {files[words[0]]};" if (words := line.split()) and words[0] in files else line
            for line in code.split("\n")
        ]  # fmt: skip
        config = folder / "nginx.conf"
        config.write_text(f"pid {folder}/pid; error_log {folder}/log;\nevents {{}}\nhttp {{ access_log off;\n" + "\n".join(lines) + "}\n")
        run("nginx", "-t", "-q", "-p", folder, "-c", config)


def caddyfile(code):
    in_file("Caddyfile", code, "caddy", "validate", "--adapter", "caddyfile", "--config", "FILE")


def systemd(code):
    """A unit; the program that it starts is the one that was built."""
    in_file("gatepass-docs.service", code.replace("/usr/local/bin/gatepass", str(GATEPASS)).replace("/usr/bin/gatepass", str(GATEPASS)),
            "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "FILE")  # fmt: skip


def yaml(code):
    """Ruby brings a parser; each document has to be one."""
    in_file("page.yaml", code, "ruby", "-ryaml", "-e", "YAML.parse_stream(File.read(ARGV[0])).children.each(&:to_ruby)", "FILE")


def settings(code):
    """A configuration file of ours."""
    tomllib.loads(code)
    in_file("gatepass.toml", code, GATEPASS, "config", "print", "--config", "FILE")


def http(code):
    """A request or an answer: a first line, then headers."""
    first, *rest = code.strip("\n").split("\n\n")[0].split("\n")
    if not first.startswith("HTTP/") and len(first.split(" ")) not in (2, 3):
        raise Failure(f"no first line of HTTP: {first}")
    for line in rest:
        if ": " not in line and not line.endswith(":"):
            raise Failure(f"no header: {line}")


CHECKERS = {
    "json": json.loads, "http": http, "toml": settings, "nginx": nginx, "caddyfile": caddyfile, "systemd": systemd, "yaml": yaml,
}  # fmt: skip
