//! Go: go.mod.

use domain::ProjectType::{Devops, General, Web};

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::Repository;

const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("github.com/gin-gonic/gin", "Gin", Web, 10),
    KnownPackage::new("github.com/labstack/echo", "Echo", Web, 10),
    KnownPackage::new("github.com/gofiber/fiber", "Fiber", Web, 10),
    KnownPackage::new("github.com/go-chi/chi", "chi", Web, 10),
    KnownPackage::new("github.com/gorilla/mux", "Gorilla", Web, 8),
    KnownPackage::new("google.golang.org/grpc", "gRPC", Web, 4),
    KnownPackage::new("sigs.k8s.io/controller-runtime", "controller-runtime", Devops, 8),
    KnownPackage::new("k8s.io/client-go", "Kubernetes client", Devops, 5),
    KnownPackage::new("github.com/hashicorp/terraform-plugin-framework", "Terraform plug-in", Devops, 6),
    KnownPackage::new("github.com/spf13/cobra", "Cobra", General, 0),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["go.mod"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "go.mod");
        let modules = manifest.into_iter().flat_map(|manifest| direct_requirements(manifest.text));
        evidence.packages(directory, DependencyKind::Runtime, KNOWN, modules);
        if command_directories.contains(&directory) {
            evidence.install(directory, "go mod download");
            evidence.build(directory, "go build ./...");
            evidence.test(directory, "go test ./...");
            evidence.lint(directory, "go vet ./...");
            if [".golangci.yml", ".golangci.yaml", ".golangci.toml"]
                .iter()
                .any(|name| repository.has_in(directory, name))
            {
                evidence.lint(directory, "golangci-lint run");
            }
        }
    }
}

/// The modules that a `go.mod` requires directly, without the suffix of their major version.
fn direct_requirements(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.ends_with("// indirect"));
    lines.filter_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        let module = words.next()?;
        let is_version = |word: &str| word.starts_with('v');
        words.next().is_some_and(is_version).then(|| without_major(module))
    })
}

fn without_major(module: &str) -> &str {
    match module.rsplit_once("/v") {
        Some((path, major)) if major.bytes().all(|byte| byte.is_ascii_digit()) => path,
        Some(_) | None => module,
    }
}
