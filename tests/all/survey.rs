//! The survey of a repository: from a checkout through the toolbox to the classification.

use std::fs;
use std::path::{Path, PathBuf};

use domain::{ProjectType, Survey};
use toolbox::{Answer, Call, Request, Response};

use crate::support::{copy_directory, git};

#[test]
fn each_kind_of_project_is_recognized_by_its_files() {
    for name in ["web", "data-science", "frontend", "devops"] {
        let checkout = checkout();
        copy_directory(&repositories().join(name), checkout.path());
        let expected = fs::read_to_string(repositories().join(format!("{name}.survey.json"))).unwrap();
        let expected: Survey = serde_json::from_str(&expected).unwrap();
        assert_eq!(survey(checkout.path()), expected, "{name}");
    }
}

#[test]
fn a_command_line_tool_is_a_general_project() {
    let checkout = checkout();
    let manifest = "[package]\nname = \"tally\"\nversion = \"0.1.0\"\n\n[dependencies]\nclap = \"4\"\n";
    fs::write(checkout.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(checkout.path().join("Dockerfile"), "FROM scratch\nCOPY tally /\n").unwrap();
    fs::create_dir(checkout.path().join("src")).unwrap();
    fs::write(checkout.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    let survey = survey(checkout.path());
    assert_eq!(survey.project_type, ProjectType::General);
    assert_eq!(survey.languages, ["Rust", "TOML"]);
    assert_eq!(survey.frameworks, ["Docker"]);
    assert_eq!(survey.test_commands, ["cargo test"]);
    assert!(!survey.empty);
}

#[test]
fn a_repository_without_files_is_empty() {
    let checkout = checkout();
    let survey = survey(checkout.path());
    let nothing = Survey {
        project_type: ProjectType::General,
        languages: Vec::new(),
        frameworks: Vec::new(),
        install_commands: Vec::new(),
        build_commands: Vec::new(),
        test_commands: Vec::new(),
        lint_commands: Vec::new(),
        conventions: Vec::new(),
        files: 0,
        empty: true,
    };
    assert_eq!(survey, nothing);
}

/// An empty git repository.
fn checkout() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    git(directory.path(), &["init", "--quiet"]);
    directory
}

fn survey(workspace: &Path) -> Survey {
    let state = tempfile::tempdir().unwrap();
    let request = Request::new(workspace, state.path(), Call::Survey(toolbox::Survey {}));
    let response = toolbox::Toolbox::default().answer_json(&serde_json::to_vec(&request).unwrap());
    match Response::parse(&response).unwrap() {
        Answer::Survey(facts) => agent::survey::classify(&facts),
        other => panic!("not an answer to `survey`: {other:?}"),
    }
}

fn repositories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/repositories")
}
