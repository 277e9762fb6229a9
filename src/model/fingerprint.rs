//! Two errors are the same if their templates are: the message without its variable parts.

/// Words that mean a number that tells errors apart: `exit status 1` is another error than `exit status 2`.
const TELLING: [&str; 5] = ["status", "code", "signal", "errno", "error"];
/// Of a message, more than this does not count.
const MOST_CHARS: usize = 200;

/// The first line of a message with `…` for what differs from one time to the next: numbers, identifiers in which there are
/// digits, quoted text, paths. A number after a word such as `status` stays.
#[must_use]
pub fn template(message: &str) -> String {
    let line: Vec<char> = message.lines().next().unwrap_or_default().chars().take(MOST_CHARS).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < line.len() {
        let begins_word = at == 0 || !line[at - 1].is_alphanumeric();
        let end = match line[at] {
            quote @ ('\'' | '"' | '`') if begins_word => end_of_quoted(&line, at, quote),
            '/' if begins_word => {
                end_where(&line, at, |c| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | ':' | ',' | ')'))
            }
            c if c.is_alphanumeric() && begins_word => {
                let end = end_where(&line, at, |c| !c.is_alphanumeric() && !matches!(c, '-' | '_'));
                let varies = line[at..end].iter().any(char::is_ascii_digit) && !is_telling(&out);
                if varies {
                    end
                } else {
                    out.extend(&line[at..end]);
                    at = end;
                    continue;
                }
            }
            _ => at,
        };
        if end > at + 1 || line[at].is_ascii_digit() {
            // One sign for several parts in a row: `10.0.0.1`, `a/b/3`.
            let joined = out.strip_suffix(['.', ':']).is_some_and(|before| before.ends_with('…'));
            if joined {
                out.pop();
            } else {
                out.push('…');
            }
            at = end.max(at + 1);
        } else {
            out.push(line[at]);
            at += 1;
        }
    }
    out
}

fn end_where(line: &[char], from: usize, ends: impl Fn(char) -> bool) -> usize {
    line[from..].iter().position(|c| ends(*c)).map_or(line.len(), |length| from + length)
}

/// Behind the closing quote; where there is none, it was an apostrophe.
fn end_of_quoted(line: &[char], from: usize, quote: char) -> usize {
    line[from + 1..].iter().position(|c| *c == quote).map_or(from, |length| from + length + 2)
}

fn is_telling(before: &str) -> bool {
    let word = before.trim_end_matches([' ', ':', '=']).rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    TELLING.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_one_time_to_the_next_makes_no_other_error() {
        for (message, expected) in [
            ("smtp server 10.0.0.1:25 refused after 3 tries", "smtp server … refused after … tries"),
            ("KeyError: 'customer 732'", "KeyError: …"),
            ("exit status 1: cannot open image 30.png", "exit status 1: cannot open image ….png"),
            ("exit status 2: cannot open image 31.png", "exit status 2: cannot open image ….png"),
            ("no such file: /var/spool/a b", "no such file: … b"),
            ("job 0f8fad5b-d9cb-469f-a165-70867728950e is lost", "job … is lost"),
            ("can't parse it, isn't JSON", "can't parse it, isn't JSON"),
            ("timed out\nat line 3", "timed out"),
            ("ends with an open 'quote", "ends with an open 'quote"),
            ("x=7", "x=…"),
            ("", ""),
            ("9", "…"),
            ("“ü 1”", "“ü …”"),
        ] {
            assert_eq!(template(message), expected);
            assert_eq!(template(&template(message)), expected, "{message}");
        }
        assert!(template(&"x".repeat(100_000)).chars().count() <= MOST_CHARS);
    }
}
