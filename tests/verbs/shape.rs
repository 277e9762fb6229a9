//! The form of a JSON document: exactly these keys, each of one of these types.

use serde_json::Value;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    Text,
    Int,
    Number,
    Bool,
    Time,
    Any,
    /// `null`, or that.
    Maybe(&'a Form<'a>),
    List(&'a Form<'a>),
    /// Exactly these keys.
    Object(&'a [(&'a str, Form<'a>)]),
}

/// Panics with every difference at once.
#[track_caller]
pub(crate) fn expect(value: &Value, form: Form) {
    let mut wrong = Vec::new();
    check("", value, form, &mut wrong);
    assert!(wrong.is_empty(), "{}\n{value:#}", wrong.join("\n"));
}

fn check(at: &str, value: &Value, form: Form, wrong: &mut Vec<String>) {
    let fits = match form {
        Form::Text => value.is_string(),
        Form::Int => value.is_i64() || value.is_u64(),
        Form::Number => value.is_number(),
        Form::Bool => value.is_boolean(),
        Form::Time => value.as_str().is_some_and(|t| t.ends_with('Z') && t.parse::<jiff::Timestamp>().is_ok()),
        Form::Any => true,
        Form::Maybe(_) if value.is_null() => true,
        Form::Maybe(inner) => return check(at, value, *inner, wrong),
        Form::List(inner) => match value.as_array() {
            Some(items) => {
                return items
                    .iter()
                    .enumerate()
                    .for_each(|(n, item)| check(&format!("{at}[{n}]"), item, *inner, wrong));
            }
            None => false,
        },
        Form::Object(members) => return check_object(at, value, members, wrong),
    };
    if !fits {
        wrong.push(format!("{at}: {value} is not {form:?}"));
    }
}

fn check_object(at: &str, value: &Value, members: &[(&str, Form)], wrong: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        return wrong.push(format!("{at}: {value} is no object"));
    };
    for (name, form) in members {
        match object.get(*name) {
            Some(value) => check(&format!("{at}.{name}"), value, *form, wrong),
            None => wrong.push(format!("{at}.{name} is missing")),
        }
    }
    let known = |name: &String| members.iter().any(|(known, _)| known == name);
    wrong.extend(object.keys().filter(|name| !known(name)).map(|name| format!("{at}.{name} is not documented")));
}
