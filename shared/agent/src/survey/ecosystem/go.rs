//! Go: go.mod.

use domain::ProjectType::{Devops, General, Web};

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::Repository;

const KNOWN: &[Known] = &[
    Known::new("github.com/gin-gonic/gin", "Gin", Web, 10),
    Known::new("github.com/labstack/echo", "Echo", Web, 10),
    Known::new("github.com/gofiber/fiber", "Fiber", Web, 10),
    Known::new("github.com/go-chi/chi", "chi", Web, 10),
    Known::new("github.com/gorilla/mux", "Gorilla", Web, 8),
    Known::new("google.golang.org/grpc", "gRPC", Web, 4),
    Known::new("sigs.k8s.io/controller-runtime", "controller-runtime", Devops, 8),
    Known::new("k8s.io/client-go", "Kubernetes client", Devops, 5),
    Known::new("github.com/hashicorp/terraform-plugin-framework", "Terraform plug-in", Devops, 6),
    Known::new("github.com/spf13/cobra", "Cobra", General, 0),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["go.mod"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let manifest = repository.in_directory(directory).find(|manifest| manifest.name == "go.mod");
        let modules = manifest.into_iter().flat_map(|manifest| direct_requirements(manifest.text));
        evidence.packages(directory, Need::Runtime, KNOWN, modules);
        if worked_in.contains(&directory) {
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

/// The modules a go.mod requires for its own sake, without the suffix of their major version.
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
