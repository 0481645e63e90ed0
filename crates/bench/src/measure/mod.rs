//! The measurements. Each module says at its head what its figures are and how they are come by.

mod billing;
mod events;
mod ledger;
mod memory;
mod program;
mod streams;
mod webhooks;

use crate::clerk::Clerk;
use crate::figure::Measured;
use crate::model::Model;
use crate::relay::Program;
use crate::{Options, say};
use std::time::Instant;

/// What every measurement is given.
pub(crate) struct Bench {
    pub(crate) clerk: Clerk,
    pub(crate) model: Model,
    pub(crate) program: Program,
    pub(crate) options: Options,
}

/// Measures whatever is wanted. A measurement that fails says so, and its figures stand in the
/// file as not measured; the others go on.
pub(crate) async fn all(bench: &Bench) -> Vec<Measured> {
    let mut measured = Vec::new();
    macro_rules! measure {
        ($($module:ident),*) => {$(
            if bench.options.wants(&$module::FIGURES) {
                let began = Instant::now();
                match $module::measure(bench).await {
                    Ok(found) => measured.extend(found),
                    Err(error) => say(format_args!("{}: {error:#}", stringify!($module))),
                }
                say(format_args!("{} took {:.0?}", stringify!($module), began.elapsed()));
            }
        )*};
    }
    measure!(program, streams, events, memory, billing, webhooks, ledger);
    measured
}
