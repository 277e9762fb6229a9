//! The array that a configuration file of PHP returns, as far as it is written out.
//!
//! Nothing is run: what is neither a number, a text, a constant, an array nor `env()` stays a text of PHP, and is passed on as
//! that. Invariant: a file that does not return an array is a fault with its line.

use super::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Php {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// `env('NAME', default)`
    Env(String, Option<Box<Php>>),
    /// Keys, where they are said, and values.
    Array(Vec<(Option<String>, Php)>),
    /// An expression, as it is written.
    Other(String),
}

impl Php {
    /// The value of a key of an array.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Keys and values of an array; the keys of a list are empty.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries: &[(Option<String>, Self)] = if let Self::Array(entries) = self { entries } else { &[] };
        entries.iter().map(|(key, value)| (key.as_deref().unwrap_or_default(), value))
    }

    /// As a text of the configuration, with variables in it; `None`: it is no single value.
    pub(super) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Bool(yes) => yes.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => super::command_line::escaped(text).into_owned(),
            Self::Env(name, None) => format!("${{{name}}}"),
            Self::Env(name, Some(default)) if **default == Self::Null => format!("${{{name}}}"),
            Self::Env(name, Some(default)) => {
                format!("${{{name}:-{}}}", default.text().filter(|text| !text.contains(['$', '}']))?)
            }
            Self::Null | Self::Array(_) | Self::Other(_) => return None,
        })
    }

    /// As it is quoted in comments.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => format!("'{text}'"),
            Self::Env(name, default) => {
                let default = default.as_ref().map(|default| format!(", {}", default.shown())).unwrap_or_default();
                format!("env('{name}'{default})")
            }
            Self::Array(entries) => {
                let key = |key: &Option<String>| key.as_ref().map(|key| format!("'{key}' => ")).unwrap_or_default();
                let all: Vec<String> = entries.iter().map(|(name, value)| key(name) + &value.shown()).collect();
                format!("[{}]", all.join(", "))
            }
            Self::Other(text) => text.clone(),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => self.text().unwrap_or_default(),
        }
    }
}

/// A token with its place in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'t> {
    /// A word, a number, or an operator.
    Word(&'t str),
    /// A text in quotes, with these around it.
    Quoted(&'t str),
    Sign(char),
    Arrow,
}

/// Reads what the file returns.
pub(super) fn read(text: &str) -> Result<Php, Fault> {
    let tokens = tokens(text)?;
    let begins = tokens.iter().position(|(_, token)| *token == Token::Word("return"));
    let mut reader = Reader { text, tokens: &tokens, at: begins.map_or(tokens.len(), |at| at + 1) };
    let line = reader.line();
    match reader.value()? {
        Php::Array(entries) => Ok(Php::Array(entries)),
        _ => Err((line, "it does not return an array".to_owned())),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Fault> {
    let mut out = Vec::new();
    let mut at = text.find("<?php").map_or(0, |at| at + "<?php".len());
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\\' | '$' | '.');
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match c {
            c if c.is_whitespace() => c.len_utf8(),
            '#' if !rest.starts_with("#[") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' | '\'' => {
                let end =
                    end_of_quote(rest, c).ok_or_else(|| (line_of(text, at), format!("a quote {c} is not closed")))?;
                out.push((at, Token::Quoted(&rest[..end])));
                end
            }
            '=' if rest.starts_with("=>") => {
                out.push((at, Token::Arrow));
                2
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                out.push((at, Token::Word(&rest[..end])));
                end
            }
            c => {
                out.push((at, Token::Sign(c)));
                c.len_utf8()
            }
        };
        at += length;
    }
    Ok(out)
}

fn end_of_quote(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at + 1)
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [(usize, Token<'t>)],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).map(|(_, token)| *token)
    }

    fn line(&self) -> usize {
        line_of(self.text, self.tokens.get(self.at).map_or(self.text.len(), |(at, _)| *at))
    }

    fn is_at_end(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Arrow | Token::Sign(',' | ']' | ')' | ';')))
    }

    /// A value: a whole expression, which is passed on as it is written where it is more than one.
    fn value(&mut self) -> Result<Php, Fault> {
        let begins = self.at;
        let value = self.simple()?;
        if let Some(value) = value.filter(|_| self.is_at_end()) {
            return Ok(value);
        }
        let mut depth = 0_u32;
        while let Some(token) = self.peek() {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                _ if depth == 0 && self.is_at_end() => break,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                Token::Word(_) | Token::Quoted(_) | Token::Sign(_) | Token::Arrow => {}
            }
            self.at += 1;
        }
        let start = self.tokens.get(begins).map_or(self.text.len(), |(at, _)| *at);
        let end = self.tokens.get(self.at).map_or(self.text.len(), |(at, _)| *at);
        if start == end {
            return Err((self.line(), "a value is missing".to_owned()));
        }
        let expression = self.text[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
        // Times and sizes are written as products.
        let product = expression.split('*').map(|factor| factor.trim().replace('_', "").parse::<i64>());
        let product = product
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .and_then(|factors| factors.into_iter().try_fold(1_i64, i64::checked_mul));
        Ok(product.map_or(Php::Other(expression), Php::Int))
    }

    /// `None`: it is nothing simple.
    fn simple(&mut self) -> Result<Option<Php>, Fault> {
        let Some(token) = self.peek() else { return Ok(None) };
        self.at += 1;
        Ok(match token {
            Token::Sign('[') => Some(self.array(']')?),
            Token::Word("array") if self.peek() == Some(Token::Sign('(')) => {
                self.at += 1;
                Some(self.array(')')?)
            }
            Token::Word("env") if self.peek() == Some(Token::Sign('(')) => {
                self.at += 1;
                match self.array(')')? {
                    Php::Array(words) => env(words),
                    _ => None,
                }
            }
            Token::Quoted(quoted) => unquoted(quoted),
            Token::Sign('-') => match self.peek() {
                Some(Token::Word(word)) => {
                    self.at += 1;
                    number(&format!("-{word}"))
                }
                _ => None,
            },
            Token::Word(word) => match word.to_lowercase().as_str() {
                "null" => Some(Php::Null),
                "true" => Some(Php::Bool(true)),
                "false" => Some(Php::Bool(false)),
                other => number(other),
            },
            Token::Sign(_) | Token::Arrow => None,
        })
    }

    fn array(&mut self, end: char) -> Result<Php, Fault> {
        let opened = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |(at, _)| *at);
        let (mut entries, line) = (Vec::new(), line_of(self.text, opened));
        loop {
            match self.peek() {
                None => return Err((line, format!("an array has no `{end}` at its end"))),
                Some(Token::Sign(sign)) if sign == end => break,
                Some(Token::Sign(',')) => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let begins = self.at;
            let first = self.value()?;
            if self.peek() == Some(Token::Arrow) {
                self.at += 1;
                let key = first.text().unwrap_or_else(|| first.shown());
                entries.push((Some(key), self.value()?));
            } else if self.at == begins {
                return Err((self.line(), "an array has a sign in it that is no value".to_owned()));
            } else {
                entries.push((None, first));
            }
        }
        self.at += 1;
        Ok(Php::Array(entries))
    }
}

