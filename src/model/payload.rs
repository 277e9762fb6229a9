//! Limits of the type and the args of a job.
//!
//! Args stay text from push to worker: no number is rounded and no key order changed on the way.

/// The longest args, in bytes of JSON text; with its envelope a job stays below [`MAX_LINE_BYTES`].
pub const MAX_ARGS_BYTES: usize = MAX_LINE_BYTES - 64 * 1024;
/// The longest protocol line, in bytes (16 MiB).
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Memory that the unfinished lines of all clients and workers may take together.
pub const MAX_UNFINISHED_BYTES: usize = 256 * 1024 * 1024;
/// The deepest nesting of arrays and objects; what common JSON readers take.
pub const MAX_DEPTH: usize = 128;
/// The longest job type, in bytes.
pub const MAX_TYPE_BYTES: usize = 200;
/// The longest unique key, in bytes.
pub const MAX_UNIQUE_BYTES: usize = 500;
/// The longest label, in bytes.
pub const MAX_LABEL_BYTES: usize = 255;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;
/// The longest ref, in bytes.
pub const MAX_REF_BYTES: usize = 200;

/// Why a job cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Too long.
    #[error(
        "args of {bytes} bytes are too long; the limit is {MAX_ARGS_BYTES} bytes: put large data in a file and pass its path"
    )]
    TooLong { bytes: usize },
    #[error("args are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The type is empty, too long, or has a control character.
    #[error("the job type {0:?} is not usable: 1 to {MAX_TYPE_BYTES} bytes without control characters")]
    BadType(String),
    /// The key is empty or too long.
    #[error("the unique key is not usable: 1 to {MAX_UNIQUE_BYTES} bytes")]
    BadUnique,
    /// The label is empty, too long, or has a control character.
    #[error("the label is not usable: 1 to {MAX_LABEL_BYTES} bytes without control characters and line breaks")]
    BadLabel,
    /// The key is empty, too long, or has a control character.
    #[error("the key is not usable: 1 to {MAX_KEY_BYTES} bytes without control characters")]
    BadKey,
    /// The ref is empty, too long, has a control character, or is a number.
    #[error("the ref is not usable: 1 to {MAX_REF_BYTES} bytes without control characters, and no number")]
    BadRef,
    /// The name is empty, too long, has a control character, or is a number.
    #[error("the batch name is not usable: 1 to {MAX_REF_BYTES} bytes without control characters, and no number")]
    BadBatchName,
    /// `exec` without a command.
    #[error("a job of type `exec` needs args such as {{\"argv\": [\"program\", \"argument\"]}}")]
    BadExec,
}

/// Checks that `args`, which is known to be one JSON value, is within the limits.
pub fn check_limits(args: &str) -> Result<(), PayloadError> {
    if args.len() > MAX_ARGS_BYTES {
        return Err(PayloadError::TooLong { bytes: args.len() });
    }
    if is_too_deep(args) {
        return Err(PayloadError::TooDeep);
    }
    Ok(())
}

/// Whether arrays and objects in it are nested deeper than [`MAX_DEPTH`].
#[must_use]
pub fn is_too_deep(json: &str) -> bool {
    depth(json.as_bytes()) > MAX_DEPTH
}

/// Checks a job type.
pub fn check_type(kind: &str) -> Result<(), PayloadError> {
    let ok = !kind.is_empty() && kind.len() <= MAX_TYPE_BYTES && !kind.chars().any(char::is_control);
    if ok { Ok(()) } else { Err(PayloadError::BadType(kind.chars().take(80).collect())) }
}

/// Checks a unique key.
pub fn check_unique(key: &str) -> Result<(), PayloadError> {
    let ok = !key.is_empty() && key.len() <= MAX_UNIQUE_BYTES;
    if ok { Ok(()) } else { Err(PayloadError::BadUnique) }
}

/// Checks a label.
pub fn check_label(label: &str) -> Result<(), PayloadError> {
    let ok = !label.is_empty() && label.len() <= MAX_LABEL_BYTES && !label.chars().any(char::is_control);
    if ok { Ok(()) } else { Err(PayloadError::BadLabel) }
}

/// Checks a key.
pub fn check_key(key: &str) -> Result<(), PayloadError> {
    let ok = !key.is_empty() && key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control);
    if ok { Ok(()) } else { Err(PayloadError::BadKey) }
}

/// Checks a ref: a number would be taken for the id of a job.
pub fn check_ref(name: &str) -> Result<(), PayloadError> {
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    let ok = !is_number && name.len() <= MAX_REF_BYTES && !name.chars().any(char::is_control);
    if ok { Ok(()) } else { Err(PayloadError::BadRef) }
}

/// Checks the name of a batch: a number would be taken for its id.
pub fn check_batch_name(name: &str) -> Result<(), PayloadError> {
    check_ref(name).map_err(|_| PayloadError::BadBatchName)
}

/// The deepest nesting of brackets outside strings.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &b in json {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn args_are_any_json_within_the_limits() {
        for good in ["null", "1e400", "\"a\\u0000b\"", "[1, {\"a\": \"[[[\"}]", "18446744073709551616"] {
            assert_eq!(check_limits(good), Ok(()), "{good}");
        }
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(check_limits(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_limits(&nested(10_000)), Err(PayloadError::TooDeep));
        assert!(matches!(check_limits(&" ".repeat(MAX_ARGS_BYTES + 1)), Err(PayloadError::TooLong { .. })));
    }
}
