//! The request that a line answers which is too long to be read.

use super::request_of;

/// The request id that a line over the limit answers: the `id` of the message itself, never one inside its members, if
/// it stands whole in the head.
#[must_use]
pub fn id_in_head(head: &[u8]) -> Option<u64> {
    if head.first() != Some(&b'{') {
        return None;
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = head.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let text = &head[at..];
                let end = end_of_text(text)?;
                let value = text[end + 1..].trim_ascii_start().strip_prefix(b":");
                if let Some(value) = value.filter(|_| depth == 1 && &text[..end] == b"id") {
                    let value = value.trim_ascii_start();
                    let end = value.iter().position(|b| matches!(b, b',' | b'}') || b.is_ascii_whitespace())?;
                    return request_of(std::str::from_utf8(&value[..end]).ok()?);
                }
                at += end + 1;
            }
            _ => {}
        }
    }
    None
}

/// Where a JSON string ends that began just before.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })
}
