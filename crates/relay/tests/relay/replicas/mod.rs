//! Several relays on one PostgreSQL database: any of them serves any request.

mod pair;

mod changes;
mod frozen;
mod generations;
mod limits;
mod loss;
mod places;
mod spool;
mod stopping;
