//! Development containers: devcontainer.json, JSON with comments (containers.dev, read November 2026).

use serde_json::Value;

/// The command that prepares a fresh container, as a shell script. None when the file names none or cannot be read.
///
/// It is a line for a shell, a list of program and arguments, or several of both by name, which may run side by side and here run one
/// after the other.
pub(crate) fn post_create_command(text: &str) -> Option<String> {
    let value: Value = jsonc_parser::parse_to_serde_value(text, &Default::default()).ok()?;
    script(value.get("postCreateCommand")?)
}

fn script(command: &Value) -> Option<String> {
    let script = match command {
        Value::String(line) => line.trim().to_owned(),
        Value::Array(words) => {
            let quoted = |word: &Value| Some(format!("'{}'", word.as_str()?.replace('\'', r"'\''")));
            words.iter().map(quoted).collect::<Option<Vec<_>>>()?.join(" ")
        }
        Value::Object(named) => {
            let scripts = named.values().map(script).collect::<Option<Vec<_>>>()?;
            scripts.iter().map(|script| format!("( {script}\n)")).collect::<Vec<_>>().join(" && ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => return None,
    };
    (!script.is_empty()).then_some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_command_is_a_script_and_anything_else_is_none() {
        let scripts = [
            (r#"{"postCreateCommand": "npm ci"}"#, Some("npm ci")),
            ("{ // a comment\n \"postCreateCommand\": \" make \", /* and */ }", Some("make")),
            (r#"{"postCreateCommand": ["echo", "it's", "$HOME"]}"#, Some(r"'echo' 'it'\''s' '$HOME'")),
            (r#"{"postCreateCommand": {"a": "one # two", "b": ["two"]}}"#, Some("( one # two\n) && ( 'two'\n)")),
            (r#"{"postCreateCommand": ""}"#, None),
            (r#"{"postCreateCommand": [1]}"#, None),
            (r#"{"postCreateCommand": true}"#, None),
            ("{}", None),
            ("[]", None),
            ("no JSON", None),
            // As deep as a file may be long.
            (&"[".repeat(100_000), None),
            (&r#"{"postCreateCommand":"#.repeat(4000), None),
        ];
        for (text, expected) in scripts {
            assert_eq!(post_create_command(text).as_deref(), expected, "{text}");
        }
    }
}
