//! Enough of the shell's grammar to find the simple commands in a line. Linear in its length.

use std::iter::Peekable;
use std::str::Chars;

/// The simple commands of a shell program, each as its words with quotes removed. Comments and here-documents are left
/// out; what stands in parentheses or braces counts like the rest.
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
    /// Ends of here-documents that begin after this line.
    documents: Vec<String>,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self { rest: "".chars().peekable(), word: None, words: Vec::new(), commands: Vec::new(), documents: Vec::new() }
    }
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut previous = ' ';
        while let Some(sign) = self.rest.next() {
            match sign {
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                '\'' => self.quoted('\''),
                '"' => self.quoted('"'),
                '#' if self.word.is_none() => while self.rest.next_if(|sign| *sign != '\n').is_some() {},
                '<' if self.rest.peek() == Some(&'<') => self.document(),
                // `2>&1` and `&>file` redirect; other `&` separate.
                '&' if matches!(previous, '>' | '<') || self.rest.peek() == Some(&'>') => self.push(sign),
                '\n' => {
                    self.end_command();
                    self.skip_documents();
                }
                ';' | '&' | '|' | '(' | ')' | '`' => self.end_command(),
                ' ' | '\t' | '\r' => self.end_word(),
                _ => self.push(sign),
            }
            previous = sign;
        }
        self.end_command();
    }

    fn push(&mut self, sign: char) {
        self.word.get_or_insert_default().push(sign);
    }

    fn quoted(&mut self, quote: char) {
        let mut word = self.word.take().unwrap_or_default();
        while let Some(sign) = self.rest.next() {
            match sign {
                _ if sign == quote => break,
                '\\' if quote == '"' => word.extend(self.rest.next()),
                _ => word.push(sign),
            }
        }
        self.word = Some(word);
    }

    /// Past the first `<` of `<<`.
    fn document(&mut self) {
        self.rest.next();
        // `<<<` is followed by the text itself.
        if self.rest.next_if_eq(&'<').is_some() {
            return;
        }
        self.end_word();
        self.rest.next_if_eq(&'-');
        while self.rest.next_if(|sign| matches!(sign, ' ' | '\t')).is_some() {}
        let mut end = String::new();
        while let Some(sign) =
            self.rest.next_if(|sign| !sign.is_whitespace() && !matches!(sign, ';' | '&' | '|' | ')' | '>'))
        {
            if !matches!(sign, '\'' | '"' | '\\') {
                end.push(sign);
            }
        }
        self.documents.push(end);
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            while self.rest.peek().is_some() {
                let mut line = String::new();
                while let Some(sign) = self.rest.next_if(|sign| *sign != '\n') {
                    line.push(sign);
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
