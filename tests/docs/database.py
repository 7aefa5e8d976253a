"""A PostgreSQL of its own, for pages that name one."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

# The address on the pages, whatever the host.
NAMED = re.compile(r"postgres://gatepass:\.\.\.@[\w.]+/gatepass")
SETTINGS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"


class Database:
    """Started at once; `stop()` ends it and removes what is in it."""

    def __init__(self, port):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise RuntimeError("a page names PostgreSQL, whose programs are not here (package postgresql)")
        self.programs = found[-1]
        # It runs as nobody of importance, in a directory that this one may read.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gatepass-docs-database-"))
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.url = f"postgres://gatepass@127.0.0.1:{port}/gatepass?sslmode=disable"
        self.run("initdb", "-A", "trust", "-U", "gatepass", "--no-sync", "-E", "UTF8", "--locale=C")
        self.run("pg_ctl", "-l", self.folder / "log", "-w", "-t", "120", "-o", f"-p {port} {SETTINGS}", "start")
        self.run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "gatepass", "gatepass", data=False)

    def run(self, program, *arguments, data=True):
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        where = ["-D", self.folder / "data"] if data else []
        command = [str(part) for part in [*as_user, self.programs / program, *where, *arguments]]
        # Its server keeps what it inherits: no pipe of ours, which would never end.
        subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=180)

    def stop(self):
        try:
            self.run("pg_ctl", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
