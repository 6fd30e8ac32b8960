//! The contract of forges.

use domain::ports::{
    CloneSource, CommitAuthor, Forge, ForgeError, Publication, Published, PullRequestText, Readiness, Repository,
};
use domain::{Changeset, ChangesetLimits, ErrorCode, FileChange, FileMode, WorkspacePath};
use local::LocalForge;

use super::second_process;
use crate::support::{Home, git, repository};

fn write(path: &str, content: &str) -> (String, FileChange) {
    (path.to_owned(), FileChange::Write { mode: FileMode::Regular, content: content.as_bytes().to_vec() })
}

fn publication(base: &Repository, branch: &str, changes: Vec<(String, FileChange)>) -> Publication {
    Publication {
        branch: branch.to_owned(),
        parent: base.base_commit.clone(),
        expected_head: None,
        changes: Changeset::check(changes, ChangesetLimits::default()).unwrap(),
        message: "Change\n\nWhy.\n".to_owned(),
        author: CommitAuthor { name: "Agent".to_owned(), email: "agent@example.invalid".to_owned() },
        date: "2026-11-22T10:00:00Z".parse().unwrap(),
    }
}

fn code(error: ForgeError) -> Option<ErrorCode> {
    match error {
        ForgeError::Terminal(terminal) => Some(terminal.code),
        ForgeError::Wait { .. } | ForgeError::BranchMoved { .. } | ForgeError::Unavailable(_) => None,
    }
}

/// `url` names a repository whose branch `main` has one commit with `a.txt` ("one") and `dir/b.txt`; `move_main` puts a second
/// commit on it, which changes `a.txt`.
async fn contract(forge: &dyn Forge, url: &str, nowhere: &str, move_main: impl FnOnce()) {
    assert_eq!(forge.preflight(nowhere, None).await.map_err(code), Err(Some(ErrorCode::RepositoryNotFound)));
    assert_eq!(forge.preflight(url, Some("none")).await.map_err(code), Err(Some(ErrorCode::BranchNotFound)));
    let found = forge.preflight(url, None).await.unwrap();
    assert_eq!(found.base_branch, "main");
    assert_eq!(forge.preflight(url, Some("main")).await.unwrap(), found);
    let name = found.name.as_str();
    let base = found.base_commit.clone().unwrap();
    assert_eq!(forge.branch_head(name, "main").await.unwrap(), Some(base.clone()));
    assert_eq!(forge.branch_head(name, "backspace/none").await.unwrap(), None);

    // Publishing the same change again makes the same commit; another change on the same branch is refused.
    let change = vec![
        write("a.txt", "two\n"),
        ("dir/b.txt".to_owned(), FileChange::Delete),
        write("dir/c \"d\".txt", "new\n"),
        write("a.txt\r", "another\n"),
        write("odd\nblob 3", "odd\n\nblob 3\n"),
        write("really missing", ""),
    ];
    let first = publication(&found, "backspace/change", change);
    let Published::Done { commit, .. } = forge.publish(name, &first).await.unwrap() else { panic!("small enough") };
    let again = forge.publish(name, &first).await.unwrap();
    assert!(matches!(again, Published::Done { commit: same, .. } if same == commit), "published twice");
    assert_eq!(forge.branch_head(name, "backspace/change").await.unwrap(), Some(commit.clone()));
    let other = publication(&found, "backspace/change", vec![write("a.txt", "three\n")]);
    let refused = forge.publish(name, &other).await.unwrap_err();
    assert!(matches!(refused, ForgeError::BranchMoved { head: Some(head), .. } if head == commit));
    let next = Publication { parent: Some(commit.clone()), expected_head: Some(commit.clone()), ..other };
    assert!(
        matches!(forge.publish(name, &next).await.unwrap(), Published::Done { .. }),
        "a commit on top of the branch's head is accepted"
    );

    let changed = forge.changed_paths(name, &base, &commit).await.unwrap();
    assert_eq!(
        changed.iter().map(WorkspacePath::as_str).collect::<Vec<_>>(),
        ["a.txt", "a.txt\r", "dir/b.txt", "dir/c \"d\".txt", "odd\nblob 3", "really missing"]
    );
    // Deleted files, directories and names that do not exist are left out.
    let path = |path: &str| WorkspacePath::try_from(path.to_owned()).unwrap();
    let asked: Vec<WorkspacePath> =
        [path("dir"), path("no blob 0"), path("no\nname")].into_iter().chain(changed).collect();
    let contents = forge.contents(name, &commit, &asked).await.unwrap();
    let contents: Vec<_> = contents.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    let expected: [(&str, &[u8]); 5] = [
        ("a.txt", b"two\n"),
        ("a.txt\r", b"another\n"),
        ("dir/c \"d\".txt", b"new\n"),
        ("odd\nblob 3", b"odd\n\nblob 3\n"),
        ("really missing", b""),
    ];
    assert_eq!(contents, expected);

    // A pull request is found by its branch.
    assert_eq!(forge.find_pull_request(name, "backspace/change").await.unwrap(), None);
    let text = PullRequestText {
        head: "backspace/change".to_owned(),
        base: "main".to_owned(),
        title: "Change".to_owned(),
        body: "Why.".to_owned(),
        readiness: Readiness::Draft,
    };
    let opened = forge.open_pull_request(name, &text).await.unwrap();
    assert_eq!(forge.find_pull_request(name, "backspace/change").await.unwrap(), Some(opened.clone()));
    let ready = PullRequestText { title: "Changed".to_owned(), readiness: Readiness::Ready, ..text };
    forge.update_pull_request(name, &opened, &ready).await.unwrap();
    assert_eq!(forge.find_pull_request(name, "backspace/change").await.unwrap(), Some(opened));

    move_main();
    let moved = forge.branch_head(name, "main").await.unwrap().unwrap();
    assert_ne!(moved, base, "commits of others are visible");
    let changed = forge.changed_paths(name, &base, &moved).await.unwrap();
    assert_eq!(changed.iter().map(WorkspacePath::as_str).collect::<Vec<_>>(), ["a.txt"]);
}

