//! Behind the proxies of docs/proxies.md, set up as it stands there.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatepass_sign::{Action, Policy};
use gatepass_testkit::free_port;

use crate::support::{Request, Server, left_out, noise, now};

/// The block of the page that begins so, after its fence.
fn block(start: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/proxies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (before, rest) = page.split_once(&format!("```{start}\n")).unwrap();
    tell(&format!("docs/proxies.md:{}\n", before.matches('\n').count() + 1));
    rest.split_once("```").unwrap().0.to_owned()
}

/// Tells `tests/docs/run` which block is run here.
fn tell(place: &str) {
    if let Some(file) = std::env::var_os("GATEPASS_SNIPPETS") {
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(place.as_bytes()).unwrap();
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A proxy that is stopped at the end.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Proxy {
    fn start(command: &mut Command, address: SocketAddr, directory: tempfile::TempDir) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut proxy = Self { child, address, _directory: directory };
        let deadline = Instant::now() + Duration::from_mins(2);
        while TcpStream::connect(address).is_err() {
            assert!(proxy.child.try_wait().unwrap().is_none(), "the proxy ended");
            assert!(Instant::now() < deadline, "the proxy does not get ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    fn nginx(server: &Server) -> Self {
        let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
        let at = directory.path().display();
        let site: String = block("nginx")
            .replace("listen 443 ssl;", &format!("listen {address};"))
            .replace("127.0.0.1:8080", &server.delivery.to_string())
            .lines()
            .filter(|line| !line.contains("ssl_certificate"))
            .fold(String::new(), |site, line| site + line + "\n");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .concat();
        let config = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log;\nevents {{}}\n\
             http {{ access_log off;\n{temporary}{site}}}\n"
        );
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        Self::start(command.arg("-c").arg(file).arg("-p").arg(directory.path()), address, directory)
    }

    fn caddy(server: &Server) -> Self {
        let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
        let site = block("caddyfile")
            .replace("files.example.net {", &format!("http://{address} {{"))
            .replace("127.0.0.1:8080", &server.delivery.to_string());
        let file = directory.path().join("Caddyfile");
        std::fs::write(&file, format!("{{\n    admin off\n}}\n{site}")).unwrap();
        let mut command = Command::new("caddy");
        command.env("HOME", directory.path()).args(["run", "--adapter", "caddyfile", "--config"]);
        Self::start(command.arg(file), address, directory)
    }

    fn traefik(server: &Server) -> Self {
        let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
        let settings = block("yaml\n# traefik.yml")
            .replace("\":443\"", &format!("\"{address}\""))
            .replace("/etc/traefik", &directory.path().display().to_string());
        let sites = block("yaml\n# dynamic.yml")
            .replace("files.example.net", &address.ip().to_string())
            .replace("      tls: {}\n", "")
            .replace("127.0.0.1:8080", &server.delivery.to_string());
        std::fs::write(directory.path().join("dynamic.yml"), sites).unwrap();
        let file = directory.path().join("traefik.yml");
        std::fs::write(&file, settings).unwrap();
        let proxy =
            Self::start(Command::new("traefik").arg("--configFile").arg(file), address, directory);
        // It listens before it has read its sites; until then it answers in its own words.
        let deadline = Instant::now() + Duration::from_mins(2);
        while !Request::new(address, "GET", "/none").send().body.starts_with(b"{") {
            assert!(Instant::now() < deadline, "Traefik does not read its sites");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A proxy has workers, which it ends itself if it is asked to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a proxy can spoil: paths, large bodies, chunks, ranges, refusals, bytes that trickle.
fn uploads_and_downloads_go_through(server: &Server, proxy: &Proxy) {
    let request = |method: &str, url: &str| Request::new(proxy.address, method, url);
    let content = noise(1, 3 << 20);
    for path in ["a/b c.bin", "ümlaut+plus&and.bin", "dots..and--more.bin"] {
        let url = server.put_url(path);
        let put = request("PUT", &url).body(&content).send();
        assert_eq!(put.status, 201, "{path}: {}", String::from_utf8_lossy(&put.body));
        let get = server.signed(path, &Policy::new(Action::Get, now() + 600));
        assert!(request("GET", &get).send().body == content, "{path}");
        let part = request("GET", &get).header("Range", "bytes=100-199").send();
        assert_eq!((part.status, &part.body[..]), (206, &content[100..200]), "{path}");
    }
    let url = server.put_url("chunks.bin");
    for (first, status) in [(2 << 20, 202), (0, 202), (1 << 20, 201)] {
        let range = format!("bytes {first}-{}/{}", first + (1 << 20) - 1, 3 << 20);
        let chunk = &content[first..first + (1 << 20)];
        let answer = request("PUT", &url).header("Content-Range", &range).body(chunk).send();
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    }
    assert!(server.send("GET", "/chunks.bin", b"").body == content);
    let refused = request("PUT", &format!("{url}x")).body(b"hello").send();
    assert_eq!((refused.status, refused.kind()), (403, "signature_invalid".to_owned()));
}

#[test]
fn nginx_lets_everything_through() {
    if left_out("nginx", "nginx in front") {
        return;
    }
    let server = Server::start();
    uploads_and_downloads_go_through(&server, &Proxy::nginx(&server));
}

#[test]
fn caddy_lets_everything_through() {
    if left_out("caddy", "Caddy in front") {
        return;
    }
    let server = Server::start();
    uploads_and_downloads_go_through(&server, &Proxy::caddy(&server));
}

#[test]
fn traefik_lets_everything_through() {
    if left_out("traefik", "Traefik in front") {
        return;
    }
    let server = Server::start();
    uploads_and_downloads_go_through(&server, &Proxy::traefik(&server));
}
