//! Few arenas for all threads' memory.
//!
//! The system's allocator has an arena for nearly every thread. Under a mixed load each of them fills
//! up with gaps of its own: within minutes several times as much memory as is in use. With two it is
//! less (176 MB resident after ten minutes of a load whose people's histories grew, 138 with them).
//! How many there may be it reads from the environment before the program begins, so the program
//! begins once more, as the same process.

use std::env::{args_os, current_exe, var_os};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What glibc reads; elsewhere it means nothing.
const ARENAS: &str = "MALLOC_ARENA_MAX";
const FEW: &str = "2";

/// Begins the program again with few arenas, unless somebody has said how many they want.
pub(crate) fn keep_few() {
    if var_os(ARENAS).is_some() {
        return;
    }
    let mut arguments = args_os();
    let name = arguments.next();
    let Ok(program) = current_exe() else { return };
    let mut again = Command::new(&program);
    again.arg0(name.unwrap_or_else(|| program.into())).args(arguments).env(ARENAS, FEW);
    // Comes back only if it could not be done: then the relay takes more memory, and works.
    let _fault = again.exec();
}
