//! A client in Python, which needs no package: one connection to the socket of calls.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Member, Type, about, class_name, is_identifier, one_line};
use crate::report::services::{Service, ServiceMethod};

/// Words that are no names, and names of the class.
const TAKEN: &str = " False None True and as assert async await break class close continue def del elif else except finally for \
                     from global if import in is lambda nonlocal not or pass raise return try while with yield ";

const HEAD: &str = r#"import json
import os
import socket
from typing import Any, Literal, NotRequired, TextIO, TypedDict, cast

_BESIDE = os.environ.get("QUEUE_WORK_SOCKET")
"#;

const ERROR: &str = r#"

class CallError(Exception):
    """An error of a method, or of its service."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
"#;

const TAIL: &str = r#"
    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    @staticmethod
    def _either(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if args and named:
            raise TypeError("a method takes arguments by position or by name, not both")
        return named or list(args)

    def _call(self, method: str, args: Any) -> Any:
        if self._stream is None:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                self._stream = connection.makefile("rw", encoding="utf-8", newline="\n")
        print(json.dumps({"service": SERVICE, "method": method, "args": args}), file=self._stream, flush=True)
        line = self._stream.readline()
        if not line:
            self.close()
            raise CallError(-32005, "the connection was closed")
        answer = json.loads(line)
        if answer.get("error") is not None:
            error = answer["error"]
            raise CallError(error["code"], error["message"], error.get("data"))
        return answer.get("result")
"#;

/// A module while it is written.
#[derive(Default)]
struct Module {
    /// Types of objects, which have names.
    types: String,
    names: BTreeSet<String>,
}

pub(super) fn module(service: &Service, socket: &str) -> String {
    let class = class_name(&service.pool);
    let mut module = Module { names: ["CallError".to_owned(), class.clone()].into(), ..Module::default() };
    let mut taken = BTreeSet::new();
    let methods: String = service.methods.iter().map(|method| module.method(method, &mut taken)).collect();
    let (about, types) = (about(service, "python"), module.types);
    let (service, socket) = (quoted(&service.pool), quoted(socket));
    format!(
        "\"\"\"{about} Python 3.11.\"\"\"\n\n{HEAD}SERVICE = {service}\n\
         # The socket of calls: beside the control socket of the master.\n\
         SOCKET = f\"{{_BESIDE}}.calls\" if _BESIDE else {socket}\n{ERROR}{types}\n\n\
         class {class}:\n    def __init__(self, path: str = SOCKET) -> None:\n        self._path = path\n        \
         self._stream: TextIO | None = None\n{methods}{TAIL}"
    )
}

impl Module {
    fn method(&mut self, method: &ServiceMethod, taken: &mut BTreeSet<String>) -> String {
        let stem = class_name(&method.name);
        let (params, args) = match Type::of(&method.params) {
            Type::Unknown => ("*args: Any, **named: Any".to_owned(), "self._either(args, named)".to_owned()),
            Type::List(item) => {
                (format!("*args: {}", self.worded(&item, &format!("{stem}Item"))), "list(args)".to_owned())
            }
            Type::Tuple { items, least, rest } => self.positional(&items, least, rest.as_deref(), &stem),
            of => {
                let default = match &of {
                    Type::Object(members) if !members.iter().any(|member| member.is_required) => " = {}",
                    _ => "",
                };
                (format!("args: {}{default}", self.worded(&of, &format!("{stem}Params"))), "args".to_owned())
            }
        };
        let result = self.worded(&Type::of(&method.result), &format!("{stem}Result"));
        let name = own_name(&method.name, taken);
        let about = one_line(&method.description).replace('\\', "\\\\").replace('"', "'");
        let about = if about.is_empty() { String::new() } else { format!("        \"\"\"{about}\"\"\"\n") };
        let call = format!("self._call({}, {args})", quoted(&method.name));
        let call = if result == "Any" { call } else { format!("cast({}, {call})", quoted(&result)) };
        let params = if params.is_empty() { String::new() } else { format!(", {params}") };
        format!("\n    def {name}(self{params}) -> {result}:\n{about}        return {call}\n")
    }

    /// Arguments that stand one behind the other; those that may be left out are any number of the same.
    fn positional(&mut self, items: &[Type], least: usize, rest: Option<&Type>, stem: &str) -> (String, String) {
        let (needed, more) = items.split_at(least);
        let mut params: Vec<String> = Vec::new();
        let mut args: Vec<String> = Vec::new();
        for (at, item) in (1..).zip(needed) {
            params.push(format!("arg{at}: {}", self.worded(item, &format!("{stem}Arg{at}"))));
            args.push(format!("arg{at}"));
        }
        let more: Vec<Type> = more.iter().chain(rest).cloned().collect();
        if !more.is_empty() {
            params.push(format!("*more: {}", self.worded(&Type::Union(more), &format!("{stem}More"))));
            args.push("*more".to_owned());
        }
        (params.join(", "), format!("[{}]", args.join(", ")))
    }

    /// A type; `name`: of an object that it is, or has.
    fn worded(&mut self, of: &Type, name: &str) -> String {
        match of {
            Type::Unknown => "Any".to_owned(),
            Type::Null => "None".to_owned(),
            Type::Boolean => "bool".to_owned(),
            Type::Number => "float".to_owned(),
            Type::Integer => "int".to_owned(),
            Type::Text => "str".to_owned(),
            Type::OneOf(values) => literal(values),
            Type::List(item) => format!("list[{}]", self.worded(item, &format!("{name}Item"))),
            Type::Tuple { items, rest, .. } => {
                let all = items.iter().chain(rest.as_deref()).cloned().collect();
                format!("list[{}]", self.worded(&Type::Union(all), &format!("{name}Item")))
            }
            Type::Map(of) => format!("dict[str, {}]", self.worded(of, &format!("{name}Value"))),
            Type::Object(members) => self.object(members, name),
            Type::Union(types) => {
                let mut words: Vec<String> = Vec::new();
                for of in types {
                    let word = self.worded(of, name);
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
                if words.iter().any(|word| word == "Any") { "Any".to_owned() } else { words.join(" | ") }
            }
        }
    }

    fn object(&mut self, members: &[Member], name: &str) -> String {
        let mut own = name.to_owned();
        while !self.names.insert(own.clone()) {
            own.push('_');
        }
        let mut lines = Vec::new();
        for Member { name, of, is_required } in members {
            let word = self.worded(of, &format!("{own}{}", class_name(name)));
            let word = if *is_required { word } else { format!("NotRequired[{word}]") };
            lines.push((name, word));
        }
        let is_plain = |name: &str| is_identifier(name) && !name.starts_with("__") && !is_taken(name);
        let out = &mut self.types;
        // A String takes everything.
        let _ = if lines.iter().all(|(name, _)| is_plain(name)) {
            let lines: Vec<String> = lines.iter().map(|(name, word)| format!("    {name}: {word}\n")).collect();
            write!(out, "\n\nclass {own}(TypedDict):\n{}", lines.concat())
        } else {
            let lines: Vec<String> =
                lines.iter().map(|(name, word)| format!("    {}: {word},\n", quoted(name))).collect();
            write!(out, "\n\n{own} = TypedDict(\"{own}\", {{\n{}}})\n", lines.concat())
        };
        own
    }
}

fn literal(values: &[Value]) -> String {
    let word = |value: &Value| match value {
        Value::Null => Some("None".to_owned()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) if number.is_i64() => Some(number.to_string()),
        Value::String(text) => Some(quoted(text)),
        _ => None,
    };
    let words: Option<Vec<String>> = values.iter().map(word).collect();
    words.map_or_else(|| "Any".to_owned(), |words| format!("Literal[{}]", words.join(", ")))
}

/// A name that no other method has.
fn own_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut own: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !own.starts_with(|c: char| c.is_ascii_alphabetic()) {
        own = format!("call_{}", own.trim_start_matches('_'));
    }
    while is_taken(&own) || !taken.insert(own.clone()) {
        own.push('_');
    }
    own
}

fn is_taken(name: &str) -> bool {
    TAKEN.contains(&format!(" {name} "))
}

/// JSON escapes are those of Python, but for characters beyond 16 bits, which stand as they are.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
