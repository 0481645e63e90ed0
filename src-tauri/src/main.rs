//! The program `autocrea`.

fn main() {}
