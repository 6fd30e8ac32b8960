//! Answers requests of the toolbox, a line of JSON each, for programs that compare it with others.

use std::io::{self, BufRead as _, Write as _};

use toolbox::Toolbox;

fn main() -> io::Result<()> {
    let mut toolbox = Toolbox::default();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        output.write_all(&toolbox.answer_json(line?.as_bytes()))?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}
