//! What a developer or newcomer runs: `cargo xtask setup | serve | test | bench | pkg`.
//!
//! Reading order: `workspace` (where things are, which versions), `command` (running programs), `tools` and `browser`
//! (what must be on the machine, set up where it is missing), `site` (building), `server`, `checks` (the tests).
//! Errors are one line that says what to do. Deliberately absent: anything a plain `cargo` command does as well.

mod browser;
mod checks;
mod command;
mod server;
mod site;
mod tools;
mod workspace;

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// What a developer or newcomer runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what the other commands need: the wasm32 target, wasm-bindgen, trunk.
    Setup,
    /// Build the app, serve it on this machine and open it.
    Serve(server::Arguments),
    /// Run all tests, those in a browser included; sets up what they need.
    Test(checks::Arguments),
    /// Time the model against PyTorch and preparation against scanpy and kana, on the same cores, where they are there.
    Bench {
        /// One benchmark alone.
        #[arg(long)]
        only: Option<Benchmark>,
        /// The long training run on WebGPU instead of the CPU backend.
        #[arg(long)]
        gpu: bool,
    },
    /// Build the npm package: its wasm goes into `pkg/wasm`.
    Pkg,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup => tools::set_up().map(|_| println!("Everything is set up.")),
        Command::Serve(arguments) => {
            let site = site::build(&tools::set_up()?)?;
            server::run(&site, &arguments)
        }
        Command::Test(arguments) => checks::run(&arguments),
        Command::Bench { only, gpu } => bench(only, gpu),
        Command::Pkg => {
            let package = site::build_package(&tools::set_up()?)?;
            println!("The package is ready: npm pack {}", package.display());
            Ok(())
        }
    }
}

/// Which benchmark; all without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Benchmark {
    /// The model on the CPU backend against PyTorch on the same cores.
    Speed,
    /// Opening and preparing 100,000 cells against scanpy on the same file.
    Prepare,
    /// The memory that a file of 1 GB takes in the browser (Linux only).
    Memory,
    /// The same preparation in the browser against kana's engine (Linux only).
    Kana,
    /// Whether 2,000 steps of training in the browser hold their memory (Linux only).
    Soak,
    /// Frame times of the map with a million cells, in the browser.
    Map,
}

fn bench(only: Option<Benchmark>, gpu: bool) -> Result<()> {
    let is_wanted = |benchmark| only.is_none_or(|only| only == benchmark);
    if is_wanted(Benchmark::Speed) || is_wanted(Benchmark::Prepare) {
        command::run("cargo", ["build", "--locked", "--release"])?;
    }
    let binary = workspace::target().join("release").join(format!("waddington{}", std::env::consts::EXE_SUFFIX));
    if is_wanted(Benchmark::Speed) {
        let in_browser = checks::bench_steps()?;
        python("compare.py", [OsStr::new("--browser"), in_browser.as_os_str(), binary.as_os_str()])?;
    }
    if is_wanted(Benchmark::Prepare) {
        python("prepare.py", [binary.as_os_str()])?;
    }
    if is_wanted(Benchmark::Memory) {
        checks::bench_memory()?;
    }
    if is_wanted(Benchmark::Kana) {
        python("prepare.py", [OsStr::new("--only-make")])?;
        checks::bench_kana()?;
    }
    if is_wanted(Benchmark::Soak) {
        checks::bench_soak(if gpu { "webgpu" } else { "cpu" })?;
    }
    if is_wanted(Benchmark::Map) {
        let made = workspace::target().join("browser-files").join("million.h5ad");
        if !made.is_file() {
            python("million_map.py", [made.as_os_str()])?;
        }
        checks::bench_map()?;
    }
    Ok(())
}

/// Runs one of the benchmarks' scripts.
fn python<'a>(script: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let python = ["python3", "python"].into_iter().find(|name| command::find(name).is_some());
    let python =
        python.context("Python is missing: install Python 3 to make the files and to compare with its tools")?;
    let script = workspace::root().join("benches").join(script);
    let mut words = vec![script.as_os_str()];
    // Pushed one by one, so that each may live shorter than what it came from.
    for word in arguments {
        words.push(word);
    }
    command::run(python, words)
}
