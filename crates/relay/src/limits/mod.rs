//! Requests a minute, of a person and of an address without a token.
//!
//! Token buckets: a burst of a whole minute's allowance, refilled evenly. All replicas count together:
//! in Redis where there is one, and without it, or while it is away, in PostgreSQL. A process that has
//! an SQLite database for itself counts in its memory. So does each replica while PostgreSQL does not
//! answer at once: a limit is never what makes a request wait for long or fail. What was counted in
//! one place is not known in the other, so that whoever asks in the moment of a change may have more
//! than their allowance, and never less.
//!
//! An IPv6 address counts with its /64, which is what one customer of a network is given at least; one
//! mapped from IPv4 counts as that.

mod memory;
mod postgres;
mod shared;

use crate::config::{Limits as Settings, Network};
use crate::db::{Aside, Db, DbError};
use crate::error::ApiError;
use crate::redis::Redis;
use autocrea_protocol::UserId;
use http::HeaderMap;
use memory::Buckets;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

/// What a bucket that is shared is called, before whose it is.
const PERSON: &str = "requests-of-person";
const ADDRESS: &str = "requests-of-address";

/// The limits of this deployment, or of this process.
pub struct Limits {
    together: Together,
    people: Buckets<UserId>,
    addresses: Buckets<IpAddr>,
    trusted: Vec<Network>,
}

/// Where requests are counted with other replicas': the first that answers. If there is none, or none
/// answers, they are counted here.
struct Together {
    redis: Option<Redis>,
    database: Option<Aside>,
}

impl Together {
    /// Takes one, or says in how many seconds there will be one; `None` if nobody answers.
    async fn take(
        &self,
        kind: &str,
        of: impl Display + Copy,
        per_minute: u32,
    ) -> Option<Result<(), u64>> {
        if per_minute == 0 {
            return Some(Ok(()));
        }
        if let Some(redis) = &self.redis
            && let Some(answer) = shared::take(redis, kind, of, per_minute).await
        {
            return Some(answer);
        }
        postgres::take(self.database.as_ref()?, kind, of, per_minute).await
    }

    /// Gives one back; `None` if nobody answers.
    async fn put_back(&self, kind: &str, of: impl Display + Copy, per_minute: u32) -> Option<()> {
        if per_minute == 0 {
            return Some(());
        }
        if let Some(redis) = &self.redis
            && let Some(()) = shared::put_back(redis, kind, of, per_minute).await
        {
            return Some(());
        }
        postgres::put_back(self.database.as_ref()?, kind, of, per_minute).await
    }
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn new(settings: &Settings, redis: Option<Redis>, database: Option<Aside>) -> Self {
        Self {
            together: Together { redis, database },
            people: Buckets::new(settings.per_minute),
            addresses: Buckets::new(settings.per_minute_address),
            trusted: settings.trusted_proxies.clone(),
        }
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// `rate_limited`.
    pub async fn person(&self, user: &UserId) -> Result<(), ApiError> {
        let together = self.together.take(PERSON, user.as_str(), self.people.per_minute()).await;
        together
            .unwrap_or_else(|| self.people.take(user, Instant::now()))
            .map_err(ApiError::rate_limited)
    }

    /// Counts a request without a good token.
    ///
    /// # Errors
    /// `rate_limited`.
    pub async fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let counted = together(self.client(peer, headers));
        let together = self.together.take(ADDRESS, counted, self.addresses.per_minute()).await;
        together
            .unwrap_or_else(|| self.addresses.take(&counted, Instant::now()))
            .map_err(ApiError::rate_limited)
    }

    /// Takes back what [`Limits::address`] counted: the token turned out to be good.
    pub async fn forgive(&self, peer: IpAddr, headers: &HeaderMap) {
        let counted = together(self.client(peer, headers));
        let per_minute = self.addresses.per_minute();
        let together = self.together.put_back(ADDRESS, counted, per_minute).await;
        together.unwrap_or_else(|| self.addresses.put_back(&counted));
    }

    /// Removes from the database what makes no difference any more.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn sweep(db: &Db) -> Result<(), DbError> {
        if db.is_shared() { postgres::forget_full(db).await } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn limits(per_minute: u32, trusted: &[&str]) -> Limits {
        let settings = Settings {
            per_minute,
            per_minute_address: per_minute,
            account_streams: 10,
            trusted_proxies: trusted.iter().map(|it| it.parse().expect("a network")).collect(),
        };
        Limits::new(&settings, None, None)
    }

    #[tokio::test]
    async fn zero_is_off() {
        let limits = limits(0, &[]);
        for _ in 0..1_000 {
            assert!(limits.person(&UserId::from("ana")).await.is_ok());
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn the_addresses_of_one_network_of_ipv6_count_together_and_mapped_ones_as_ipv4() {
        let (limits, none) = (limits(1, &[]), HeaderMap::new());
        assert!(limits.address(address("2001:db8:0:7::1"), &none).await.is_ok());
        assert!(limits.address(address("2001:db8:0:7:ffff::2"), &none).await.is_err());
        assert!(limits.address(address("2001:db8:0:8::1"), &none).await.is_ok());
        assert!(limits.address(address("::ffff:9.9.9.9"), &none).await.is_ok());
        assert!(limits.address(address("9.9.9.9"), &none).await.is_err());
        assert!(limits.address(address("::ffff:9.9.9.8"), &none).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_forgiven_may_be_asked_again() {
        let (limits, none, peer) = (limits(1, &[]), HeaderMap::new(), address("9.9.9.9"));
        for _ in 0..3 {
            assert!(limits.address(peer, &none).await.is_ok());
            limits.forgive(peer, &none).await;
        }
        limits.forgive(peer, &none).await;
        assert!(limits.address(peer, &none).await.is_ok());
        assert!(limits.address(peer, &none).await.is_err());
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
