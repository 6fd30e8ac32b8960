//! The contract of blob stores.

use domain::Digest256;
use domain::ports::Blobs;
use local::DirectoryBlobs;

use crate::support::session_id;

async fn contract(blobs: &dyn Blobs) {
    let (one, two) = (session_id(1), session_id(2));
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let stored = blobs.put(&one, &content).await.unwrap();
    assert_eq!((stored.bytes, stored.sha256.clone()), (200_000, Digest256::of(&content)));
    assert_eq!(blobs.put(&one, &content).await.unwrap(), stored, "may be repeated");
    assert_eq!(blobs.get(&one, &stored.sha256).await.unwrap(), content);
    assert!(blobs.get(&two, &stored.sha256).await.is_err(), "sessions do not mix");
    let empty = blobs.put(&two, b"").await.unwrap();
    assert_eq!(blobs.get(&two, &empty.sha256).await.unwrap(), b"");
    let third = blobs.put(&two, b"the first session has it, too").await.unwrap();
    blobs.put(&one, b"the first session has it, too").await.unwrap();
    for _ in 0..2 {
        blobs.delete(&two, &third.sha256).await.unwrap();
        assert!(blobs.get(&two, &third.sha256).await.is_err(), "it is deleted");
    }
    assert!(blobs.get(&one, &third.sha256).await.is_ok(), "of that session only");
}

#[tokio::test]
async fn the_directory_fulfils_the_contract_of_blobs_and_reports_corruption() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = DirectoryBlobs::new(directory.path().to_owned());
    contract(&blobs).await;
    let stored = blobs.put(&session_id(3), b"whole").await.unwrap();
    let file = directory.path().join(session_id(3).as_str()).join(stored.sha256.as_str());
    std::fs::write(file, b"half").unwrap();
    let damaged = blobs.get(&session_id(3), &stored.sha256).await.unwrap_err();
    assert!(domain::error_chain(&damaged).contains("corrupt"), "{damaged:?}");
}