/// In another process, after the first one published `backspace/change` and opened its pull request.
async fn second(forge: &dyn Forge, url: &str) {
    let found = forge.preflight(url, None).await.unwrap();
    let name = found.name.as_str();
    let opened = forge.find_pull_request(name, "backspace/change").await.unwrap().unwrap();
    let head = forge.branch_head(name, "backspace/change").await.unwrap().unwrap();
    let next = Publication {
        parent: Some(head.clone()),
        expected_head: Some(head.clone()),
        ..publication(&found, "backspace/change", vec![write("a.txt", "from the second process\n")])
    };
    let Published::Done { commit, .. } = forge.publish(name, &next).await.unwrap() else { panic!("small enough") };
    let stale = Publication { changes: publication(&found, "", vec![write("a.txt", "stale\n")]).changes, ..next };
    let refused = forge.publish(name, &stale).await.unwrap_err();
    assert!(matches!(refused, ForgeError::BranchMoved { head: Some(moved), .. } if moved == commit));
    assert_eq!(forge.find_pull_request(name, "backspace/change").await.unwrap(), Some(opened), "it is the same one");
}

#[tokio::test]
async fn the_local_forge_fulfils_the_contract_of_forges() {
    if let Some(directory) = second_process::directory() {
        let forge = LocalForge::new(directory.join("forge"));
        return second(&forge, &directory.join("project").display().to_string()).await;
    }
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n"), ("dir/b.txt", "b\n")]);
    let forge = LocalForge::new(home.beside("forge"));
    let nowhere = home.beside("nowhere").display().to_string();
    contract(&forge, &checkout.display().to_string(), &nowhere, || {
        std::fs::write(checkout.join("a.txt"), "theirs\n").unwrap();
        git(&checkout, &["commit", "--quiet", "--all", "--message=Theirs"]);
    })
    .await;
    second_process::run("contracts::forge::the_local_forge_fulfils_the_contract_of_forges", home.path());
    let name = forge.preflight(&checkout.display().to_string(), None).await.unwrap().name;
    let head = forge.branch_head(&name, "backspace/change").await.unwrap().unwrap();
    let path = WorkspacePath::try_from("a.txt".to_owned()).unwrap();
    let contents = forge.contents(&name, &head, std::slice::from_ref(&path)).await.unwrap();
    assert_eq!(contents[&path], b"from the second process\n");
    assert_eq!(git(&checkout, &["branch", "--list", "backspace/*"]), "", "nothing was written into the checkout");
}

