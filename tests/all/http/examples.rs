//! The examples in the README and in the API documentation work.

use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Home, ServerProcess, answer, bash, ends, fixture, script};
use crate::tidy::top;

/// Address and repository in the examples, which the test replaces.
const ADDRESS: &str = "http://localhost:8002";
const REPOSITORY: &str = "https://github.com/owner/repository";

/// The commands in a document's code blocks that call the server.
fn commands(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code && line.contains("curl ") {
            found.push(line.to_owned());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_in_the_readme_and_the_api_documentation_work() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> README.md"), ends()]));
    let project = fixture(&home, "web");
    let mut all = commands(&std::fs::read_to_string(top().join("README.md")).unwrap());
    let (_, document) = served.get("/openapi.json").await;
    all.extend(commands(document["info"]["description"].as_str().unwrap()));
    assert!(all.len() >= 4, "{all:?}");
    let first = served.begin(&crate::support::code_request(&project, "Add two.")).await;
    served.watch(&first, 0).await;
    for command in all {
        let words = command
            .replace(ADDRESS, &served.address)
            .replace(REPOSITORY, project.to_str().unwrap())
            .replace("SESSION", &first);
        let ran = Command::new("bash").args(["-o", "pipefail", "-c", &words]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{words}\n{said}{}", String::from_utf8_lossy(&ran.stderr));
        assert!(!said.contains("\"error\":{"), "{words}\n{said}");
        if command.contains("/code") {
            assert!(said.contains("\"kind\":\"run.finished\"") || said.contains("\"eventsUrl\""), "{words}\n{said}");
        }
    }
}

#[tokio::test]
async fn the_examples_of_every_operation_are_accepted() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> README.md"), ends()]));
    let project = fixture(&home, "web");
    let session = served.begin(&crate::support::code_request(&project, "Add two.")).await;
    served.watch(&session, 0).await;
    let (_, document) = served.get("/openapi.json").await;
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            let mut body = match &content["example"] {
                Value::Null => example_of(&document, &content["schema"]),
                example => example.clone(),
            };
            if body["repoUrl"].is_string() {
                body["repoUrl"] = project.to_str().unwrap().into();
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = served.request(method, &path.replace("{id}", &session)).header("accept", "application/json");
            let (status, answered) = answer(request.json(&body).send().await.unwrap()).await;
            // The session is over, so commands to a running one conflict with that. Their bodies are accepted all the same.
            assert!([200, 201, 202, 409].contains(&status), "{path} {body}: {status} {answered}");
            tried += 1;
        }
    }
    assert!(tried >= 7, "{tried}");
    let (_, listed) = served.get("/sessions").await;
    for started in listed["sessions"].as_array().unwrap() {
        served.watch(started["id"].as_str().unwrap(), 0).await;
    }
}

/// An example body from the examples of the schema's properties.
fn example_of(document: &Value, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let properties = document["components"]["schemas"][name]["properties"].as_object().unwrap();
    let examples = properties.iter().filter(|(_, property)| !property["example"].is_null());
    examples
        .map(|(name, property)| (name.clone(), property["example"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn the_api_documentation_loads_nothing_from_other_hosts() {
    let home = Home::new();
    let served = ServerProcess::start_without_model(&home);
    let page = served.request(Method::GET, "/docs/").send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"));
    let html = page.text().await.unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    for part in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-initializer.js"]
    {
        let found = served.request(Method::GET, &format!("/docs/{part}")).send().await.unwrap();
        assert!(html.contains(part) && found.status().is_success(), "{part}");
    }
}
