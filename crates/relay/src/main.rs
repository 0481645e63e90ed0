//! The relay's program: reads the configuration, runs a command, says how it ended by its exit
//! code (78 faulty configuration, 64 usage, 69 a service that cannot be reached).

mod arenas;
mod cli;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    arenas::keep_few();
    cli::run()
}
