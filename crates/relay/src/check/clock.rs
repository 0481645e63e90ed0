//! Whether our clock agrees with the world's: tokens are good from one second to another, and
//! signatures for five minutes.

use super::Finding;
use reqwest::Response;
use std::time::{Duration, SystemTime};

/// Clerk's tokens are given this much.
const TOLERATED: Duration = Duration::from_secs(5);
/// Beyond this, people cannot sign in, or are let in too long.
const BROKEN: Duration = Duration::from_secs(60);

/// What the `Date` of somebody else's answer says of our clock; `None` if it says nothing.
pub(super) fn finding(answer: &Response) -> Option<Finding> {
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    Some(judged(httpdate::parse_http_date(date).ok()?, SystemTime::now()))
}

fn judged(theirs: SystemTime, ours: SystemTime) -> Finding {
    let apart = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let seen = format!("{} s apart from Clerk's", apart.as_secs());
    if apart > BROKEN {
        Finding::failed("clock", format!("{seen}: tokens and signatures will be refused; run NTP"))
    } else if apart > TOLERATED {
        Finding::note("clock", format!("{seen}; run NTP"))
    } else {
        Finding::ok("clock", "it agrees with Clerk's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn a_clock_that_is_wrong_is_noted_and_one_that_breaks_sign_in_fails_either_way_round() {
        let now = SystemTime::now();
        for (secs, verdict) in [(0, Verdict::Ok), (20, Verdict::Note), (90, Verdict::Failed)] {
            let apart = Duration::from_secs(secs);
            assert_eq!(judged(now - apart, now).verdict, verdict);
            assert_eq!(judged(now, now - apart).verdict, verdict);
        }
    }
}
