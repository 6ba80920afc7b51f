//! All tests, in phases: format, lints, native tests, the build for the browser, tests in a browser.
//!
//! A phase that fails does not stop the next, so that one run tells everything. The last line counts all tests.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{browser, command, server, site, tools, workspace};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run this phase alone
    #[arg(long, value_enum)]
    only: Option<Phase>,
    /// Run only browser tests whose name contains this
    #[arg(long, value_name = "WORD")]
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Layout of the sources
    Format,
    /// Tests that need no browser: units, suite, shaders, layers
    Native,
    /// Lints of all crates
    Lint,
    /// The site, built for release
    Build,
    /// The site in a headless browser, with WebGPU and without
    Browser,
}

impl Phase {
    fn label(self) -> &'static str {
        match self {
            Phase::Format => "format",
            Phase::Native => "native tests",
            Phase::Lint => "lints",
            Phase::Build => "build for the browser",
            Phase::Browser => "browser tests",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs the phases.
///
/// # Errors
/// Names the phases that failed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let phases = arguments.only.map_or_else(|| Phase::value_variants().to_vec(), |phase| vec![phase]);
    // Said before the builds, not after half an hour of them.
    if phases.contains(&Phase::Browser) {
        tools::npm_packages("tests/browser")?;
        browser::find_or_install()?;
    }
    let started = Instant::now();
    let mut counts = Counts::default();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for phase in phases {
        println!("\n=== {} (at {:.0} s) ===", phase.label(), started.elapsed().as_secs_f64());
        let phase_started = Instant::now();
        let outcome = run_phase(phase, arguments.filter.as_deref(), &mut counts);
        let word = if outcome.is_ok() { "passed" } else { "FAILED" };
        summary.push(format!("{:<22} {word} in {:.1} s", phase.label(), phase_started.elapsed().as_secs_f64()));
        if let Err(error) = outcome {
            eprintln!("error: {error:#}");
            failed.push(phase.label());
        }
    }
    println!("\n=== summary (after {:.0} s) ===\n{}", started.elapsed().as_secs_f64(), summary.join("\n"));
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn run_phase(phase: Phase, filter: Option<&str>, counts: &mut Counts) -> Result<()> {
    match phase {
        Phase::Format => {
            tools::component("rustfmt", "fmt")?;
            command::run("cargo", ["fmt", "--all", "--check"])
        }
        Phase::Native => {
            let test = ["test", "--locked", "--no-fail-fast"];
            let most = count(command::program("cargo", test), counts, native_counts);
            // The screen is no default member, so that `cargo test` needs nothing of it; its state is plain data.
            let screen = test.into_iter().chain(["--package", "ui"]);
            most.and(count(command::program("cargo", screen), counts, native_counts))
        }
        Phase::Lint => {
            tools::component("clippy", "clippy")?;
            command::run("cargo", ["clippy", "--locked", "--all-targets", "--", "-D", "warnings"])?;
            tools::set_up()?;
            // In the profile of the build that follows, so that both share their build scripts and macros.
            let packages = ["--release", "--package", "worker", "--package", "ui"];
            let mut clippy = command::program("cargo", ["clippy", "--locked", "--target", "wasm32-unknown-unknown"]);
            clippy.args(packages).args(["--", "-D", "warnings"]);
            command::finish(clippy)
        }
        Phase::Build => site::build(&tools::set_up()?).map(drop),
        Phase::Browser => {
            make_browser_files()?;
            // A run of the tab is repeated by the command line. Built beside the tests, it has their features, and what
            // it is made of is there already.
            command::run("cargo", ["build", "--locked", "--bin", "waddington", "--test", "suite"])?;
            let mut node = on_the_site("tests/browser/run.mjs")?;
            let binary = format!("waddington{}", std::env::consts::EXE_SUFFIX);
            node.args(filter).env("WADDINGTON", workspace::target().join("debug").join(binary));
            count(node, counts, browser_counts)
        }
    }
}

/// The memory that a file of 1 GB takes in the browser.
///
/// # Errors
/// Where something is missing, or the browser fails.
pub fn bench_memory() -> Result<()> {
    site::build(&tools::set_up()?)?;
    let make = ["test", "--locked", "--quiet", "--test", "suite", "large_file_for_the_benchmark", "--", "--ignored"];
    if !workspace::target().join("browser-files").join("large.h5ad").is_file() {
        command::run("cargo", make)?;
    }
    command::finish(on_the_site("benches/memory.mjs")?)
}

/// Preparing 100,000 cells in the browser against kana's engine. The file is there already.
///
/// # Errors
/// Where something is missing, or the browser fails.
pub fn bench_kana() -> Result<()> {
    tools::npm_packages("benches")?;
    site::build(&tools::set_up()?)?;
    command::finish(on_the_site("benches/kana.mjs")?)
}

/// A training step of each preset in the browser; returns the file with the seconds.
///
/// # Errors
/// Where something is missing, or the browser fails.
pub fn bench_steps() -> Result<PathBuf> {
    site::build(&tools::set_up()?)?;
    command::finish(on_the_site("benches/steps.mjs")?)?;
    Ok(workspace::target().join("benches").join("steps.json"))
}

/// 2,000 steps of training in the browser, with what they hold in memory.
///
/// # Errors
/// Where something is missing, the browser fails, or memory grows.
pub fn bench_soak(backend: &str) -> Result<()> {
    site::build(&tools::set_up()?)?;
    make_browser_files()?;
    let mut node = on_the_site("benches/soak.mjs")?;
    node.arg(backend);
    command::finish(node)
}

/// Frame times of a map of a million cells. The file is there already.
///
/// # Errors
/// Where something is missing, or the browser fails.
pub fn bench_map() -> Result<()> {
    site::build(&tools::set_up()?)?;
    command::finish(on_the_site("benches/map.mjs")?)
}

/// The files that tests drop onto the page; a native test makes them.
fn make_browser_files() -> Result<()> {
    if workspace::target().join("browser-files").is_dir() {
        return Ok(());
    }
    command::run("cargo", ["test", "--locked", "--quiet", "--test", "suite", "files_for_the_browser"])
}

/// A Node script that drives a browser on the built site, which is served from here.
fn on_the_site(script: &str) -> Result<Command> {
    tools::npm_packages("tests/browser")?;
    let site = workspace::root().join("web").join("dist");
    if !site.join("index.html").is_file() {
        bail!("the site is not built: run `cargo xtask test --only build` first");
    }
    let chrome = browser::find_or_install()?;
    let (port, _thread) = server::start(&site, None)?;
    let mut node = command::program("node", [script]);
    node.env("CHROME", chrome).env("SITE", format!("http://localhost:{port}/"));
    Ok(node)
}

/// Runs tests, passes on what they print, and adds up the counts that `of_line` finds in it.
fn count(mut tests: Command, counts: &mut Counts, of_line: impl Fn(&str) -> Option<Counts>) -> Result<()> {
    let name = tests.get_program().to_string_lossy().into_owned();
    let mut child = tests.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {name}"))?;
    let printed = child.stdout.take().context("the tests have no output")?;
    for line in BufReader::new(printed).lines() {
        let line = line.context("reading the output of the tests")?;
        println!("{line}");
        if let Some(found) = of_line(&line) {
            counts.passed += found.passed;
            counts.failed += found.failed;
            counts.skipped += found.skipped;
        }
    }
    if !child.wait()?.success() {
        bail!("a test failed, or could not be built; see above");
    }
    Ok(())
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn native_counts(line: &str) -> Option<Counts> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers = rest.split("; ").map_while(|part| part.split(' ').next()?.parse().ok());
    Some(Counts { passed: numbers.next()?, failed: numbers.next()?, skipped: numbers.next()? })
}

/// `3 passed, 0 failed, 1 skipped`
fn browser_counts(line: &str) -> Option<Counts> {
    let mut parts = line.split(", ");
    let mut number = |word: &str| parts.next()?.strip_suffix(word)?.trim_end().parse().ok();
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("skipped")? })
}

#[cfg(test)]
mod tests {
    use super::{Counts, browser_counts, native_counts};

    #[test]
    fn reads_the_counts_of_tests() {
        let expected = Some(Counts { passed: 3, failed: 0, skipped: 1 });
        assert_eq!(
            native_counts("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out"),
            expected
        );
        assert_eq!(browser_counts("3 passed, 0 failed, 1 skipped"), expected);
        assert_eq!(native_counts("test a ... ok"), None);
        assert_eq!(browser_counts("passed, failed"), None);
    }
}
