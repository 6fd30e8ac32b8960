//! The scripts that the stand-in for Claude plays.

use std::fs;
use std::path::Path;

use domain::Plan;
use serde_json::Value;

#[test]
fn every_tool_call_and_plan_of_the_scripts_matches_its_schema() {
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
            if let Err(flaw) = agent::check_call(call["name"].as_str().unwrap(), &call["input"]) {
                panic!("{path}: {flaw}: {call}");
            }
        }
    }
}
