//! An S3 server on loopback, a proxy in front of it that injects faults, and the command that reads from it.

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, PutPayload};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The bucket that there is.
pub const BUCKET: &str = "snn";

/// What the server lets in.
pub const KEY_ID: &str = "key-of-the-tests";
pub const SECRET: &str = "secret-of-the-tests";

/// A server and what is in it; both are gone when it is dropped.
pub struct Store {
    runtime: Runtime,
    pub address: SocketAddr,
    client: AmazonS3,
    _root: TempDir,
}

impl Store {
    /// Starts a server with an empty bucket.
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("threads");
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let service = service.build();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            use hyper_util::rt::{TokioExecutor, TokioIo};
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_endpoint(format!("http://{address}"))
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(SECRET)
            .with_allow_http(true)
            .build()
            .expect("a client");
        Self { runtime, address, client, _root: root }
    }

    /// Puts an object there, in place of one that may be there.
    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        let key = Key::parse(key).expect("a key");
        self.runtime.block_on(self.client.put(&key, PutPayload::from(bytes))).expect("it is put");
    }

    /// Uploads a run's files below a prefix, without its `expected.json`: the manifest first, the end last.
    pub fn upload(&self, run: &Path, prefix: &str) {
        let mut files = Vec::new();
        collect(run, String::new(), &mut files);
        files.sort_by_key(|name| (name != "manifest.json", name == "end.json", name.clone()));
        for name in files {
            self.put(&format!("{prefix}/{name}"), std::fs::read(run.join(&name)).expect("a file"));
        }
    }
}

fn collect(directory: &Path, below: String, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), format!("{name}/"), files);
        } else if name != "expected.json" {
            files.push(name);
        }
    }
}

/// The command, with the credentials of the tests and nothing of the user's.
pub fn neurotop(endpoint: SocketAddr) -> Command {
    let mut command = without_credentials(endpoint);
    command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}

/// The same without credentials, on a machine that gives none.
pub fn without_credentials(endpoint: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neurotop"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|cloud| name.starts_with(cloud))
            || name.to_ascii_lowercase().ends_with("_proxy")
        {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ENDPOINT_URL", format!("http://{endpoint}"))
        .env("AWS_METADATA_ENDPOINT", format!("http://{}", closed()))
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", crate::support::STATE_HOME);
    command
}

/// An address where nobody listens.
pub fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection is cut after so many bytes of the answer.
    CutAfter(usize),
    /// The server is too busy.
    Busy,
    /// The answer begins after this time, and comes in small pieces.
    Slow(Duration),
}

/// A request, by its first line, and how many came before it.
pub struct Request {
    pub method: String,
    pub target: String,
    pub number: usize,
}

impl Request {
    /// Whether it asks for bytes of a batch.
    pub fn reads_a_batch(&self) -> bool {
        self.method == "GET" && self.target.contains("/batch-") && !self.target.contains("list-type")
    }
}

/// Decides what happens to a request.
pub type Plan = Box<dyn Fn(&Request) -> Fault + Send + Sync>;

/// A proxy in front of a server; each connection carries one request.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    plan: Plan,
    is_down: AtomicBool,
    is_over: AtomicBool,
    requests: AtomicUsize,
    targets: Mutex<Vec<String>>,
}

impl Proxy {
    /// Starts one in front of a store.
    pub fn before(store: &Store, plan: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            upstream: store.address,
            plan: Box::new(plan),
            is_down: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            targets: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for socket in listener.incoming() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(socket), state) = (socket, Arc::clone(&shared)) else { continue };
                thread::spawn(move || {
                    // A connection that breaks is what this is for.
                    let _ = state.serve(socket);
                });
            }
        });
        Self { address, state }
    }

    /// Closes every new connection from now on, or no more.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// The requests so far: method and target.
    pub fn requests(&self) -> Vec<String> {
        self.state.targets.lock().expect("the requests").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        if self.is_down.load(Ordering::Relaxed) {
            return client.shutdown(Shutdown::Both);
        }
        let head = read_head(&mut client)?;
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.targets.lock().expect("the requests").push(format!("{method} {target}"));
        let fault = (self.plan)(&Request { method, target, number });
        if fault == Fault::Busy {
            let body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
            return write!(
                client,
                "HTTP/1.1 503 Slow Down\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
        let mut server = TcpStream::connect(self.upstream)?;
        server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
        let mut left = if let Fault::CutAfter(bytes) = fault { bytes } else { usize::MAX };
        if let Fault::Slow(time) = fault {
            thread::sleep(time);
        }
        let mut buffer = vec![0; if matches!(fault, Fault::Slow(_)) { 1 << 10 } else { 64 << 10 }];
        while left > 0 {
            let count = server.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            let count = count.min(left);
            client.write_all(&buffer[..count])?;
            left -= count;
        }
        client.shutdown(Shutdown::Both)
    }
}

/// The head of a request that has no body.
fn read_head(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        head.extend(&buffer[..count]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A WebDAV server of a directory, which asks for a login.
pub struct Dav {
    _runtime: Runtime,
    pub address: SocketAddr,
}

impl Dav {
    /// Starts one; `authorization` is the header that it wants, and where `lists` is not, it is a plain web server.
    pub fn start(directory: &Path, authorization: &'static str, lists: bool) -> Self {
        let runtime = Runtime::new().expect("threads");
        let dav = dav_server::DavHandler::builder()
            .filesystem(dav_server::localfs::LocalFs::new(directory, false, false, false))
            .build_handler();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let dav = dav.clone();
                let service =
                    hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let dav = dav.clone();
                        async move {
                            let given = request.headers().get("authorization");
                            let status = if given.is_none_or(|given| given != authorization) {
                                Some(401)
                            } else if !lists && request.method().as_str() == "PROPFIND" {
                                Some(405)
                            } else {
                                None
                            };
                            let answer = match status {
                                Some(status) => {
                                    let answer = hyper::Response::builder().status(status);
                                    answer.body(dav_server::body::Body::empty()).expect("an answer")
                                }
                                None => dav.handle(request).await,
                            };
                            Ok::<_, std::convert::Infallible>(answer)
                        }
                    });
                tokio::spawn(async move {
                    let socket = hyper_util::rt::TokioIo::new(socket);
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(socket, service).await;
                });
            }
        });
        Self { _runtime: runtime, address }
    }
}
