//! The scripts that the stand-in for Claude plays are such that their tools can be called.

use std::fs;
use std::path::Path;

use domain::{Plan, Todo};
use serde_json::Value;
use toolbox::{Create, Glob, Grep, Insert, StrReplace, View};

#[test]
fn every_tool_call_and_plan_of_the_scripts_has_its_shape() {
    for path in ["../infra/local/demo/script.json", "fixtures/scripts/web.json"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        stand_ins::claude::Script::parse(&text).unwrap();
        let script: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value::<Plan>(script["plan"].clone()).unwrap();

        let turns = script["turns"].as_array().unwrap();
        let alternatives = turns.iter().filter_map(|turn| turn["when"].as_array()).flatten();
        let calls: Vec<&Value> =
            turns.iter().chain(alternatives).filter_map(|turn| turn["tools"].as_array()).flatten().collect();
        assert!(calls.len() >= 9, "{path}");
        for call in calls {
            if let Err(flaw) = understand(call["name"].as_str().unwrap(), call["input"].clone()) {
                panic!("{path}: {flaw}: {call}");
            }
        }
    }
}

fn understand(tool: &str, mut input: Value) -> Result<(), String> {
    let fields = input.as_object_mut().ok_or("the input is no object")?;
    let names = fields.len();
    let read = match tool {
        "bash" if names == 1 && fields["command"].is_string() => Ok(()),
        "str_replace_based_edit_tool" => match fields.remove("command").as_ref().and_then(Value::as_str) {
            Some("view") => serde_json::from_value::<View>(input).map(drop),
            Some("create") => serde_json::from_value::<Create>(input).map(drop),
            Some("str_replace") => serde_json::from_value::<StrReplace>(input).map(drop),
            Some("insert") => serde_json::from_value::<Insert>(input).map(drop),
            Some(_) | None => return Err("no such command".to_owned()),
        },
        "glob" => serde_json::from_value::<Glob>(input).map(drop),
        "grep" => serde_json::from_value::<Grep>(input).map(drop),
        "update_todos" if names == 1 => serde_json::from_value::<Vec<Todo>>(input["todos"].take()).map(drop),
        _ => return Err("no such tool".to_owned()),
    };
    read.map_err(|error| error.to_string())
}
