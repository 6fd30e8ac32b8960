//! Hands out access tokens and takes them back.

use jiff::SignedDuration;

use crate::{AccessToken, Account, MicroDollars, Principal, Quota, RepositoryPattern, Role, TokenId, TokenRecord};

use super::{CommandError, InvalidInput, Services};

/// The longest label, in bytes.
pub(super) const MAX_LABEL_BYTES: usize = 200;

/// The longest time that a token may count, in days.
pub(super) const MAX_DAYS: u32 = 3650;

/// The most sessions at a time that can be said.
pub(super) const MAX_CONCURRENT_SESSIONS: u32 = 1000;

/// The most repositories that a principal's list may name.
pub(super) const MAX_REPOSITORIES: usize = 1000;

/// A token that is to be made. What is said about the principal changes its account, for all its tokens; what is left out
/// stays as it is.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it will be.
    pub principal: Principal,
    /// What it is for.
    pub label: String,
    /// For how many days it counts; for ever when left out.
    pub days: Option<u32>,
    /// Whether the principal may hand out tokens itself.
    pub role: Option<Role>,
    /// The repositories that it may work on.
    pub repositories: Option<Vec<RepositoryPattern>>,
    /// The most sessions it may have at work at a time.
    pub max_concurrent_sessions: Option<u32>,
    /// The most it may spend in a day.
    pub max_daily_cost: Option<MicroDollars>,
}

/// Makes a token. It is shown to nobody but the caller, once; only its digest is kept.
pub async fn create_token(services: &Services, new: NewToken) -> Result<(AccessToken, TokenRecord), CommandError> {
    if new.label.len() > MAX_LABEL_BYTES || new.label.chars().any(char::is_control) {
        return Err(InvalidInput::Label.into());
    }
    if new.days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return Err(InvalidInput::Lifetime.into());
    }
    if new.max_concurrent_sessions.is_some_and(|most| !(1..=MAX_CONCURRENT_SESSIONS).contains(&most)) {
        return Err(InvalidInput::ConcurrentSessions.into());
    }
    if new.repositories.as_ref().is_some_and(|patterns| patterns.len() > MAX_REPOSITORIES) {
        return Err(InvalidInput::Repositories.into());
    }
    services.change(&new.principal, |account| change(account, &new)).await?;
    let now = services.clock.now();
    let expires_at = new.days.and_then(|days| now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok());
    let (id, token) = services.ids.token();
    let record = TokenRecord {
        id,
        digest: token.digest(),
        principal: new.principal,
        label: services.redactor.redact(&new.label).into_owned(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    services.accounts.add_token(&record).await?;
    Ok((token, record))
}

fn change(account: &mut Account, new: &NewToken) {
    let Account { role, quota, .. } = account;
    let Quota { repositories, max_concurrent_sessions, max_daily_cost } = quota;
    if let Some(wanted) = new.role {
        *role = wanted;
    }
    if let Some(wanted) = &new.repositories {
        repositories.clone_from(wanted);
    }
    *max_concurrent_sessions = new.max_concurrent_sessions.or(*max_concurrent_sessions);
    *max_daily_cost = new.max_daily_cost.or(*max_daily_cost);
}

/// Takes a token back: it counts no more, at once.
pub async fn revoke_token(services: &Services, id: &TokenId) -> Result<(), CommandError> {
    if services.accounts.revoke_token(id, services.clock.now()).await? {
        return Ok(());
    }
    Err(CommandError::NoToken(id.clone()))
}
