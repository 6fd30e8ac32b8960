//! The wall clock and random identifiers. Nothing else in the program reads either.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Clock, Ids};
use domain::{AccessToken, PlanId, SessionId, SpanId, TokenId, TraceId};
use jiff::Timestamp;
use ulid::Ulid;

pub struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl asl::Time for WallClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(domain::ports::elapsed(now(), at)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the wall clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

pub struct RandomIds;

#[expect(clippy::disallowed_methods, reason = "this module owns random identifiers")]
fn ulid() -> Ulid {
    Ulid::generate()
}

/// 64 random bits: the last 8 of a ULID's 10 random bytes.
pub(crate) fn random() -> u64 {
    ulid().0 as u64
}

impl RandomIds {
    /// Parses generated identifiers until one is valid. Trace and span ids must not be all zeros, which random digits are
    /// once in 2^64 times.
    fn parsed<T: std::str::FromStr>(generate: impl Fn() -> String) -> T {
        loop {
            if let Ok(id) = generate().parse() {
                return id;
            }
        }
    }
}

impl Ids for RandomIds {
    fn session(&self) -> SessionId {
        Self::parsed(|| ulid().to_string())
    }

    fn trace(&self) -> TraceId {
        Self::parsed(|| {
            let seconds = u32::try_from(now().as_second()).unwrap_or(u32::MAX);
            format!("{seconds:08x}{:016x}{:08x}", random(), random() as u32)
        })
    }

    fn span(&self) -> SpanId {
        Self::parsed(|| format!("{:016x}", random()))
    }

    fn plan(&self) -> PlanId {
        Self::parsed(|| format!("plan-{}", &ulid().to_string().to_lowercase()[16..]))
    }

    fn token(&self) -> (TokenId, AccessToken) {
        let id = Self::parsed(|| format!("token-{}", ulid().to_string().to_lowercase()));
        (id, AccessToken::from_random([random(), random(), random(), random()]))
    }

    fn unique(&self) -> String {
        ulid().to_string()
    }
}
