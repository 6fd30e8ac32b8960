//! What may leave a sandbox.

use domain::{
    Changeset, ChangesetLimits, ErrorCode, FileChange, FileMode, InvalidRequest, UncheckedLimits, UncheckedRequest,
    WorkspacePath, is_branch_name,
};

fn write(mode: FileMode, content: &str) -> FileChange {
    FileChange::Write { mode, content: content.as_bytes().to_vec() }
}

fn check(changes: Vec<(&str, FileChange)>) -> Result<Changeset, String> {
    let limits = ChangesetLimits { files: 3, bytes_per_file: 10, bytes: 15 };
    let changes = changes.into_iter().map(|(path, change)| (path.to_owned(), change));
    Changeset::check(changes, limits).map_err(|refused| {
        assert_eq!(refused.code, ErrorCode::ChangesetRejected);
        refused.message
    })
}

#[test]
fn no_path_leaves_the_repository_or_leads_into_its_git_directory() {
    for path in ["a", "a/b.txt", "dir/.gitignore", ".github/workflows/x.yml", "git", "a.git/b", "ünï/cödé"] {
        assert!(WorkspacePath::try_from(path.to_owned()).is_ok(), "{path}");
    }
    let long = format!("a/{}", "b".repeat(256));
    let hostile = [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/./b",
        "a/",
        ".git",
        ".git/config",
        "a/.GIT/hooks/x",
        ".Git",
        ".git.",
        ".git ",
        "git~1/x",
        "GIT~1",
        ".git::$INDEX_ALLOCATION",
        ".g\u{200c}it/config",
        "a\0b",
        long.as_str(),
    ];
    for path in hostile {
        assert!(WorkspacePath::try_from(path.to_owned()).is_err(), "{path:?}");
    }
}

#[test]
fn a_link_points_inside_the_repository_and_nowhere_else() {
    for (path, target) in
        [("link", "a"), ("a/link", "../b"), ("a/b/link", "../../c"), ("a/b/link", "../../c/d"), ("link", ".")]
    {
        assert!(check(vec![(path, write(FileMode::Symlink, target))]).is_ok(), "{path} -> {target}");
    }
    let hostile = [
        ("link", "/etc"),
        ("link", ".."),
        ("a/link", "../../b"),
        ("link", "a/../.."),
        ("link", ".git/x"),
        ("link", ""),
        // A part of the way may be a link that leads up itself, such as `d/deep/up -> ../..`.
        ("link", "d/deep/up/../../etc/passwd"),
        ("link", "a/../b"),
    ];
    for (path, target) in hostile {
        assert!(check(vec![(path, write(FileMode::Symlink, target))]).is_err(), "{path} -> {target}");
    }
}

#[test]
fn a_changeset_names_each_file_once_and_stays_within_its_limits() {
    let file = |content: &str| write(FileMode::Regular, content);
    assert!(check(vec![("a", file("1")), ("b", FileChange::Delete), ("c", file("2"))]).is_ok());
    assert!(check(vec![("dir", file("1")), ("dir/old", FileChange::Delete)]).is_ok(), "a directory became a file");
    let refused = [
        vec![("a", file("1")), ("a", FileChange::Delete)],
        vec![("dir", file("1")), ("dir/new", file("2"))],
        vec![("a", file("12345678901"))],
        vec![("a", file("1234567890")), ("b", file("123456"))],
        vec![("a", file("")), ("b", file("")), ("c", file("")), ("d", file(""))],
    ];
    for changes in refused {
        assert!(check(changes.clone()).is_err(), "{changes:?}");
    }
}

#[test]
fn a_request_is_refused_with_the_rule_that_it_breaks() {
    let check = |change: &dyn Fn(&mut UncheckedRequest)| {
        let mut request = UncheckedRequest {
            repo_url: "https://example.com/r.git".to_owned(),
            prompt: "Do it.".to_owned(),
            ..UncheckedRequest::default()
        };
        change(&mut request);
        request.check("claude-sonnet-5-5", domain::Network::None)
    };
    assert!(check(&|_| {}).is_ok());
    let limits = |limits: UncheckedLimits| move |request: &mut UncheckedRequest| request.limits = Some(limits);
    let too_long = domain::MAX_PROMPT_BYTES + 1;
    type Change<'a> = &'a dyn Fn(&mut UncheckedRequest);
    let refused: [(Change<'_>, InvalidRequest); 13] = [
        (&|request| request.repo_url = " ".to_owned(), InvalidRequest::EmptyRepository),
        (&|request| request.repo_url = "https://example.com/\n".to_owned(), InvalidRequest::Repository),
        (&|request| request.repo_url = "--upload-pack=touch x".to_owned(), InvalidRequest::RepositoryOption),
        (&|request| request.repo_url = "https://user:token@example.com/r".to_owned(), InvalidRequest::Credentials),
        (&|request| request.prompt = " \n".to_owned(), InvalidRequest::EmptyPrompt),
        (&|request| request.prompt = "x".repeat(too_long), InvalidRequest::PromptTooLong { bytes: too_long }),
        (&|request| request.prompt = "a\0b".to_owned(), InvalidRequest::PromptNul),
        (&|request| request.base_branch = Some("--force".to_owned()), InvalidRequest::BaseBranch("--force".to_owned())),
        (&|request| request.model = Some("a b".to_owned()), InvalidRequest::Model("a b".to_owned())),
        (&limits(UncheckedLimits { max_turns: Some(0), ..Default::default() }), InvalidRequest::MaxTurns),
        (&limits(UncheckedLimits { max_minutes: Some(1441), ..Default::default() }), InvalidRequest::MaxMinutes),
        (&limits(UncheckedLimits { max_cost_usd: Some(f64::NAN), ..Default::default() }), InvalidRequest::MaxCost),
        (&limits(UncheckedLimits { max_cost_usd: Some(0.0), ..Default::default() }), InvalidRequest::MaxCost),
    ];
    for (change, rule) in refused {
        assert_eq!(check(change), Err(rule));
    }
}

#[test]
fn branch_names_are_the_ones_git_allows() {
    for name in ["main", "feature/x-1", "release-1.2", "ünïcode"] {
        assert!(is_branch_name(name), "{name}");
    }
    for name in [
        "", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a?b", "a*", "a[", "a\\b", "a/", "/a", "a//b", "a.lock", "a/.b",
        "a@{1}", "@", "x.",
    ] {
        assert!(!is_branch_name(name), "{name}");
    }
}
