//! The contract of account stores.

use domain::ports::Accounts;
use domain::{Account, Digest256, Principal, Quota, Role, TokenRecord};
use jiff::Timestamp;

use super::second_process;
use crate::support::store;

fn principal(name: &str) -> Principal {
    name.parse().unwrap()
}

fn with_limit(account: &Account, sessions: u32) -> Account {
    let quota = Quota { max_concurrent_sessions: Some(sessions), ..Quota::default() };
    Account { quota, ..account.clone() }
}

fn token_record(id: &str) -> TokenRecord {
    TokenRecord {
        id: id.parse().unwrap(),
        digest: Digest256::of(id.as_bytes()),
        principal: principal("ada"),
        label: "laptop".to_owned(),
        created_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        expires_at: None,
        revoked_at: None,
    }
}

fn at(second: u8) -> Timestamp {
    format!("2026-11-22T11:00:{second:02}Z").parse().unwrap()
}

async fn first(accounts: &dyn Accounts) {
    let ada = Account::new(principal("ada"), Role::Admin, Quota::default());
    assert_eq!(accounts.account(&ada.principal).await.unwrap(), None);
    assert!(accounts.put_account(&ada).await.unwrap());
    assert!(!accounts.put_account(&ada).await.unwrap(), "it is there already");
    let stored = accounts.account(&ada.principal).await.unwrap().unwrap();
    assert_eq!((stored.role, stored.version), (Role::Admin, 1));
    assert!(accounts.put_account(&with_limit(&stored, 1)).await.unwrap());
    assert!(!accounts.put_account(&with_limit(&stored, 2)).await.unwrap(), "it was written since it was read");
    let bob = Account::new(principal("bob"), Role::Member, Quota::default());
    assert!(accounts.put_account(&bob).await.unwrap());

    for id in ["token-1", "token-2"] {
        accounts.add_token(&token_record(id)).await.unwrap();
    }
    let found = accounts.token_by_digest(&Digest256::of(b"token-1")).await.unwrap();
    assert_eq!(found, Some(token_record("token-1")));
    assert_eq!(accounts.token_by_digest(&Digest256::of(b"token-9")).await.unwrap(), None);
    assert_eq!(accounts.tokens().await.unwrap(), [token_record("token-1"), token_record("token-2")]);
    assert!(!accounts.revoke_token(&"token-9".parse().unwrap(), at(1)).await.unwrap(), "there is none");
}

/// In another process: changes an account and revokes a token.
async fn second(accounts: &dyn Accounts) {
    let ada = accounts.account(&principal("ada")).await.unwrap().unwrap();
    assert_eq!((ada.version, ada.quota.max_concurrent_sessions), (2, Some(1)));
    assert!(accounts.put_account(&with_limit(&ada, 7)).await.unwrap());
    assert!(accounts.revoke_token(&"token-1".parse().unwrap(), at(1)).await.unwrap());
}

/// Back in the first process, which has read the account before the second one changed it.
async fn after(accounts: &dyn Accounts, read_before: &Account) {
    assert!(!accounts.put_account(&with_limit(read_before, 3)).await.unwrap(), "the second process wrote first");
    let listed = accounts.accounts().await.unwrap();
    let listed: Vec<_> =
        listed.iter().map(|one| (one.principal.as_str(), one.role, one.quota.max_concurrent_sessions)).collect();
    assert_eq!(listed, [("ada", Role::Admin, Some(7)), ("bob", Role::Member, None)]);

    let revoked = accounts.token_by_digest(&Digest256::of(b"token-1")).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(1)), "at once");
    assert!(accounts.revoke_token(&revoked.id, at(2)).await.unwrap());
    let again = accounts.token_by_digest(&revoked.digest).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(at(1)), "the time stays");
    assert_eq!(accounts.tokens().await.unwrap().iter().filter(|token| token.revoked_at.is_none()).count(), 1);
}

#[tokio::test]
async fn the_local_store_fulfils_the_contract_of_accounts() {
    if let Some(directory) = second_process::directory() {
        return second(&store(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let accounts = store(directory.path());
    first(&accounts).await;
    let read_before = accounts.account(&principal("ada")).await.unwrap().unwrap();
    second_process::run("contracts::accounts::the_local_store_fulfils_the_contract_of_accounts", directory.path());
    after(&accounts, &read_before).await;
}
