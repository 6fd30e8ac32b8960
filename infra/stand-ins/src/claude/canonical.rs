//! The text of a block without what the API ignores when it compares conversations.

use serde_json::Value;

/// A block as JSON text with sorted keys and without its cache breakpoints.
pub(crate) fn canonical(block: &Value) -> String {
    let mut block = block.clone();
    remove_breakpoint(&mut block);
    if let Some(parts) = block.get_mut("content").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(remove_breakpoint);
    }
    block.sort_all_objects();
    block.to_string()
}

fn remove_breakpoint(block: &mut Value) {
    if let Some(fields) = block.as_object_mut() {
        fields.shift_remove("cache_control");
    }
}
