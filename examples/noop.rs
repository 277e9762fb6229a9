//! A worker that does nothing, as fast as it can be done: every job is answered with `null`.
//!
//! For benchmarks (`cargo build --release --example noop`), and the smallest worker in a compiled language: the
//! master writes a job's `id` before everything else, so no JSON library is needed to find it.

use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let mut input = io::BufReader::with_capacity(64 * 1024, io::stdin().lock());
    let mut output = io::BufWriter::with_capacity(16 * 1024, io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n")
            && let Some(id) = id(&line)
        {
            output.write_all(b"{\"id\":")?;
            output.write_all(id)?;
            output.write_all(b",\"result\":null}\n")?;
        }
        line.clear();
        // Answers to jobs that came together go together; nothing is held back while we wait.
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
    }
    output.flush()
}

/// The digits after the first `"id":`, if the line is a request.
fn id(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"id\":";
    // A notification (`cancel`) has its id inside `params`, after `method`.
    let start = line.windows(NAME.len()).position(|w| w == NAME)?;
    let before = &line[..start];
    if before.windows(8).any(|w| w == b"\"method\"") {
        return None;
    }
    let after = &line[start + NAME.len()..];
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    (digits > 0).then(|| &after[..digits])
}
