//! The program `waddington`: errors are one line on stderr and a non-zero exit (2 for wrong arguments, 130 after Ctrl-C).

use std::io::ErrorKind;
use std::process::ExitCode;

use cli::{Arguments, Interrupted, Parser};

/// What a shell gives a program that Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Err(error) = cli::run(&Arguments::parse(), &mut std::io::stdout().lock()) else {
        return ExitCode::SUCCESS;
    };
    if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        // Whoever reads the output has seen enough of it, as `head` does.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
    if error.is::<Interrupted>() { ExitCode::from(EXIT_INTERRUPTED) } else { ExitCode::FAILURE }
}
