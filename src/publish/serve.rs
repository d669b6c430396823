//! Serves the newest text over HTTP at `/metrics`. Few clients are answered at a time, each for a short time, so that
//! slow and hostile ones cost little.

use super::clients::{ClientSlot, ClientStage, Clients};
use super::host::Hosts;
use super::metrics::Newest;
use super::openmetrics::CONTENT_TYPE;
use super::request::{HttpAnswer, read_request};
use anyhow::Context;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may take to send its request and to take the answer. Prometheus gives up after 10 seconds.
const ASK_WITHIN: Duration = Duration::from_secs(5);
const TAKE_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of an answer that are written between two checks of the deadline.
const PIECE: usize = 1 << 16;

/// How long the rest of a request is read, so that the client does not miss the answer.
const LINGER: Duration = Duration::from_millis(200);

/// The wait before the next client if the system has no room for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves at an address until the process ends; returns a sentence that says where.
///
/// # Errors
/// If the address is in use or not this machine's, or the system gives no thread.
pub(super) fn serve(address: SocketAddr, newest: Arc<Newest>) -> anyhow::Result<String> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("--openmetrics {address}: it cannot be served there; choose another port")
    })?;
    let address = listener.local_addr()?;
    let hosts = Arc::new(Hosts::served_at(address));
    std::thread::Builder::new()
        .name("openmetrics".into())
        .spawn(move || accept(&listener, &newest, &hosts))?;
    let reach = if address.ip().is_loopback() { "" } else { ", to every machine that reaches this one" };
    let said = format!("OpenMetrics are served at http://{address}/metrics{reach}");
    tracing::info!("{said}");
    Ok(said)
}

fn accept(listener: &TcpListener, newest: &Arc<Newest>, hosts: &Arc<Hosts>) {
    let clients = Arc::new(Clients::default());
    for number in 0.. {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(PAUSE);
            continue;
        };
        let stream = Arc::new(stream);
        let slot = clients.let_in(number, Arc::clone(&stream));
        let (newest, hosts, of_client) = (Arc::clone(newest), Arc::clone(hosts), Arc::clone(&stream));
        let answer = move || {
            // The client may go away before it has its answer.
            let _ = answer(&of_client, &slot, &newest, &hosts);
        };
        // Without a thread the slot is freed with the closure.
        if std::thread::Builder::new().name("client".into()).stack_size(1 << 18).spawn(answer).is_err() {
            refuse(&stream);
        }
    }
}

/// Tells a client to ask again later, without waiting for it.
fn refuse(mut stream: &TcpStream) {
    // What does not fit into the socket's buffer at once is left out.
    let _ = stream.set_nonblocking(true);
    let _ = stream.write(head(HttpAnswer::Busy, 0).as_bytes());
}

fn answer(stream: &TcpStream, slot: &ClientSlot, newest: &Newest, hosts: &Hosts) -> io::Result<()> {
    let asked = read_request(stream, hosts, Instant::now() + ASK_WITHIN);
    if !slot.reach(ClientStage::Taking) {
        refuse(stream);
        return Ok(());
    }
    let answer = asked?;
    let (text, body);
    let (length, body): (usize, &[u8]) = match answer {
        HttpAnswer::Metrics { with_body } => {
            text = newest.text();
            (text.len(), if with_body { text.as_bytes() } else { &[] })
        }
        other => {
            body = format!("{}{}\n", other.phrase(), other.advice());
            (body.len(), body.as_bytes())
        }
    };
    let deadline = Instant::now() + TAKE_WITHIN;
    write(stream, head(answer, length).as_bytes(), deadline)?;
    write(stream, body, deadline)?;
    // Closing a connection with unread bytes resets it, and the client may lose the answer.
    stream.shutdown(Shutdown::Write)?;
    slot.reach(ClientStage::Leaving);
    linger(stream)
}

/// Reads the rest of what a client sends, for a short time.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(LINGER))?;
    let deadline = Instant::now() + LINGER;
    let mut rest = [0; 4096];
    while Instant::now() < deadline && stream.read(&mut rest)? > 0 {}
    Ok(())
}

/// Writes all of it by a deadline.
fn write(mut stream: &TcpStream, bytes: &[u8], deadline: Instant) -> io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        let mut piece = piece;
        while !piece.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_write_timeout(Some(left))?;
            match stream.write(piece)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => piece = &piece[written..],
            }
        }
    }
    Ok(())
}

/// The head of an answer with a body of so many bytes.
fn head(answer: HttpAnswer, length: usize) -> String {
    let content = match answer {
        HttpAnswer::Metrics { .. } => CONTENT_TYPE,
        _ => "text/plain; charset=utf-8",
    };
    let allow = if answer == HttpAnswer::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
    format!(
        "HTTP/1.1 {}\r\nContent-Type: {content}\r\nContent-Length: {length}\r\n{allow}\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        answer.phrase()
    )
}
