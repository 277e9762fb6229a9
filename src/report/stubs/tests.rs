//! Types by schemas, in both languages.

use serde_json::json;

use super::*;
use crate::model::service::MethodStats;
use crate::report::services::ServiceMethod;

fn service(methods: &[(&str, Value, Value)]) -> Service {
    let method = |(name, params, result): &(&str, Value, Value)| ServiceMethod {
        name: (*name).to_owned(),
        description: "Does */ \"it\"".to_owned(),
        params: params.clone(),
        result: result.clone(),
        figures: MethodStats::default(),
    };
    Service {
        name: "calc".into(),
        version: Some("1.0.0".into()),
        pool: "api-proxy".into(),
        state: "healthy",
        workers: 1,
        wanted: 1,
        listen: Vec::new(),
        methods: methods.iter().map(method).collect(),
        metrics: Vec::new(),
        metrics_dropped: 0,
        listen_mode: None,
        calls: None,
    }
}

/// Lines of both modules in which the method is defined.
fn signatures(params: Value, result: Value) -> (String, String) {
    let service = service(&[("find", params, result)]);
    let line = |language, begin: &str| {
        let module = module(&service, language, "/run/q.sock.calls");
        module.lines().find(|line| line.trim_start().starts_with(begin)).map(|line| line.trim().to_owned()).unwrap()
    };
    (line(Language::TypeScript, "find("), line(Language::Python, "def find("))
}

#[test]
fn types_are_those_of_the_schemas() {
    let number = json!({"type": "number"});
    let table = [
        (
            Value::Null,
            Value::Null,
            "find(...args: unknown[]): Promise<unknown> {",
            "def find(self, *args: Any, **named: Any) -> Any:",
        ),
        (
            json!({"type": "array", "prefixItems": [number, {"type": "integer"}]}),
            number.clone(),
            "find(...args: [number, number]): Promise<number> {",
            "def find(self, arg1: float, arg2: int) -> float:",
        ),
        (
            json!({"type": "array", "prefixItems": [number, {"type": "string"}], "minItems": 1, "items": number}),
            json!({"type": ["string", "null"]}),
            "find(...args: [number, (string)?, ...Array<number>]): Promise<string | null> {",
            "def find(self, arg1: float, *more: str | float) -> str | None:",
        ),
        (
            json!({"type": "array", "items": {"enum": ["a", 1]}}),
            json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
            "find(...args: Array<\"a\" | 1>): Promise<Record<string, boolean>> {",
            "def find(self, *args: Literal[\"a\", 1]) -> dict[str, bool]:",
        ),
        (
            json!({"properties": {"name": {"type": "string"}}}),
            json!({"type": "array", "items": {"properties": {"n": number}}}),
            "find(args: {",
            "def find(self, args: FindParams = {}) -> list[FindResultItem]:",
        ),
    ];
    for (params, result, typescript, python) in table {
        assert_eq!(signatures(params, result), (typescript.to_owned(), python.to_owned()));
    }
}

#[test]
fn names_that_are_no_identifiers_do_no_harm() {
    let any = || (Value::Null, Value::Null);
    let of = |name| {
        let (params, result) = any();
        (name, params, result)
    };
    let service = service(&[of("get-user"), of("get.user"), of("class"), of("constructor"), of("1st")]);
    let typescript = module(&service, Language::TypeScript, "s");
    for part in
        ["export class ApiProxy {", "  [\"get-user\"](", "  constructor_(", "  class(", "/** Does * / \"it\" */"]
    {
        assert!(typescript.contains(part), "{part}\n{typescript}");
    }
    let python = module(&service, Language::Python, "s");
    for part in [
        "class ApiProxy:",
        "def get_user(",
        "def get_user_(",
        "def class_(",
        "def call_1st(",
        "\"\"\"Does */ 'it'\"\"\"",
    ] {
        assert!(python.contains(part), "{part}\n{python}");
    }
}
