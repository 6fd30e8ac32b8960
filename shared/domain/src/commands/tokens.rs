//! Hands out access tokens and takes them back.

use jiff::SignedDuration;

use crate::{AccessToken, Account, Allowance, MicroDollars, Principal, RepositoryPattern, Role, TokenId, TokenRecord};

use super::{CommandError, Desk};

/// The longest label, in bytes.
const LONGEST_LABEL: usize = 200;

/// The longest time that a token may count, in days.
const MOST_DAYS: u32 = 3650;

/// The most sessions at a time that can be said.
const MOST_SESSIONS: u32 = 1000;

/// The most repositories that a principal's list may name.
const MOST_REPOSITORIES: usize = 1000;

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
pub async fn create_token(desk: &Desk, new: NewToken) -> Result<(AccessToken, TokenRecord), CommandError> {
    let invalid = |message: String| Err(CommandError::Invalid(message));
    if new.label.len() > LONGEST_LABEL || new.label.chars().any(char::is_control) {
        return invalid(format!("a label has at most {LONGEST_LABEL} bytes and no control characters"));
    }
    if new.days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return invalid(format!("a token counts for 1 to {MOST_DAYS} days, or for ever"));
    }
    if new.max_concurrent_sessions.is_some_and(|most| !(1..=MOST_SESSIONS).contains(&most)) {
        return invalid(format!("a principal has 1 to {MOST_SESSIONS} sessions at a time, or any number"));
    }
    if new.repositories.as_ref().is_some_and(|patterns| patterns.len() > MOST_REPOSITORIES) {
        return invalid(format!("at most {MOST_REPOSITORIES} repositories can be named"));
    }
    desk.change(&new.principal, |account| change(account, &new)).await?;
    let now = desk.clock.now();
    let expires_at = new.days.and_then(|days| now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok());
    let (id, token) = desk.ids.token();
    let record = TokenRecord {
        id,
        digest: token.digest(),
        principal: new.principal,
        label: desk.masker.mask(&new.label).into_owned(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    desk.accounts.add_token(&record).await?;
    Ok((token, record))
}

fn change(account: &mut Account, new: &NewToken) {
    let Account { role, allowance, .. } = account;
    let Allowance { repositories, max_concurrent_sessions, max_daily_cost } = allowance;
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
pub async fn revoke_token(desk: &Desk, id: &TokenId) -> Result<(), CommandError> {
    if desk.accounts.revoke_token(id, desk.clock.now()).await? {
        return Ok(());
    }
    Err(CommandError::NoToken(id.clone()))
}
