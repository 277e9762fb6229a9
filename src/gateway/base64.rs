//! Base64 (RFC 4648, with padding), for bytes that are no text.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text for these bytes.
pub(super) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        let digits = three.len() + 1;
        let digit = |at: usize| DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
        out.extend((0..4).map(|at| if at < digits { digit(at) } else { b'=' }));
    }
}

/// The bytes of this text; `None`: it is no base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for four in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for (at, digit) in four.iter().enumerate() {
            bits |= value(*digit)? << (18 - 6 * at);
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len().max(1)]);
    }
    Some(out)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        let known = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in known {
            let mut out = Vec::new();
            encode(&mut out, bytes.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["Zg", "Z===", "Zm9*", "===="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        let all: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        encode(&mut out, &all);
        assert_eq!(decode(&String::from_utf8_lossy(&out)), Some(all));
    }
}
