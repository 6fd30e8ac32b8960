//! The contract of blob stores.

use std::path::Path;

use domain::Digest256;
use domain::ports::{BlobError, Blobs};
use local::DirectoryBlobs;

use super::second_process;
use crate::support::session_id;

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|n| (n % 251) as u8).collect()
}

async fn is_gone(blobs: &dyn Blobs, session: u8, content: &[u8]) -> bool {
    let digest = Digest256::of(content);
    matches!(blobs.get(&session_id(session), &digest).await, Err(BlobError::Gone(gone)) if gone == digest)
}

async fn first(blobs: &dyn Blobs) {
    let (one, two) = (session_id(1), session_id(2));
    let content = content();
    let stored = blobs.put(&one, &content).await.unwrap();
    assert_eq!((stored.bytes, stored.sha256.clone()), (200_000, Digest256::of(&content)));
    assert_eq!(blobs.put(&one, &content).await.unwrap(), stored, "may be repeated");
    assert_eq!(blobs.get(&one, &stored.sha256).await.unwrap(), content);
    assert!(is_gone(blobs, 2, &content).await, "sessions do not mix");
    let empty = blobs.put(&two, b"").await.unwrap();
    assert_eq!(blobs.get(&two, &empty.sha256).await.unwrap(), b"");
    let third = blobs.put(&two, b"the first session has it, too").await.unwrap();
    blobs.put(&one, b"the first session has it, too").await.unwrap();
    for _ in 0..2 {
        blobs.delete(&two, &third.sha256).await.unwrap();
        assert!(blobs.get(&two, &third.sha256).await.is_err(), "it is deleted");
    }
    assert!(blobs.get(&one, &third.sha256).await.is_ok(), "of that session only");
    blobs.put(&two, b"kept").await.unwrap();
}

/// In another process: reads what the first one put, and deletes a session.
async fn second(blobs: &dyn Blobs) {
    assert_eq!(blobs.get(&session_id(1), &Digest256::of(&content())).await.unwrap(), content());
    assert_eq!(blobs.get(&session_id(2), &Digest256::of(b"kept")).await.unwrap(), b"kept");
    blobs.delete_session(&session_id(1)).await.unwrap();
    blobs.delete_session(&session_id(1)).await.unwrap();
}

async fn after(blobs: &dyn Blobs) {
    assert!(is_gone(blobs, 1, &content()).await, "the second process deleted it");
    assert_eq!(blobs.get(&session_id(2), &Digest256::of(b"kept")).await.unwrap(), b"kept", "of another session");
    blobs.put(&session_id(1), &content()).await.unwrap();
    assert_eq!(blobs.get(&session_id(1), &Digest256::of(&content())).await.unwrap(), content());
}

fn directory_blobs(directory: &Path) -> DirectoryBlobs {
    DirectoryBlobs::new(directory.to_owned())
}

#[tokio::test]
async fn the_directory_fulfils_the_contract_of_blobs() {
    if let Some(directory) = second_process::directory() {
        return second(&directory_blobs(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let blobs = directory_blobs(directory.path());
    first(&blobs).await;
    second_process::run("contracts::blobs::the_directory_fulfils_the_contract_of_blobs", directory.path());
    after(&blobs).await;
}

#[tokio::test]
async fn a_damaged_blob_is_gone_until_it_is_put_again() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = directory_blobs(directory.path());
    let stored = blobs.put(&session_id(3), b"whole").await.unwrap();
    let file = directory.path().join(session_id(3).as_str()).join(stored.sha256.as_str());
    std::fs::write(file, b"half").unwrap();
    assert!(is_gone(&blobs, 3, b"whole").await);
    blobs.put(&session_id(3), b"whole").await.unwrap();
    assert_eq!(blobs.get(&session_id(3), &stored.sha256).await.unwrap(), b"whole");
}
