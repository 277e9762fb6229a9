//! The checker of arguments: a table of schemas, values and what is said of them.

use serde_json::{Value, json};

use super::super::schema::compile;

/// What is wrong with a value, with its place; empty if nothing is.
fn mistake(schema: &Value, value: &Value) -> String {
    let mut warnings = Vec::new();
    let schema = compile(schema, &mut warnings);
    assert_eq!(warnings, Vec::<String>::new());
    schema.check(value).map_or_else(|mismatch| format!("{} {}", mismatch.path, mismatch.text), |()| String::new())
}

#[test]
fn what_the_schema_asks_for_is_checked() {
    let person = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "minLength": 1 }, "age": { "type": "integer", "minimum": 0 } },
        "required": ["name"],
        "additionalProperties": false,
    });
    let table: &[(Value, Value, &str)] = &[
        (json!({}), json!([{ "a": null }]), ""),
        (json!(true), json!(1), ""),
        (json!(false), json!(1), " must be left out, not given"),
        (json!({ "type": "integer" }), json!(5.0), ""),
        (json!({ "type": "integer" }), json!(5.5), " must be an integer, not a number"),
        (json!({ "type": "number" }), json!(5), ""),
        (json!({ "type": ["string", "null"] }), json!(null), ""),
        (json!({ "type": ["string", "null"] }), json!(true), " must be a string or null, not true or false"),
        (json!({ "enum": ["a", 1, null] }), json!(1.0), ""),
        (json!({ "enum": ["a", 1, null] }), json!("b"), " must be one of \"a\", 1, null, not \"b\""),
        (json!({ "const": { "a": [1] } }), json!({ "a": [1] }), ""),
        (json!({ "const": 2, "enum": [1, 2] }), json!(1), " must be 2, not 1"),
        (json!({ "minimum": 1 }), json!(1), ""),
        (json!({ "minimum": 1 }), json!(0.5), " must be at least 1, not 0.5"),
        (json!({ "exclusiveMinimum": 1 }), json!(1), " must be more than 1, not 1"),
        (json!({ "maximum": 9 }), json!(10), " must be at most 9, not 10"),
        (json!({ "exclusiveMaximum": 9.5 }), json!(9.5), " must be less than 9.5, not 9.5"),
        (
            json!({ "maximum": 9_007_199_254_740_992_u64 }),
            json!(9_007_199_254_740_993_u64),
            " must be at most 9007199254740992, not 9007199254740993",
        ),
        (json!({ "minLength": 2 }), json!("ä"), " must be at least 2 characters long, not 1"),
        (json!({ "maxLength": 2 }), json!("äöü"), " must be at most 2 characters long, not 3"),
        (json!({ "minItems": 1 }), json!([]), " must be at least 1 items long, not 0"),
        (json!({ "maxItems": 1 }), json!([1, 2]), " must be at most 1 items long, not 2"),
        (json!({ "items": { "type": "number" } }), json!([1, "2"]), "/1 must be a number, not a string"),
        (json!({ "prefixItems": [{ "type": "string" }], "items": false }), json!(["a"]), ""),
        (
            json!({ "prefixItems": [{ "type": "string" }], "items": false }),
            json!(["a", 1]),
            "/1 must be left out, not given",
        ),
        (person.clone(), json!({ "name": "ann", "age": 3 }), ""),
        (person.clone(), json!({ "age": 3 }), "/name is missing"),
        (person.clone(), json!({ "name": "" }), "/name must be at least 1 characters long, not 0"),
        (person.clone(), json!({ "name": "ann", "age": -3 }), "/age must be at least 0, not -3"),
        (person, json!({ "name": "ann", "a/b~": 1 }), "/a~1b~0 must be left out, not given"),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "x": 1 }),
            "/x must be a string, not a number",
        ),
        (json!({ "title": "x", "description": "y", "default": 1, "$schema": "z" }), json!(1), ""),
    ];
    for (schema, value, expected) in table {
        assert_eq!(mistake(schema, value), *expected, "{schema} {value}");
    }
}

#[test]
fn what_is_missing_says_what_is_expected_there() {
    let schema = json!({ "required": ["a", "b"], "properties": { "b": { "enum": [1, 2] } } });
    let schema = compile(&schema, &mut Vec::new());
    let expected = |value: &Value| schema.check(value).expect_err("it is wrong").expected;
    assert_eq!(expected(&json!({})), "there");
    assert_eq!(expected(&json!({ "a": 1 })), "one of 1, 2");
}

#[test]
fn keywords_that_are_not_checked_are_told_by_their_path() {
    let table = [
        (json!({ "pattern": "^a" }), "`/pattern` is not checked"),
        (json!({ "items": { "format": "date" } }), "`/items/format` is not checked"),
        (json!({ "properties": { "a": { "type": "text" } } }), "`/properties/a/type` is not checked"),
        (json!({ "prefixItems": [{}, 5] }), "`/prefixItems/1` is a number, no schema"),
        (json!({ "minimum": "1" }), "`/minimum` is not checked"),
        (json!({ "minLength": "1" }), "`/minLength` is not checked"),
        (json!({ "required": [1] }), "`/required` is not checked"),
        (json!({ "properties": [] }), "`/properties` is not checked"),
    ];
    for (schema, expected) in table {
        let mut warnings = Vec::new();
        let compiled = compile(&schema, &mut warnings);
        assert_eq!(warnings, [expected], "{schema}");
        assert_eq!(compiled.check(&json!({ "a": ["x"] })), Ok(()));
    }
}

#[test]
fn a_schema_without_end_is_followed_as_deep_as_is_sensible() {
    let mut schema = json!({ "type": "array" });
    let mut value = json!([]);
    for _ in 0..1000 {
        schema = json!({ "type": "array", "items": schema });
        value = json!([value]);
    }
    let mut warnings = Vec::new();
    let schema = compile(&schema, &mut warnings);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].ends_with("is more than 64 levels deep"), "{warnings:?}");
    assert_eq!(schema.check(&value), Ok(()));
}
