//! The contract of live text.

use std::path::Path;
use std::time::Duration;

use domain::ports::{LiveReply, LiveText};
use domain::{Attempt, Conversation, TurnNumber};
use local::LiveDirectory;

use super::second_process::{self, SecondProcess};
use crate::support::session_id;

const LONG: Duration = Duration::from_secs(30);

fn reply(text: &str) -> LiveReply {
    let (conversation, turn, attempt) = (Conversation::Main, TurnNumber(1), Attempt(1));
    LiveReply { conversation, turn, attempt, offset: 0, text: text.to_owned() }
}

async fn first(live: &dyn LiveText) {
    let (one, two) = (session_id(1), session_id(2));
    assert_eq!(live.next(&one, None, Duration::ZERO).await.unwrap(), None);
    let (next, shown) = {
        let shown = reply("It");
        tokio::join!(live.next(&one, None, LONG), live.show(&one, &shown))
    };
    shown.unwrap();
    assert_eq!(next.unwrap(), Some(reply("It")));
    live.show(&one, &reply("It is")).await.unwrap();
    live.show(&one, &reply("It is done")).await.unwrap();
    assert_eq!(live.next(&one, Some(&reply("It")), LONG).await.unwrap(), Some(reply("It is done")), "the latest");
    let same = live.next(&one, Some(&reply("It is done")), Duration::ZERO).await.unwrap();
    assert_eq!(same, Some(reply("It is done")), "nothing new");
    assert_eq!(live.next(&two, None, Duration::ZERO).await.unwrap(), None, "sessions do not mix");
}

/// In another process: sees the reply, and continues it.
async fn second(live: &dyn LiveText) {
    let one = session_id(1);
    assert_eq!(live.next(&one, None, LONG).await.unwrap(), Some(reply("It is done")));
    live.show(&one, &reply("It is done now")).await.unwrap();
}

async fn after(live: &dyn LiveText) {
    let one = session_id(1);
    let seen = reply("It is done now");
    let (next, forgotten) = tokio::join!(live.next(&one, Some(&seen), LONG), live.forget(&one));
    forgotten.unwrap();
    assert_eq!(next.unwrap(), None, "a viewer sees that it is forgotten");
    live.forget(&one).await.unwrap();
}

fn live_directory(directory: &Path) -> LiveDirectory {
    LiveDirectory::new(directory.to_owned())
}

#[tokio::test]
async fn the_directory_fulfils_the_contract_of_live_text() {
    if let Some(directory) = second_process::directory() {
        return second(&live_directory(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let live = live_directory(directory.path());
    first(&live).await;
    let test = "contracts::live_text::the_directory_fulfils_the_contract_of_live_text";
    let process = SecondProcess::start(test, directory.path(), &[]);
    let seen = live.next(&session_id(1), Some(&reply("It is done")), LONG).await.unwrap();
    process.expect_success();
    assert_eq!(seen, Some(reply("It is done now")), "written by the second process, seen while it was watched");
    after(&live).await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
}
