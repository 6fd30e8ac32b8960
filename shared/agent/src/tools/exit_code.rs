//! Exit codes that are an answer: a search that found nothing, a comparison that found a difference.

use std::iter::Peekable;
use std::str::Chars;

/// Programs whose exit code 1 says "no": nothing found, not equal, not true. For an error they have other codes.
const ANSWERING: &str = "grep egrep fgrep zgrep rg ag ack test [ [[ diff cmp zdiff zcmp which type pgrep pidof";

/// Programs whose exit code 1 says "no" when the command has one of these words.
const ANSWERING_WITH: &[(&str, &[&str])] = &[
    ("command", &["-v", "-V"]),
    ("find", &["-quit"]),
    ("jq", &["-e", "--exit-status"]),
    ("git grep", &[]),
    ("git diff", &["--exit-code", "--quiet", "--no-index"]),
    ("git check-ignore", &[]),
    ("git show-ref", &[]),
    ("git config", &[]),
    ("git merge-base", &["--is-ancestor"]),
    ("git ls-files", &["--error-unmatch"]),
    ("git rev-parse", &["-q", "--quiet"]),
];

/// Programs that fail so rarely that a failure is that of a command beside them.
const RELIABLE: &str = "cd echo printf true : pwd export sleep";

/// Commands after which the last one need not be the one that decided the exit code.
const LEAVING: &str = "exit return exec set trap";

/// Options of git that come before its command and have a value.
const GIT_OPTIONS_WITH_VALUE: &[&str] = &["-C", "-c", "--git-dir", "--work-tree"];

/// Nested substitutions beyond which a command is not read.
const MAX_DEPTH: usize = 10;

/// Whether the exit code of a shell program is the "no" of a search, a test or a comparison, and not a failure.
///
/// The last statement decides the code, and in each of its pipelines the last command. A program that is not understood, or
/// whose code may be that of another command, has failed.
pub(super) fn is_answer((program, code): (&str, i32)) -> bool {
    if code != 1 {
        return false;
    }
    let Some(deciding) = Reader::new(program).last_statement() else { return false };
    let mut answers = false;
    for words in &deciding {
        let words = without_prefixes(words);
        if can_say_no(words) {
            answers = true;
        } else if !words.first().is_some_and(|word| is_one_of(word, RELIABLE)) {
            return false;
        }
    }
    answers
}

fn is_one_of(word: &str, list: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

fn can_say_no(words: &[String]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let name = match program.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or(path),
        None => program,
    };
    let name = match name {
        "git" => format!("git {}", git_command(arguments)),
        _ => name.to_owned(),
    };
    let has_one = |wanted: &&[&str]| wanted.is_empty() || arguments.iter().any(|word| wanted.contains(&word.as_str()));
    is_one_of(&name, ANSWERING) || ANSWERING_WITH.iter().any(|(known, wanted)| *known == name && has_one(wanted))
}

fn git_command(arguments: &[String]) -> &str {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if GIT_OPTIONS_WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            return word;
        }
    }
    ""
}

/// The words from the program on: without `!`, assignments, and programs that run another one and keep its exit code.
fn without_prefixes(mut words: &[String]) -> &[String] {
    while let Some((first, rest)) = words.split_first() {
        let is_assignment = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let runs_next = match first.as_str() {
            "!" | "time" | "sudo" | "env" | "builtin" => true,
            "command" => rest.first().is_some_and(|word| !word.starts_with('-')),
            _ => false,
        };
        words = match first.as_str() {
            "timeout" if rest.first().is_some_and(|word| !word.starts_with('-')) => &rest[1..],
            _ if is_assignment || runs_next => rest,
            _ => break,
        };
    }
    words
}

/// Reads as much of the shell's grammar as finding the deciding commands needs. Its time is linear in the length.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    word: Option<String>,
    words: Vec<String>,
    /// The last command of each pipeline of the current statement.
    statement: Vec<Vec<String>>,
    last: Vec<Vec<String>>,
}

impl<'a> Reader<'a> {
    fn new(program: &'a str) -> Self {
        Self {
            rest: program.chars().peekable(),
            word: None,
            words: Vec::new(),
            statement: Vec::new(),
            last: Vec::new(),
        }
    }