#[tokio::test]
async fn the_local_forge_accepts_bare_and_shallow_clones_and_worktrees() {
    let home = Home::new();
    let checkout = repository(&home, "it's a \"project\"", &[("a.txt", "one\n")]);
    git(home.path(), &["clone", "--quiet", "--bare", checkout.to_str().unwrap(), "bare.git"]);
    let url = format!("file://{}", checkout.display());
    git(home.path(), &["clone", "--quiet", "--depth=1", &url, "shallow"]);
    git(&checkout, &["worktree", "add", "--quiet", "../tree", "-b", "tree"]);
    let forge = LocalForge::new(home.beside("forge"));
    for source in ["it's a \"project\"", "bare.git", "shallow", "tree"] {
        let found = forge.preflight(&home.beside(source).display().to_string(), None).await;
        assert!(found.is_ok_and(|found| found.base_commit.is_some()), "{source}");
    }
    // A branch named like a directory of earlier branches, and the other way round: git cannot hold both.
    let path = checkout.display().to_string();
    git(&checkout, &["branch", "feat"]);
    forge.preflight(&path, Some("feat")).await.unwrap();
    git(&checkout, &["branch", "--move", "feat", "feat/one"]);
    forge.preflight(&path, Some("feat/one")).await.unwrap();
    git(&checkout, &["branch", "--move", "feat/one", "feat"]);
    forge.preflight(&path, Some("feat")).await.unwrap();

    git(&checkout, &["checkout", "--quiet", "--detach"]);
    let detached = forge.preflight(&path, None).await.unwrap_err();
    assert!(detached.to_string().contains("--base"), "{detached}");
}

/// A repository of somebody else's is hostile: whatever stands in the place of a reference, the answer comes.
#[tokio::test]
async fn the_local_forge_reads_no_pipe_or_device_in_the_place_of_a_reference() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    git(&checkout, &["branch", "piped"]);
    git(&checkout, &["branch", "endless"]);
    let heads = checkout.join(".git/refs/heads");
    for name in ["piped", "endless"] {
        std::fs::remove_file(heads.join(name)).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(heads.join("piped")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", heads.join("endless")).unwrap();
    let forge = LocalForge::new(home.beside("forge"));
    for name in ["piped", "endless"] {
        let found = forge.preflight(&checkout.display().to_string(), Some(name)).await.map_err(code);
        assert_eq!(found, Err(Some(ErrorCode::BranchNotFound)), "{name}");
    }
}

/// The forge's own repository has the branches of all sessions on it, also those of other principals.
#[tokio::test]
async fn the_local_forge_shows_a_sandbox_one_branch_and_nothing_else() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    git(&checkout, &["branch", "other"]);
    let forge = LocalForge::new(home.beside("forge"));
    let url = checkout.display().to_string();
    forge.preflight(&url, Some("other")).await.unwrap();
    let main = forge.preflight(&url, Some("main")).await.unwrap();
    let other = publication(&main, "backspace/secret-of-another-session", vec![write("secret.txt", "x\n")]);
    let Published::Done { commit: own, .. } = forge.publish(&main.name, &other).await.unwrap() else { panic!("small") };
    let CloneSource::Directory(source) = forge.clone_source(&main).await.unwrap() else { panic!("no directory") };
    let CloneSource::Directory(again) = forge.clone_source(&main).await.unwrap() else { panic!("no directory") };
    assert_eq!(source, again);
    assert_eq!(git(&source, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    let found = std::process::Command::new("git").current_dir(&source).args(["cat-file", "-e", own.as_str()]).status();
    assert!(!found.unwrap().success(), "the commit of another session is there");
    let configuration = std::fs::read_to_string(source.join("config")).unwrap();
    assert!(!configuration.contains(home.path().to_str().unwrap()), "{configuration}");
    // A follow-up sees its own branch.
    let follow_up = forge.preflight(&url, Some("backspace/secret-of-another-session")).await.unwrap();
    let CloneSource::Directory(source) = forge.clone_source(&follow_up).await.unwrap() else { panic!("no directory") };
    let references = git(&source, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/heads/backspace/secret-of-another-session");
    // An empty repository shows nothing of what was published in it.
    let empty = Repository { base_commit: None, ..main };
    let CloneSource::Directory(source) = forge.clone_source(&empty).await.unwrap() else { panic!("no directory") };
    assert_eq!(git(&source, &["for-each-ref"]), "");
}
