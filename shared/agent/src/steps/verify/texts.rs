//! What the model is told before its change is published.

use std::fmt::Write as _;

use domain::text::{one_line, printable};
use domain::{Author, CheckFinished, CheckOutcome, Conversation, UserMessage};

use crate::briefing::untrusted;

/// Maximum files that are named.
const MAX_FILES: usize = 100;

/// Names the files that would be lost.
pub(super) fn left_out(skipped: &[String]) -> UserMessage {
    let mut lines: Vec<String> = skipped.iter().take(MAX_FILES).map(|file| format!("- {}", one_line(file))).collect();
    if skipped.len() > MAX_FILES {
        lines.push(format!("- and {} more", skipped.len() - MAX_FILES));
    }
    message(
        Author::LeftOut,
        format!(
            "Your work is not published yet: these files differ from the base commit and cannot be part of the pull request, for \
             the reasons given.\n\n{}\n\nIf they belong to the change, write them so that they can be published (for a repository \
             inside this one, remove its git directory; for a file that is too large, leave out what can be made again). Otherwise \
             delete them. If neither can be done, end your work again and say what is missing.",
            untrusted(&lines.join("\n"))
        ),
    )
}

/// Reports the checks that the change has broken, each with the end of its output.
pub(super) fn broken(checked: &[CheckFinished]) -> UserMessage {
    let mut text =
        "The project's checks were run on your change, in an environment of their own, before it is published. These \
                    fail:"
            .to_owned();
    for CheckFinished { result, output, .. } in checked {
        if result.outcome != CheckOutcome::Failed {
            continue;
        }
        let code = result.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
        let before = match &result.reason {
            None => "; it passes without your change".to_owned(),
            Some(reason) => format!(" ({reason})"),
        };
        let _ = write!(text, "\n\n`{}` fails{code}{before}. The end of its output:\n\n", one_line(&result.command));
        text.push_str(&untrusted(if output.is_empty() { "(no output)" } else { output }));
    }
    text.push_str(
        "\n\nMend what your change has broken. If a failure is not yours to mend, end your work again and say why: the pull request \
         is then a draft that names the check.",
    );
    message(Author::Checks, text)
}

fn message(author: Author, text: String) -> UserMessage {
    let text = printable(&text).into_owned();
    UserMessage { conversation: Conversation::Main, author, text, answers: None }
}
