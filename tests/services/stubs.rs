//! Typed clients: what `services --types` prints is compiled by the compilers of the languages, and calls.

use std::process::Command;

use super::*;

/// A service with a method of each shape.
const SHAPES: &str = r#"
import json, sys
number, text = {"type": "number"}, {"type": "string"}
user = {"type": "object", "properties": {"name": text, "age": {"type": "integer"}, "first-login": text}, "required": ["name"]}
methods = {
    "add": {"description": "Adds two numbers", "params": {"type": "array", "prefixItems": [number, number]}, "result": number},
    "join": {"params": {"type": "array", "items": text}, "result": text},
    "greet": {"params": user, "result": {"type": "object", "properties": {"text": text, "mood": {"enum": ["good", "bad"]}, "users": {"type": "array", "items": user}}, "required": ["text", "mood", "users"]}},
    "find-all": {"params": {"type": "object", "properties": {"limit": {"type": "integer"}}}, "result": {"type": ["array", "null"], "items": number}},
    "any": {},
    "then": {},
    "class": {"params": {"type": "array", "prefixItems": [number, text], "minItems": 1}, "result": {"type": "null"}},
}
run = {
    "add": lambda a, b: a + b,
    "join": lambda *texts: " ".join(texts),
    "greet": lambda **user: {"text": f"hi {user['name']}", "mood": "good", "users": [user]},
    "find-all": lambda **args: [args.get("limit", 0)],
    "any": lambda *args: args,
    "then": lambda *args: args,
}
print(json.dumps({"method": "ready", "params": {"version": "1.0.0", "methods": methods}}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") != "call": continue
    name, args = m["params"]["name"], m["params"]["args"]
    try: out = {"result": run[name](**args) if isinstance(args, dict) else run[name](*args)}
    except Exception as e: out = {"error": {"code": -32000, "message": f"no {e}"}}
    print(json.dumps({"id": m["id"], **out}), flush=True)
"#;

const PYTHON: &str = r#"
from client import CallError, Calc

calc = Calc()
total: float = calc.add(5, 3)
answer = calc.greet({"name": "ann", "age": 7})
mood: str = answer["mood"]
numbers = calc.find_all()
print(total, calc.join("a", "b"), answer["text"], mood, answer["users"][0].get("age"), numbers, calc.any(1))
try:
    calc.class_(1)
except CallError as error:
    print(error.code, error)
try:
    calc.any(1, x=2)
except TypeError as error:
    print(error)
calc.close()
print(calc.add(1, 2))
"#;

const TYPESCRIPT: &str = r#"
import { Calc, CallError } from "./client.mjs";

const calc = new Calc();
const total: number = await calc.add(5, 3);
const answer = await calc.greet({ name: "ann", age: 7 });
const mood: "good" | "bad" = answer.mood;
const numbers: number[] | null = await calc["find-all"]();
const all = [total, await calc.join("a", "b"), answer.text, mood, answer.users[0]?.age, numbers, await calc.any(1)];
(globalThis as any).console.log(JSON.stringify(all));
try {
  await calc.class(1);
} catch (error) {
  if (error instanceof CallError) (globalThis as any).console.log(error.code, error.message);
}
await calc.close();
const itself = await (async () => calc)();
(globalThis as any).console.log(await itself.add(1, 2), JSON.stringify(await calc.then_(7)));
await calc.close();
"#;

/// What a program of the machine printed; `None` where it is not installed.
fn printed(bench: &Bench, words: &[&str]) -> Option<String> {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(bench.path()).output();
    let Ok(output) = output else {
        println!("skipped: `{}` is not installed", words[0]);
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_missing = errors.contains("No module named mypy") || errors.contains("command not found");
    if is_missing {
        println!("skipped: {}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{words:?}\n{text}\n{errors}");
    Some(text)
}

/// What the last of these commands printed, with a client and a program that uses it; `None`: one of them is not installed.
fn used(types: &str, client: &str, program: (&str, &str), commands: &[&[&str]]) -> Option<String> {
    let bench = bench("workers = 1\n");
    std::fs::write(bench.path().join("calc.py"), SHAPES).expect("a program");
    std::fs::write(bench.path().join(program.0), program.1).expect("a program");
    let _master = start(&bench, 1);
    let module = bench.ok(&["services", "calc", "--types", types]);
    std::fs::write(bench.path().join(client), module).expect("a module");
    commands.iter().map(|words| printed(&bench, words)).collect::<Option<Vec<_>>>()?.pop()
}

#[test]
fn a_client_in_python_is_checked_and_calls() {
    let files = ("client.py", ("use.py", PYTHON));
    let ran =
        used("python", files.0, files.1, &[&["python3", "-m", "py_compile", "client.py"], &["python3", "use.py"]]);
    let expected = "8 a b hi ann good 7 [0] [1]\n-32000 no 'class'\na method takes arguments by position or by name, not both\n3\n";
    assert_eq!(ran.as_deref(), Some(expected));
    used("python", files.0, files.1, &[&["python3", "-m", "mypy", "--strict", "client.py", "use.py"]]);
}

#[test]
fn a_client_in_typescript_is_checked_and_calls() {
    let compile = ["tsc", "--strict", "--target", "es2022", "--module", "nodenext", "client.mts", "use.mts"];
    let ran = used("typescript", "client.mts", ("use.mts", TYPESCRIPT), &[&compile, &["node", "use.mjs"]]);
    let expected = "[8,\"a b\",\"hi ann\",\"good\",7,[0],[1]]\n-32000 no 'class'\n3 [7]\n";
    assert!(ran.is_none_or(|ran| ran == expected), "another answer");
}

#[test]
fn a_client_of_nothing_is_refused() {
    let bench = bench("workers = 1\nready = \"spawned\"\n");
    std::fs::write(bench.path().join("calc.py"), "import sys\nfor line in sys.stdin: pass\n").unwrap();
    let _master = start(&bench, 1);
    let refused = bench.run(&["services", "calc", "--types", "python"]).expect_code(1);
    assert!(refused.stderr.contains("no worker of `calc` has declared methods"), "{}", refused.stderr);
    bench.run(&["services", "--types", "python"]).expect_code(2);
}
