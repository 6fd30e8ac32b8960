//! Java and Kotlin: Maven and Gradle.

use domain::ProjectType::{General, Web};

use crate::survey::evidence::{DependencyKind, Evidence, KnownPackage};
use crate::survey::repository::Repository;

/// Searched as words of the build file. A Gradle build file is a program, whose dependencies only running it would list.
const KNOWN: &[KnownPackage] = &[
    KnownPackage::new("org.springframework.boot", "Spring", Web, 10),
    KnownPackage::new("org.springframework", "Spring", Web, 10),
    KnownPackage::new("io.quarkus", "Quarkus", Web, 10),
    KnownPackage::new("io.micronaut", "Micronaut", Web, 10),
    KnownPackage::new("io.ktor", "Ktor", Web, 10),
    KnownPackage::new("io.vertx", "Vert.x", Web, 8),
    KnownPackage::new("com.android.application", "Android", General, 0),
];

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    let projects = repository.project_directories(&["pom.xml", "build.gradle", "build.gradle.kts"]);
    let command_directories = projects.for_commands();
    for directory in projects.all() {
        let mut is_maven = false;
        for manifest in repository.in_directory(directory) {
            if !matches!(manifest.name, "pom.xml" | "build.gradle" | "build.gradle.kts") {
                continue;
            }
            is_maven |= manifest.name == "pom.xml";
            let words = manifest.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
            evidence.packages(directory, DependencyKind::Runtime, KNOWN, words);
        }
        if !command_directories.contains(&directory) {
            continue;
        }
        let has = |name: &str| repository.has_in(directory, name);
        if is_maven {
            let maven = if has("mvnw") { "./mvnw" } else { "mvn" };
            evidence.build(directory, &format!("{maven} package -DskipTests"));
            evidence.test(directory, &format!("{maven} test"));
        } else {
            let gradle = if has("gradlew") { "./gradlew" } else { "gradle" };
            evidence.build(directory, &format!("{gradle} assemble"));
            evidence.test(directory, &format!("{gradle} test"));
            evidence.lint(directory, &format!("{gradle} check"));
        }
    }
}
