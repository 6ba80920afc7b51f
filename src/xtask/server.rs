//! Serves the built site on this machine: files of one folder, compressed where the build left a compressed twin.
//!
//! Any static host will do as well; this one is here so that nothing else need be installed. It listens to this machine
//! alone.

use std::env;
use std::fs::File;
use std::io::Empty;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::command;

const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8180;
const N_THREADS: usize = 4;

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
    let (port, threads) = start(site, arguments.port)?;
    let address = format!("http://localhost:{port}/");
    println!("Serving Waddington at {address} (end with Ctrl-C).");
    if !arguments.no_open {
        open(&address);
    }
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a thread of the server stopped"))?;
    }
    Ok(())
}

/// Serves a folder from threads that end with the process; returns the port and the threads.
///
/// # Errors
/// Where no port is free.
pub fn start(site: &Path, port: Option<u16>) -> Result<(u16, Vec<JoinHandle<()>>)> {
    let (server, port) = listen(port)?;
    let server = Arc::new(server);
    let thread = |_| {
        let (server, site) = (Arc::clone(&server), site.to_path_buf());
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                answer(request, &site);
            }
        })
    };
    Ok((port, (0..N_THREADS).map(thread).collect()))
}

fn listen(port: Option<u16>) -> Result<(Server, u16)> {
    if let Some(port) = port {
        let server = Server::http(("127.0.0.1", port));
        return Ok((server.map_err(|error| anyhow!("port {port} cannot be used: {error}; choose another"))?, port));
    }
    (FIRST_PORT..=LAST_PORT)
        .find_map(|port| Server::http(("127.0.0.1", port)).ok().map(|server| (server, port)))
        .with_context(|| format!("no port from {FIRST_PORT} to {LAST_PORT} is free; name one with --port"))
}

fn answer(request: Request, site: &Path) {
    let is_head = *request.method() == Method::Head;
    let outcome = match request.method() {
        Method::Get | Method::Head => match find(site, request.url()) {
            Some(path) => respond(request, &path, is_head),
            None => request.respond(empty(404)),
        },
        _ => request.respond(empty(405)),
    };
    // A reader that went away in the middle is its own affair.
    drop(outcome);
}

fn respond(request: Request, path: &Path, is_head: bool) -> std::io::Result<()> {
    let twin = PathBuf::from(format!("{}.gz", path.display()));
    let is_compressed = takes_gzip(&request) && twin.is_file();
    let sent = if is_compressed { &twin } else { path };
    let file = File::open(sent)?;
    let length = usize::try_from(file.metadata()?.len()).ok();
    let mut headers = vec![
        header("Content-Type", content_type(path)),
        header("Cache-Control", "no-cache"),
        header("X-Content-Type-Options", "nosniff"),
        header("Vary", "Accept-Encoding"),
    ];
    if is_compressed {
        headers.push(header("Content-Encoding", "gzip"));
    }
    if is_head {
        return request.respond(Response::new(200.into(), headers, std::io::empty(), length, None));
    }
    // The length is always told, so that the page can show how much of a download is left.
    let response = Response::new(200.into(), headers, file, length, None).with_chunked_threshold(usize::MAX);
    request.respond(response)
}

/// The file that an address means; none where there is none, or it lies outside the site.
fn find(site: &Path, url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = decode(path.trim_start_matches('/'))?;
    let relative = Path::new(&path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return None;
    }
    let mut file = site.join(relative);
    if file.is_dir() {
        file.push("index.html");
    }
    file.is_file().then_some(file)
}

/// Undoes the percent signs of an address.
fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn takes_gzip(request: &Request) -> bool {
    let accepted = request.headers().iter().find(|header| header.field.equiv("Accept-Encoding"));
    accepted.is_some_and(|header| header.value.as_str().contains("gzip"))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().unwrap_or_default().to_string_lossy().as_ref() {
        "css" => "text/css; charset=utf-8",
        "gz" => "application/gzip",
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("names and values of headers are plain ASCII literals")
}

fn empty(status: u16) -> Response<Empty> {
    Response::empty(status)
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
    use super::{decode, find};

    #[test]
    fn decodes_addresses() {
        assert_eq!(decode("a%20b/c.js").as_deref(), Some("a b/c.js"));
        assert_eq!(decode("%2").as_deref(), None);
        assert_eq!(decode("%zz").as_deref(), None);
    }

    #[test]
    fn stays_within_the_site() {
        let site = crate::workspace::root().join("src").join("xtask");
        assert!(find(&site, "/main.rs?version=1").is_some());
        assert!(find(&site, "/../spec/lib.rs").is_none());
        assert!(find(&site, "/%2e%2e/spec/lib.rs").is_none());
        assert!(find(&site, "//etc/hosts").is_none());
        assert!(find(&site, "/nothing").is_none());
    }
}