fn env(mut words: Vec<(Option<String>, Php)>) -> Option<Php> {
    let default = (words.len() > 1).then(|| words.swap_remove(1).1);
    match words.into_iter().next()?.1 {
        Php::Text(name) => Some(Php::Env(name, default.map(Box::new))),
        _ => None,
    }
}

fn number(text: &str) -> Option<Php> {
    let plain = text.replace('_', "");
    plain.parse().map(Php::Int).ok().or_else(|| plain.parse().map(Php::Float).ok())
}

/// `None`: variables are in it.
fn unquoted(quoted: &str) -> Option<Php> {
    let inside = &quoted[1..quoted.len() - 1];
    let is_double = quoted.starts_with('"');
    if is_double && inside.contains('$') {
        return None;
    }
    let (mut out, mut rest) = (String::new(), inside.chars());
    while let Some(c) = rest.next() {
        out.push(match (c, rest.clone().next()) {
            ('\\', Some('n')) if is_double => rest.next().map_or(c, |_| '\n'),
            ('\\', Some('t')) if is_double => rest.next().map_or(c, |_| '\t'),
            ('\\', Some(next @ ('\\' | '\'' | '"'))) => rest.next().map_or(c, |_| next),
            _ => c,
        });
    }
    Some(Php::Text(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_is_read_and_what_is_not_is_passed_on() {
        let text = r#"<?php
use Illuminate\Support\Str; // not needed
/* [ */ return [
    'a' => env('A', 60 ), "b" => ['x', 'it\'s', -1.5, 1_000], # c
    'c' => array('d' => null, 'e' => true,),
    'f' => Str::slug(env('APP_NAME', 'laravel'), '_').'_horizon:',
    'g' => 60 * 24, 'h' => env('H'), 'i' => "$x",
];"#;
        let read = read(text).expect("it is an array");
        let shown: Vec<String> = read.entries().map(|(key, value)| format!("{key}={}", value.shown())).collect();
        let expected = [
            "a=env('A', 60)",
            "b=['x', 'it's', -1.5, 1000]",
            "c=['d' => null, 'e' => true]",
            "f=Str::slug(env('APP_NAME', 'laravel'), '_').'_horizon:'",
            "g=1440",
            "h=env('H')",
            "i=\"$x\"",
        ];
        assert_eq!(shown, expected);
        assert_eq!(read.get("a").and_then(Php::text).as_deref(), Some("${A:-60}"));
        assert_eq!(read.get("f").and_then(Php::text), None);
    }

    #[test]
    fn a_file_that_returns_no_array_is_a_fault_with_its_line() {
        for (text, line) in
            [("<?php\nreturn 1;", 2), ("<?php\nreturn [\n'a' => 1", 2), ("<?php\n\n$x = 'a", 3), ("", 1)]
        {
            assert_eq!(super::read(text).map_err(|(line, _)| line), Err(line), "{text}");
        }
    }
}
