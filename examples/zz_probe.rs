//! probe
fn main() -> std::process::ExitCode {
    let mut a = std::env::args_os().skip(1).peekable();
    let t = if a.peek().is_some() { Some(a.collect()) } else { None };
    queue_work::worker::run(t)
}
