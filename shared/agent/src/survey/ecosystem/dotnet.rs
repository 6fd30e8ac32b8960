//! .NET: project files.

use domain::ProjectType::Web;

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::{Directory, Repository};

const ASP_NET: KnownPackage = KnownPackage::new("Microsoft.NET.Sdk.Web", "ASP.NET Core", Web, 10);

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let mut is_dotnet = false;
    for manifest in repository.manifests().filter(|manifest| manifest.name.ends_with(".csproj")) {
        is_dotnet = true;
        if manifest.text.contains(ASP_NET.package) {
            // Project files are usually one level below the root, and count fully all the same.
            evidence.framework(Directory::ROOT, DependencyKind::Runtime, &ASP_NET);
        }
    }
    if is_dotnet {
        evidence.install(Directory::ROOT, "dotnet restore");
        evidence.build(Directory::ROOT, "dotnet build");
        evidence.test(Directory::ROOT, "dotnet test");
        evidence.lint(Directory::ROOT, "dotnet format --verify-no-changes");
    }
}
