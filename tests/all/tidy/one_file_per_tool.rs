//! A tool is one file: nothing else in the program knows a tool by its name.

use std::collections::BTreeMap;

use super::{repository_files, top};

/// Where the tools are.
const TOOLS: &str = "shared/agent/src/tools/";

/// Names that also mean something else: a file may hold the literal where it speaks of the shell, not of the tool.
const HOMONYMS: &[(&str, &str)] = &[("bash", "shared/agent/src/survey/")];

fn read(file: &str) -> String {
    std::fs::read_to_string(top().join(file)).unwrap()
}

/// Each tool's name, by its file.
fn tools() -> BTreeMap<String, String> {
    let files = repository_files().into_iter().filter(|file| file.starts_with(TOOLS) && file.ends_with(".rs"));
    files
        .filter_map(|file| {
            let text = read(&file);
            let (_, after) = text.split_once("impl Tool for ")?;
            let name = after.split_once("fn name() -> &'static str {")?.1.split('"').nth(1)?.to_owned();
            Some((file, name))
        })
        .collect()
}

#[test]
fn a_tool_is_one_file_and_one_line() {
    let table = read(&format!("{TOOLS}mod.rs"));
    let lines = table.lines().filter(|line| line.trim().starts_with("Entry::of::<")).count();
    let tools = tools();
    assert_eq!(tools.len(), lines, "the table has a line for each of {:?}", tools.keys());
    for file in tools.keys() {
        assert_eq!(read(file).matches("impl Tool for ").count(), 1, "{file} holds one tool");
    }
}

#[test]
fn nothing_but_its_own_file_knows_a_tool_by_its_name() {
    // The stand-in for the model's service knows the names that the service itself gives its built-in tools.
    let sources = repository_files().into_iter().filter(|file| {
        let product = file.starts_with("shared/") || file.starts_with("infra/");
        product && file.ends_with(".rs") && !file.contains("/tests/") && !file.starts_with("infra/stand-ins/")
    });
    let tools = tools();
    for file in sources {
        let text = read(&file);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (own, name) in &tools {
            let homonym = HOMONYMS.iter().any(|(word, place)| word == name && file.starts_with(place));
            // A key of a JSON object is a parameter, not a tool.
            let literal = format!("\"{name}\"");
            let knows = text.split(&literal).skip(1).any(|after| !after.starts_with(':'));
            assert!(!knows || *own == file || homonym, "{file} knows the tool {name}");
        }
    }
}
