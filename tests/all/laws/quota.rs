//! What a quota allows.

#[test]
fn a_pattern_covers_no_repository_that_only_looks_alike() {
    let covers = |pattern: &str, url: &str| pattern.parse::<domain::RepositoryPattern>().unwrap().matches(url);
    for (pattern, url) in [
        ("https://github.com/owner/*", "https://github.com/owner/name"),
        ("https://github.com/owner/*", "HTTPS://GitHub.com/owner/name.git/"),
        ("https://github.com/owner/name", "https://github.com/owner/name.git"),
        ("/srv/code/*", "/srv/code/a/b"),
    ] {
        assert!(covers(pattern, url), "{pattern} {url}");
    }
    for (pattern, url) in [
        ("https://github.com/owner/*", "https://github.com/owner"),
        ("https://github.com/owner/*", "https://github.com/owner2/name"),
        ("https://github.com/owner/*", "https://github.com/owner/../other/name"),
        ("https://github.com/owner/*", "https://github.com/owner/%2e%2e/other/name"),
        ("https://github.com/owner/*", "https://github.com.evil.example/owner/name"),
        ("https://github.com/owner/*", "https://evil.example/https://github.com/owner/name"),
        ("https://github.com/owner/*", "http://github.com/owner/name"),
        ("https://github.com/owner/name", "https://github.com/owner/name2"),
        ("/srv/code/*", "/srv/code/../other"),
        ("/srv/code/*", "/srv/code//x"),
        ("/srv/code/*", "file:///srv/code/x"),
    ] {
        assert!(!covers(pattern, url), "{pattern} {url}");
    }
}
