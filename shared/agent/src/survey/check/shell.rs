//! Parses as much of the shell's grammar as finding the simple commands needs. Its time is linear in the length.

use std::iter::Peekable;
use std::str::Chars;

/// The simple commands of a shell program, each as its words with quotes removed. Comments and here-documents are left
/// out. Parentheses and braces are ignored.
pub(super) fn split(program: &str) -> Vec<Vec<String>> {
    let mut reader = Reader { rest: program.chars().peekable(), ..Reader::default() };
    reader.read();
    reader.commands
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    word: Option<String>,
    words: Vec<String>,
    commands: Vec<Vec<String>>,
    /// Delimiters of the here-documents that start after the current line.
    here_documents: Vec<String>,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self {
            rest: "".chars().peekable(),
            word: None,
            words: Vec::new(),
            commands: Vec::new(),
            here_documents: Vec::new(),
        }
    }
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut previous = ' ';
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                '\'' => self.quoted('\''),
                '"' => self.quoted('"'),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '<' if self.rest.peek() == Some(&'<') => self.here_document(),
                // In `2>&1` and `&>file` an `&` redirects. Any other separates commands.
                '&' if matches!(previous, '>' | '<') || self.rest.peek() == Some(&'>') => self.push(c),
                '\n' => {
                    self.end_command();
                    self.skip_here_documents();
                }
                ';' | '&' | '|' | '(' | ')' | '`' => self.end_command(),
                ' ' | '\t' | '\r' => self.end_word(),
                _ => self.push(c),
            }
            previous = c;
        }
        self.end_command();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self, quote: char) {
        let mut word = self.word.take().unwrap_or_default();
        while let Some(c) = self.rest.next() {
            match c {
                _ if c == quote => break,
                '\\' if quote == '"' => word.extend(self.rest.next()),
                _ => word.push(c),
            }
        }
        self.word = Some(word);
    }

    /// Reads the delimiter of a here-document. The reader is behind the first `<` of `<<`.
    fn here_document(&mut self) {
        self.rest.next();
        // `<<<` is followed by a string on the same line, not by a here-document.
        if self.rest.next_if_eq(&'<').is_some() {
            return;
        }
        self.end_word();
        self.rest.next_if_eq(&'-');
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut end = String::new();
        while let Some(c) = self.rest.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '&' | '|' | ')' | '>')) {
            if !matches!(c, '\'' | '"' | '\\') {
                end.push(c);
            }
        }
        self.here_documents.push(end);
    }

    fn skip_here_documents(&mut self) {
        for end in std::mem::take(&mut self.here_documents) {
            while self.rest.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.rest.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                self.rest.next();
                if line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}
