//! Java and Kotlin: Maven and Gradle.

use domain::ProjectType::{General, Web};

use crate::survey::evidence::{Evidence, Known, Need};
use crate::survey::repository::Repository;

/// Looked for as words of the build file: its language is not one that can be read without running it.
const KNOWN: &[Known] = &[
    Known::new("org.springframework.boot", "Spring", Web, 10),
    Known::new("org.springframework", "Spring", Web, 10),
    Known::new("io.quarkus", "Quarkus", Web, 10),
    Known::new("io.micronaut", "Micronaut", Web, 10),
    Known::new("io.ktor", "Ktor", Web, 10),
    Known::new("io.vertx", "Vert.x", Web, 8),
    Known::new("com.android.application", "Android", General, 0),
];

pub(crate) fn look(repository: &Repository<'_>, evidence: &mut Evidence) {
    let places = repository.places(&["pom.xml", "build.gradle", "build.gradle.kts"]);
    let worked_in = places.worked_in();
    for directory in places.all() {
        let mut is_maven = false;
        for manifest in repository.in_directory(directory) {
            if !matches!(manifest.name, "pom.xml" | "build.gradle" | "build.gradle.kts") {
                continue;
            }
            is_maven |= manifest.name == "pom.xml";
            let words = manifest.text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '.' || sign == '-'));
            evidence.packages(directory, Need::Runtime, KNOWN, words);
        }
        if !worked_in.contains(&directory) {
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
