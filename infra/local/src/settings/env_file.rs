//! `.env` files.

use std::collections::HashMap;

/// Parses lines `NAME=value`, optionally after `export`. Values may be quoted; a line that begins with `#` is a comment.
pub(super) fn parse(text: &str) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let unquoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let value = unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value);
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    variables
}
