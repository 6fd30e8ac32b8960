//! The store's ports with a hook before and after every call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::commands::Services;
use domain::ports::{
    Accounts, AppendError, EventLog, KeyBinding, Page, ReadError, Reservations, SessionSummary, Sessions,
    SnapshotRecord,
};
use domain::{
    Account, Digest256, Event, ExecutionName, IdempotencyKey, OutsideKey, Principal, RunNumber, Seq, Session,
    SessionId, TaskToken, TokenId, TokenRecord, Unavailable,
};
use jiff::Timestamp;
use local::Store;

/// What happens around every call of a port.
pub(crate) trait Hooks: Send + Sync {
    /// Before the call, which is not made after an error. The number is given to [`Hooks::leave`].
    fn enter(&self) -> impl Future<Output = Result<usize, Unavailable>> + Send;

    /// After the call. An error takes the place of its answer.
    fn leave(&self, entered: usize) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The ports of a store, with hooks.
pub(crate) struct Intercepted<H> {
    pub(crate) store: Store,
    pub(crate) hooks: H,
}

impl<H: Hooks + 'static> Intercepted<H> {
    /// The services with these ports instead of their own.
    pub(crate) fn within(self: &Arc<Self>, services: Services) -> Services {
        Services {
            event_log: Arc::clone(self) as _,
            sessions: Arc::clone(self) as _,
            accounts: Arc::clone(self) as _,
            reservations: Arc::clone(self) as _,
            ..services
        }
    }
}

macro_rules! intercept {
    ($port:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty, $error:ty;)* }) => {
        #[async_trait]
        impl<H: Hooks> $port for Intercepted<H> {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, $error> {
                let entered = self.hooks.enter().await?;
                let answer = $port::$name(&self.store, $($argument),*).await;
                self.hooks.leave(entered).await?;
                answer
            })*
        }
    };
}

intercept!(EventLog {
    fn append(session: &SessionId, after: Seq, batch: &[Event]) -> (), AppendError;
    fn read(session: &SessionId, after: Seq, limit: usize) -> Page, ReadError;
    fn wait(session: &SessionId, after: Seq, timeout: Duration) -> bool, Unavailable;
    fn delete(session: &SessionId) -> (), Unavailable;
});

intercept!(Accounts {
    fn account(principal: &Principal) -> Option<Account>, Unavailable;
    fn put_account(account: &Account) -> bool, Unavailable;
    fn accounts() -> Vec<Account>, Unavailable;
    fn add_token(token: &TokenRecord) -> (), Unavailable;
    fn token_by_digest(digest: &Digest256) -> Option<TokenRecord>, Unavailable;
    fn tokens() -> Vec<TokenRecord>, Unavailable;
    fn revoke_token(id: &TokenId, at: Timestamp) -> bool, Unavailable;
});

intercept!(Reservations {
    fn counters(principal: &Principal) -> Counters, Unavailable;
    fn reservation(execution: &ExecutionName) -> Option<Reservation>, Unavailable;
    fn in_place(principal: &Principal, place: Place, limit: usize) -> Vec<Reservation>, Unavailable;
    fn outstanding(before: Timestamp, after: Option<&ExecutionName>, limit: usize) -> Vec<Reservation>, Unavailable;
    fn commit(change: &ReservationChange) -> bool, Unavailable;
    fn forget(session: &SessionId) -> (), Unavailable;
});

intercept!(Sessions {
    fn create(session: &Session, summary: &SessionSummary) -> bool, Unavailable;
    fn get(id: &SessionId) -> Option<Session>, Unavailable;
    fn summary(id: &SessionId) -> Option<SessionSummary>, Unavailable;
    fn update(summary: &SessionSummary) -> (), Unavailable;
    fn snapshot(id: &SessionId) -> Option<SnapshotRecord>, Unavailable;
    fn put_snapshot(id: &SessionId, snapshot: &SnapshotRecord) -> bool, Unavailable;
    fn list(owner: Option<&Principal>, before: Option<&SessionId>, limit: usize) -> Vec<SessionSummary>, Unavailable;
    fn unfinished(written_before: Timestamp, after: Option<&SessionId>, limit: usize) -> Vec<SessionId>, Unavailable;
    fn bind_key(owner: &Principal, key: &IdempotencyKey, binding: &KeyBinding) -> KeyBinding, Unavailable;
    fn put_token(id: &SessionId, run: RunNumber, step: Seq, token: &TaskToken) -> bool, Unavailable;
    fn token(id: &SessionId, run: RunNumber) -> Option<TaskToken>, Unavailable;
    fn clear_token(id: &SessionId, run: RunNumber, token: &TaskToken) -> (), Unavailable;
    fn bind_outside(key: &OutsideKey, session: &SessionId) -> SessionId, Unavailable;
    fn session_of(key: &OutsideKey) -> Option<SessionId>, Unavailable;
    fn begin_deletion(id: &SessionId, owner: &Principal) -> bool, Unavailable;
    fn deletions(limit: usize) -> Vec<SessionId>, Unavailable;
    fn end_deletion(id: &SessionId) -> (), Unavailable;
    fn is_deleted(id: &SessionId) -> bool, Unavailable;
});
