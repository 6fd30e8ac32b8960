//! Time and identifiers of the real world. The only place that asks for either.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Clock, Ids};
use domain::{AccessToken, PlanId, SessionId, SpanId, TokenId, TraceId};
use jiff::Timestamp;
use ulid::Ulid;

/// The wall clock.
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

#[expect(clippy::disallowed_methods, reason = "this is the owner of the wall clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Random identifiers.
pub struct RandomIds;

#[expect(clippy::disallowed_methods, reason = "this is the owner of random identifiers")]
fn ulid() -> Ulid {
    Ulid::generate()
}

/// 64 random bits: the last 8 of a ULID's 10 random bytes.
pub(crate) fn random() -> u64 {
    ulid().0 as u64
}

impl RandomIds {
    /// Reads what was made to be readable. Random digits are all zero once in 2^64 tries; then there is another try.
    fn parsed<T: std::str::FromStr>(make: impl Fn() -> String) -> T {
        loop {
            if let Ok(id) = make().parse() {
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
        (id, AccessToken::of([random(), random(), random(), random()]))
    }

    fn unique(&self) -> String {
        ulid().to_string()
    }
}
