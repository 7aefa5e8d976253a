"""The programs that Gatepass is measured beside: how each is found, set up and started.

`promise` says what is on the disk when an upload is acknowledged. A peer whose program is not there
has a `missing`, which says how to get it.
"""

import os
import re
import shutil
import time
from pathlib import Path

from server import Server, free_port

KEY = "gp_bench_key_of_no_value_000000000000000000"
SECRET = "bench-secret-of-no-value"
ACCESS, HIDDEN = "GK" + "b" * 24, "b" * 64
HERE = Path(__file__).resolve().parent
TOOLS = Path(
    os.environ.get("GATEPASS_TOOLS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatepass-tools"
)


def find(program):
    return shutil.which(program, path=f"{TOOLS / 'bin'}:{os.environ['PATH']}:/usr/sbin")


class Peer:
    """One way to run one program."""

    dialect, load, durable = "plain", {}, False

    def start(self, directory, port=None):
        port = port or free_port()
        command, more = self.command(Path(directory), port)
        server = Server(command, port, Path(directory) / "log", **more)
        server.directory = directory
        return server


class Gatepass(Peer):
    name, title, promise, durable = "gatepass", "Gatepass", "bytes, path and record", True
    dialect, load, missing = "gatepass", {"GATEPASS_API_KEY": KEY}, None

    def __init__(self, binary):
        self.binary = binary

    def command(self, directory, port):
        command = [self.binary, "serve", "--data", directory / "data", "--listen", f"127.0.0.1:{port}"]
        command += ["--api-listen", "127.0.0.1:0", "--max-connections-per-address", "20000"]
        return command, {"GATEPASS_API_KEY": KEY}


    @staticmethod
    def api(server):
        """Address of the management listener, which the server tells when it is ready."""
        for _ in range(200):
            if found := re.search(r"api=(127\.0\.0\.1:\d+)", server.log.read_text()):
                return found.group(1)
            time.sleep(0.05)
        raise RuntimeError("the server did not get ready")


class Nginx(Peer):
    name, title, promise, check = "nginx", "nginx", "nothing", ""

    def __init__(self):
        self.program = find("nginx")
        self.missing = None if self.program else "nginx (package nginx-light)"

    def command(self, directory, port):
        for part in ("root", "temp"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        file = directory / "nginx.conf"
        file.write_text(NGINX.format(dir=directory, port=port, check=self.check))
        if os.getuid() == 0:
            # Otherwise the workers become a user who may not write here.
            file.write_text("user root;" + file.read_text())
        return [self.program, "-p", directory, "-e", "stderr", "-c", file], {}


class NginxSigned(Nginx):
    name, title, dialect, load = "nginx-signed", "nginx, signed URLs", "secure-link", {"BENCH_SECRET": SECRET}
    check = (
        'secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri %s"; '
        'if ($secure_link = "") { return 403; } if ($secure_link = "0") { return 410; }' % SECRET
    )


NGINX = """
daemon off; worker_processes auto; worker_rlimit_nofile 20000; pid {dir}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 18000; }}
http {{
  access_log off; client_max_body_size 0; client_body_timeout 300; default_type application/octet-stream;
  keepalive_requests 1000000000; keepalive_timeout 300; sendfile on; tcp_nodelay on;
  client_body_temp_path {dir}/temp; client_body_buffer_size 128k;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port} backlog=8192; root {dir}/root;
    location / {{ {check} dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


class Apache(Peer):
    name, title, promise = "apache", "Apache", "nothing"
    modules = Path("/usr/lib/apache2/modules")

    def __init__(self):
        self.program = find("apache2")
        self.missing = None if self.program else "Apache (package apache2-bin)"

    def command(self, directory, port):
        root = directory / "root"
        for prefix in ("warm", "bench"):
            for folder in range(256):
                # mod_dav makes no folders.
                (root / prefix / f"{folder:02x}").mkdir(parents=True)
        if os.getuid() == 0:
            for part in [directory, *directory.rglob("*")]:
                shutil.chown(part, "www-data", "www-data")
        file = directory / "apache.conf"
        file.write_text(APACHE.format(dir=directory, port=port, modules=self.modules))
        return [self.program, "-DFOREGROUND", "-f", file], {}


APACHE = """
ServerRoot {dir}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/pid
Mutex default:{dir}
ErrorLog {dir}/errors
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
User www-data
Group www-data
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestBody 0
DavLockDB {dir}/lock
DocumentRoot {dir}/root
<Directory {dir}/root>
  Dav On
  Require all granted
  AllowOverride None
</Directory>
"""


class Rustus(Peer):
    name, title, promise, dialect = "rustus", "rustus", "nothing", "tus"

    def __init__(self, sync=False):
        if sync:
            self.name, self.title, self.promise, self.durable = "rustus-fsync", "rustus, fsync", "bytes", True
        self.program = find("rustus")
        self.missing = None if self.program else "rustus (cargo install --locked rustus --version 0.5.10)"

    def command(self, directory, port):
        command = [self.program, "--host", "127.0.0.1", "--port", port, "--log-level", "ERROR"]
        command += ["--data-dir", directory / "data", "--info-dir", directory / "info"]
        command += ["--max-body-size", "300000000"]
        for part in ("data", "info"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        return command + (["--force-fsync", "true"] if self.durable else []), {}


class TusNode(Peer):
    name, title, promise, dialect = "tus-node", "@tus/server", "nothing", "tus"

    def __init__(self):
        self.packages = TOOLS / "tus" / "node_modules"
        found = find("node") and (self.packages / "@tus" / "server").exists()
        how = f"npm install --prefix {TOOLS / 'tus'} @tus/server @tus/file-store"
        self.missing = None if found else f"@tus/server ({how})"

    def command(self, directory, port):
        (directory / "data").mkdir(parents=True, exist_ok=True)
        return [find("node"), HERE / "tus.mjs", self.packages, port, directory / "data"], {}


class Garage(Peer):
    name, title, promise, dialect = "garage", "Garage", "nothing", "s3"
    load = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": HIDDEN}

    def __init__(self, sync=False):
        if sync:
            self.name, self.title, self.durable = "garage-fsync", "Garage, fsync", True
            self.promise = "bytes, path and record"
        self.program = find("garage")
        self.missing = None if self.program else "Garage (cargo install --locked garage --version 2.5.0)"

    def command(self, directory, port):
        for part in ("meta", "data"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        sync = "true" if self.durable else "false"
        file = directory / "garage.toml"
        file.write_text(GARAGE.format(dir=directory, port=port, internal=free_port(), sync=sync, hidden=HIDDEN))
        more = {"RUST_LOG": "error", "GARAGE_DEFAULT_BUCKET": "bench"}
        more |= {"GARAGE_DEFAULT_ACCESS_KEY": ACCESS, "GARAGE_DEFAULT_SECRET_KEY": HIDDEN}
        return [self.program, "-c", file, "server", "--single-node", "--default-bucket"], more


GARAGE = """
metadata_dir = "{dir}/meta"
data_dir = "{dir}/data"
db_engine = "lmdb"
metadata_fsync = {sync}
data_fsync = {sync}
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{internal}"
rpc_public_addr = "127.0.0.1:{internal}"
rpc_secret = "{hidden}"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:{port}"
root_domain = ".s3.localhost"
"""


def all_peers(binary):
    """Gatepass and every peer, found or not."""
    return [
        Gatepass(binary), Nginx(), NginxSigned(), Apache(), Rustus(), Rustus(sync=True), TusNode(),
        Garage(), Garage(sync=True),
    ]
