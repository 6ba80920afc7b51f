//! Serves the built site on this machine: files of one folder, compressed where the build left a compressed twin.
//!
//! Any static host will do as well; this one is here so that nothing else need be installed. It listens to this machine
//! alone.

use std::env;
use std::net::TcpListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::command;

const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8180;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Port to serve on [default: the first free one from 8080]
    #[arg(long)]
    port: Option<u16>,
    /// Print the address alone; do not open a browser.
    #[arg(long)]
    no_open: bool,
}

/// Serves a folder until the process is ended.
///
/// # Errors
/// Where no port is free.
pub fn run(site: &Path, arguments: &Arguments) -> Result<()> {
    let (port, thread) = start(site, arguments.port)?;
    let address = format!("http://localhost:{port}/");
    println!("Serving Waddington at {address} (end with Ctrl-C).");
    if !arguments.no_open {
        open(&address);
    }
    thread.join().map_err(|_| anyhow!("the server stopped"))?
}

/// Serves a folder from a thread that ends with the process; returns the port and the thread.
///
/// # Errors
/// Where no port is free.
pub fn start(site: &Path, port: Option<u16>) -> Result<(u16, JoinHandle<Result<()>>)> {
    let listener = listen(port)?;
    let port = listener.local_addr().context("the address of the server")?.port();
    listener.set_nonblocking(true).context("the listener of the server")?;
    let site = router(site);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.context("the runtime of the server")?.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, site).await.context("serving the site")
        })
    });
    Ok((port, thread))
}

fn router(site: &Path) -> Router {
    let header = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .fallback_service(ServeDir::new(site).precompressed_gzip())
        // A rebuilt site shows at the next visit.
        .layer(header(CACHE_CONTROL, "no-cache"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn listen(port: Option<u16>) -> Result<TcpListener> {
    if let Some(port) = port {
        let listener = TcpListener::bind(("127.0.0.1", port));
        return listener.map_err(|error| anyhow!("port {port} cannot be used: {error}; choose another"));
    }
    (FIRST_PORT..=LAST_PORT)
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .with_context(|| format!("no port from {FIRST_PORT} to {LAST_PORT} is free; name one with --port"))
}

/// Opens the address where there is a desktop to open it on.
fn open(address: &str) {
    let has_desktop = cfg!(any(windows, target_os = "macos"))
        || env::var_os("DISPLAY").is_some()
        || env::var_os("WAYLAND_DISPLAY").is_some();
    if !has_desktop {
        return;
    }
    let (name, arguments): (_, &[&str]) = match env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/c", "start"]),
        _ => ("xdg-open", &[]),
    };
    // The address is on the screen already: a browser that does not open is no failure.
    let _ = command::program(name, arguments).arg(address).spawn();
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::start;

    /// One connection, kept open, and what it answers to a request.
    fn ask(port: u16, path: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a server that listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request sent");
        let mut answer = vec![0; 16 << 10];
        let n = stream.read(&mut answer).expect("an answer in time");
        (stream, String::from_utf8_lossy(&answer[..n]).into_owned())
    }

    #[test]
    fn stays_within_the_site_and_answers_while_other_connections_stay_open() {
        let site = crate::workspace::root().join("src").join("xtask");
        let (port, _thread) = start(&site, None).expect("a free port");
        let mut kept = Vec::new();
        for _ in 0..40 {
            let (stream, answer) = ask(port, "/main.rs?version=1");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("no-cache"), "{answer}");
            kept.push(stream);
        }
        for path in ["/../spec/lib.rs", "/%2e%2e/spec/lib.rs", "//etc/hosts", "/nothing"] {
            let (_, answer) = ask(port, path);
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
    }
}
