//! Creates and revokes access tokens.

use jiff::SignedDuration;

use crate::{
    AccessToken, Account, Dependency, MicroDollars, Principal, Quota, RepositoryPattern, Role, TokenId, TokenRecord,
    Unavailable,
};

use super::{CommandError, InvalidInput, Services};

/// Maximum length of a label, in bytes.
pub(super) const MAX_LABEL_BYTES: usize = 200;

/// Maximum lifetime of a token, in days; a token without one does not expire.
pub(super) const MAX_DAYS: u32 = 3650;

/// Maximum that can be set for [`Quota::max_concurrent_sessions`].
pub(super) const MAX_CONCURRENT_SESSIONS: u32 = 1000;

/// Maximum patterns in [`Quota::repositories`].
pub(super) const MAX_REPOSITORIES: usize = 1000;

/// The token to create. The role and the quota are properties of the principal's account, not of the token: a field that is
/// given changes the account for all tokens of the principal, a field that is none leaves it as it is.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub principal: Principal,
    /// What the token is for, in the caller's words.
    pub label: String,
    /// Lifetime in days; none for a token that does not expire.
    pub days: Option<u32>,
    pub role: Option<Role>,
    /// See [`Quota::repositories`].
    pub repositories: Option<Vec<RepositoryPattern>>,
    /// See [`Quota::max_concurrent_sessions`].
    pub max_concurrent_sessions: Option<u32>,
    /// See [`Quota::max_daily_cost`].
    pub max_daily_cost: Option<MicroDollars>,
}

/// Creates a token. The caller gets it once; only its digest is stored.
///
/// # Errors
/// [`InvalidInput`] when a value is out of its limits.
pub async fn create_token(services: &Services, new: NewToken) -> Result<(AccessToken, TokenRecord), CommandError> {
    if new.label.len() > MAX_LABEL_BYTES || new.label.chars().any(char::is_control) {
        return Err(InvalidInput::Label.into());
    }
    if new.days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return Err(InvalidInput::Lifetime.into());
    }
    if new.max_concurrent_sessions.is_some_and(|max| !(1..=MAX_CONCURRENT_SESSIONS).contains(&max)) {
        return Err(InvalidInput::ConcurrentSessions.into());
    }
    if new.repositories.as_ref().is_some_and(|patterns| patterns.len() > MAX_REPOSITORIES) {
        return Err(InvalidInput::Repositories.into());
    }
    // The account first: a token without an account would have no limits.
    update_account(services, &new).await?;
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

/// Maximum compare-and-set attempts before the write of an account is reported as failed.
const MAX_ATTEMPTS: u32 = 50;

/// Writes the role and the quota to the principal's account. An account that stays as it was is not written.
async fn update_account(services: &Services, new: &NewToken) -> Result<(), Unavailable> {
    for _ in 0..MAX_ATTEMPTS {
        let before = services.account(&new.principal).await?;
        let mut after = before.clone();
        apply(&mut after, new);
        if after == before || services.accounts.put_account(&after).await? {
            return Ok(());
        }
    }
    let cause = format!("the account of {} changed during each of {MAX_ATTEMPTS} attempts to write it", new.principal);
    Err(Unavailable::new(Dependency::Accounts, cause))
}

fn apply(account: &mut Account, new: &NewToken) {
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

/// Revokes a token, with immediate effect.
///
/// # Errors
/// [`CommandError::NoToken`] when there is no such token.
pub async fn revoke_token(services: &Services, id: &TokenId) -> Result<(), CommandError> {
    if services.accounts.revoke_token(id, services.clock.now()).await? {
        return Ok(());
    }
    Err(CommandError::NoToken(id.clone()))
}
