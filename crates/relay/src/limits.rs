//! Requests a minute, of a person and of an address without a token.
//!
//! Token buckets in memory: a burst of a whole minute's allowance, refilled evenly. A bucket that is
//! full again is forgotten. An IPv6 address counts with its /64, which is what one customer of a
//! network is given at least; one mapped from IPv4 counts as that.

use crate::config::{Limits as Settings, Network};
use crate::error::ApiError;
use autocrea_protocol::UserId;
use http::HeaderMap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The limits of this process.
pub struct Limits {
    people: Buckets<UserId>,
    addresses: Buckets<IpAddr>,
    trusted: Vec<Network>,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            people: Buckets::new(settings.per_minute),
            addresses: Buckets::new(settings.per_minute_address),
            trusted: settings.trusted_proxies.clone(),
        }
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn person(&self, user: &UserId) -> Result<(), ApiError> {
        self.people.take(user, Instant::now()).map_err(ApiError::rate_limited)
    }

    /// Counts a request without a good token.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let counted = together(self.client(peer, headers));
        self.addresses.take(&counted, Instant::now()).map_err(ApiError::rate_limited)
    }

    /// Takes back what [`Limits::address`] counted: the token turned out to be good.
    pub fn forgive(&self, peer: IpAddr, headers: &HeaderMap) {
        self.addresses.put_back(&together(self.client(peer, headers)));
    }

    /// The address that counts: the peer's, or, behind trusted proxies, the last one in
    /// `X-Forwarded-For` that is not one of them.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.trusted.iter().any(|net| net.contains(address));
        if !trusted(peer) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok());
        let chain: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        let mut nearest = peer;
        for hop in chain.iter().rev() {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { return nearest };
            nearest = address;
            if !trusted(address) {
                return address;
            }
        }
        nearest
    }
}

/// What an address is counted with.
fn together(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

struct Buckets<K> {
    per_minute: u32,
    known: Mutex<Known<K>>,
}

struct Known<K> {
    buckets: HashMap<K, Bucket>,
    tidied: Instant,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// With more buckets than this, those that are full again are forgotten, at most once a second: a
/// flood of addresses must not make each request look at all of them.
const FORGET_ABOVE: usize = 10_000;
const TIDY_EVERY: Duration = Duration::from_secs(1);

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(per_minute: u32) -> Self {
        let known = Known { buckets: HashMap::new(), tidied: Instant::now() };
        Self { per_minute, known: Mutex::new(known) }
    }

    /// Takes one; or says in how many seconds there will be one.
    fn take(&self, key: &K, now: Instant) -> Result<(), u64> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let full = f64::from(self.per_minute);
        let per_second = full / 60.0;
        let refilled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at);
            (bucket.tokens + since.as_secs_f64() * per_second).min(full)
        };
        let mut known = self.known.lock();
        if known.buckets.len() >= FORGET_ABOVE && now.duration_since(known.tidied) >= TIDY_EVERY {
            known.buckets.retain(|_, bucket| refilled(bucket) < full);
            known.tidied = now;
        }
        let bucket = known.buckets.entry(key.clone()).or_insert(Bucket { tokens: full, at: now });
        let tokens = refilled(bucket);
        if tokens >= 1.0 {
            *bucket = Bucket { tokens: tokens - 1.0, at: now };
            return Ok(());
        }
        *bucket = Bucket { tokens, at: now };
        let wait = Duration::from_secs_f64((1.0 - tokens) / per_second);
        Err(wait.as_secs() + 1)
    }

    /// Gives one back. A bucket that has been forgotten is full.
    fn put_back(&self, key: &K) {
        if let Some(bucket) = self.known.lock().buckets.get_mut(key) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.per_minute));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn limits(per_minute: u32, trusted: &[&str]) -> Limits {
        Limits::new(&Settings {
            per_minute,
            per_minute_address: per_minute,
            trusted_proxies: trusted.iter().map(|it| it.parse().expect("a network")).collect(),
        })
    }

    #[test]
    fn the_request_after_the_last_is_refused_until_time_has_passed() {
        let (buckets, start) = (Buckets::new(2), Instant::now());
        assert!(buckets.take(&"ana", start).is_ok() && buckets.take(&"ana", start).is_ok());
        assert_eq!(buckets.take(&"ana", start), Err(30 + 1));
        assert!(buckets.take(&"luis", start).is_ok());
        let later = start + Duration::from_secs(30);
        assert!(buckets.take(&"ana", later).is_ok());
        assert!(buckets.take(&"ana", later).is_err());
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_again() {
        let (buckets, start) = (Buckets::new(60), Instant::now());
        for address in 0..FORGET_ABOVE {
            assert!(buckets.take(&address, start).is_ok());
        }
        let later = start + Duration::from_secs(90);
        assert!(buckets.take(&usize::MAX, later).is_ok());
        assert_eq!(buckets.known.lock().buckets.len(), 1);
    }

    #[test]
    fn zero_is_off() {
        let limits = limits(0, &[]);
        for _ in 0..1_000 {
            assert!(limits.person(&UserId::from("ana")).is_ok());
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_count_together_and_mapped_ones_as_ipv4() {
        let (limits, none) = (limits(1, &[]), HeaderMap::new());
        assert!(limits.address(address("2001:db8:0:7::1"), &none).is_ok());
        assert!(limits.address(address("2001:db8:0:7:ffff::2"), &none).is_err());
        assert!(limits.address(address("2001:db8:0:8::1"), &none).is_ok());
        assert!(limits.address(address("::ffff:9.9.9.9"), &none).is_ok());
        assert!(limits.address(address("9.9.9.9"), &none).is_err());
        assert!(limits.address(address("::ffff:9.9.9.8"), &none).is_ok());
    }

    #[test]
    fn what_is_forgiven_may_be_asked_again() {
        let (limits, none, peer) = (limits(1, &[]), HeaderMap::new(), address("9.9.9.9"));
        for _ in 0..3 {
            assert!(limits.address(peer, &none).is_ok());
            limits.forgive(peer, &none);
        }
        limits.forgive(peer, &none);
        assert!(limits.address(peer, &none).is_ok());
        assert!(limits.address(peer, &none).is_err());
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_trusted_proxy() {
        let proxy: IpAddr = "10.1.2.3".parse().expect("an address");
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 9.9.9.9, 10.0.0.7"));
        assert_eq!(limits(1, &[]).client(proxy, &headers), proxy);
        let behind = limits(1, &["10.0.0.0/8"]).client(proxy, &headers);
        assert_eq!(behind, "9.9.9.9".parse::<IpAddr>().expect("an address"));
    }
}