    /// None when the program has something that is not read here, such as a subshell or a here-document.
    fn last_statement(mut self) -> Option<Vec<Vec<String>>> {
        while let Some(c) = self.rest.next() {
            let next = self.rest.peek().copied();
            match c {
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                '\'' | '"' => self.quoted(c)?,
                '`' => while self.rest.next()? != '`' {},
                '$' | '<' | '>' if next == Some('(') => self.substitution()?,
                '<' if next == Some('<') => return None,
                '(' | ')' => return None,
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '>' | '<' if next == Some('&') => {
                    self.rest.next();
                    self.push(c);
                }
                '&' if next == Some('>') => self.push(c),
                '&' | '|' if next == Some(c) => {
                    self.rest.next();
                    self.end_pipeline()?;
                }
                '|' => {
                    self.rest.next_if_eq(&'&');
                    self.end_command()?;
                    self.words.clear();
                }
                ';' | '\n' | '&' => self.end_statement()?,
                ' ' | '\t' | '\r' => self.end_word(),
                _ => self.push(c),
            }
        }
        self.end_statement()?;
        Some(self.last)
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    /// Reads the rest of a quoted text into the word.
    fn quoted(&mut self, quote: char) -> Option<()> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next()? {
                c if c == quote => return Some(()),
                '\\' if quote == '"' => {
                    let escaped = self.rest.next()?;
                    self.push(escaped);
                }
                '$' if quote == '"' && self.rest.peek() == Some(&'(') => self.substitution()?,
                c => self.push(c),
            }
        }
    }

    /// Passes over a substitution; the reader is before its parenthesis. Its output is a part of the word.
    fn substitution(&mut self) -> Option<()> {
        self.push('$');
        let mut open: Vec<char> = Vec::new();
        loop {
            let c = self.rest.next()?;
            match (c, open.last()) {
                ('\'', Some('\'')) => drop(open.pop()),
                (_, Some('\'')) => {}
                ('\\', _) => drop(self.rest.next()),
                ('(', _) => open.push('('),
                (')', Some('(')) => drop(open.pop()),
                ('"', Some('"')) => drop(open.pop()),
                ('"', _) => open.push('"'),
                ('\'', Some('(')) => open.push('\''),
                _ => {}
            }
            if open.is_empty() {
                return Some(());
            }
            if open.len() > MAX_DEPTH {
                return None;
            }
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// None when the command may end the program.
    fn end_command(&mut self) -> Option<()> {
        self.end_word();
        let leaves = self.words.first().is_some_and(|word| is_one_of(word, LEAVING));
        (!leaves).then_some(())
    }

    fn end_pipeline(&mut self) -> Option<()> {
        self.end_command()?;
        if !self.words.is_empty() {
            self.statement.push(std::mem::take(&mut self.words));
        }
        Some(())
    }

    fn end_statement(&mut self) -> Option<()> {
        self.end_pipeline()?;
        if !self.statement.is_empty() {
            self.last = std::mem::take(&mut self.statement);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_no_of_a_search_test_or_comparison_is_an_answer() {
        for program in [
            "grep -rn 'pattern; 1' .",
            "cd src && rg -n \"a|b\" | grep x",
            "make; grep error log  # the last one decides",
            "test -f a.txt && echo yes",
            "[ -z \"$(git status --short | grep \"x\")\" ]",
            "[[ -d a ]] || [ -d b ]",
            "diff <(sort a) <(sort b)",
            "LC_ALL=C timeout 10 /usr/bin/diff a b 2>&1",
            "git -C sub --no-pager grep TODO",
            "git diff --exit-code > /dev/null",
            "! cmp a b",
            "command -v node",
            "find . -name x -print \\\n  -quit",
            "pgrep server;\n",
        ] {
            assert!(is_answer((program, 1)), "{program}");
            assert!(!is_answer((program, 2)), "{program}");
        }
    }

    #[test]
    fn every_other_exit_code_is_a_failure() {
        for program in [
            "",
            "make test",
            "make && grep x log",
            "grep x a | python3 check.py",
            "grep -q x a || exit 1",
            "set -e; make; grep x log",
            "./test",
            "git diff | git apply",
            "find missing",
            "if grep x a; then false; fi",
            "(grep x a)",
            "python3 - <<EOF\ngrep\nEOF",
            "echo 'grep x",
            "npm run lint # grep",
        ] {
            assert!(!is_answer((program, 1)), "{program}");
        }
        let nested = format!("[ {}x ]", "\"$(".repeat(100_000));
        assert!(!is_answer((&nested, 1)));
    }
}
