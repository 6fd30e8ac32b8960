//! The output of a command as the model reads it: whole when it is short, otherwise cut in the middle.

use domain::Redactor;
use sandbox_protocol::{ByteRange, Stream};

use super::tool::Scope;
use crate::workspace::WorkspaceError;

/// The output of a finished command that wrote `bytes` bytes, of which `head` is the beginning.
pub(super) async fn read(scope: &Scope<'_>, head: &[u8], bytes: u64) -> Result<String, WorkspaceError> {
    let max = scope.limits.output_characters;
    if bytes <= max as u64 {
        return Ok(scope.redacted(&String::from_utf8_lossy(head)));
    }
    let head = &head[..head.len().min(max / 2)];
    let tail = scope.workspace.output(&scope.exec, Stream::Stdout, ByteRange::Last(max as u64 / 2)).await?;
    let file = format!("{}/{}/stdout", scope.workspace.layout().outputs, scope.exec);
    Ok(cut_middle(&scope.context.common.redactor, head, &tail, bytes, scope.limits.kept_bytes, &file))
}

/// The beginning and the end of an output of `bytes` bytes, with a line between them that says how much is missing and which
/// file holds it.
///
/// Both parts are cut back to whole words first, since the redactor does not recognize half of a secret.
fn cut_middle(redactor: &Redactor, head: &[u8], tail: &[u8], bytes: u64, kept_bytes: u64, file: &str) -> String {
    let head = String::from_utf8_lossy(head);
    let tail = String::from_utf8_lossy(tail);
    let start = tail.find(char::is_whitespace).map_or(tail.len(), |at| at + 1);
    let (head, tail) = (redactor.redact_growing(&head), redactor.redact(&tail[start..]).into_owned());
    let missing = bytes.saturating_sub((head.len() + tail.len()) as u64);
    let whole = if bytes <= kept_bytes {
        format!("the whole output is kept in {file}")
    } else {
        format!("the first {kept_bytes} of its {bytes} bytes are kept in {file}")
    };
    format!(
        "{head}\n[... {missing} bytes cut here; {whole}: view a range of that file, or search it with grep ...]\n{tail}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_says_what_is_missing_and_shows_no_half_of_a_secret() {
        let secret = "sk-ant-api03-abcdefghijklmnop";
        let head = format!("first line\nkey {}", &secret[..20]);
        let tail = format!("{} and more\nlast line", &secret[20..]);
        let text =
            cut_middle(&Redactor::default(), head.as_bytes(), tail.as_bytes(), 50_000, 1000, "/outputs/x/stdout");
        assert!(text.starts_with("first line\n"), "{text}");
        assert!(text.ends_with("and more\nlast line"), "{text}");
        assert!(text.contains("the first 1000 of its 50000 bytes are kept in /outputs/x/stdout"), "{text}");
        assert!(!text.contains("sk-ant") && !text.contains("klmnop"), "{text}");
    }
}
