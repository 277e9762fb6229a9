//! A client in TypeScript, which needs no package: one connection to the socket of calls.

use std::fmt::Write as _;

use super::{Member, Type, about, class_name, is_identifier, one_line};
use crate::model::characters::is_unprintable;
use crate::report::services::{Service, ServiceMethod};

/// Names of the class that a method cannot have as they are; what has a `then` is taken for a promise.
const TAKEN: [&str; 3] = ["constructor", "close", "then"];

const HEAD: &str = r#"/** An error of a method, or of its service. */
export class CallError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(error: { code: number; message: string; data?: unknown }) {
    super(error.message);
    this.name = "CallError";
    this.code = error.code;
    this.data = error.data;
  }
}
"#;

const CONNECTION: &str = r#"
interface Connection {
  ask(request: object): Promise<any>;
  end(): void;
}

async function connect(path: string, closed: () => void): Promise<Connection> {
  const net: any = await import("node:net" as string);
  const socket = net.createConnection(path);
  const waiting = new Map<number, (answer: any) => void>();
  let last = 0;
  let text = "";
  const answered = (answer: any): void => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  };
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) answered(JSON.parse(line));
  });
  socket.on("close", () => {
    closed();
    const error = { code: -32005, message: "the connection was closed" };
    for (const id of [...waiting.keys()]) answered({ id, error });
  });
  await new Promise<void>((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("error", reject);
  });
  const ask = (request: object): Promise<any> =>
    new Promise((resolve) => {
      const id = (last += 1);
      waiting.set(id, resolve);
      socket.write(JSON.stringify({ id, ...request }) + "\n");
    });
  return { ask, end: () => socket.end() };
}
"#;

const TAIL: &str = r"
  /** Closes the connection; the next call opens another. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    (await connection)?.end();
  }

  async #call(method: string, args: unknown): Promise<unknown> {
    const connection = await (this.#connection ??= this.#connect());
    const answer = await connection.ask({ service: SERVICE, method, args });
    if (answer.error) throw new CallError(answer.error);
    return answer.result;
  }

  #connect(): Promise<Connection> {
    const own = connect(this.#path, () => {
      if (this.#connection === own) this.#connection = undefined;
    });
    return own;
  }
}
";

pub(super) fn module(service: &Service, socket: &str) -> String {
    let mut out = format!("// {}\n\n", about(service, "typescript"));
    // A String takes everything.
    let _ = write!(
        out,
        "const SERVICE = {};\n\
         const beside: string | undefined = (globalThis as any).process?.env?.QUEUE_WORK_SOCKET;\n\
         /** The socket of calls: beside the control socket of the master. */\n\
         const SOCKET: string = beside ? `${{beside}}.calls` : {};\n\n{HEAD}{CONNECTION}\n",
        quoted(&service.pool),
        quoted(socket),
    );
    let _ = write!(
        out,
        "export class {} {{\n  readonly #path: string;\n  #connection: Promise<Connection> | undefined;\n\n  \
         constructor(path: string = SOCKET) {{\n    this.#path = path;\n  }}\n",
        class_name(&service.pool)
    );
    for method in &service.methods {
        write_method(&mut out, method);
    }
    out + TAIL
}

fn write_method(out: &mut String, method: &ServiceMethod) {
    let name = &method.name;
    let about = one_line(&method.description).replace("*/", "* /");
    let about = if about.is_empty() { String::new() } else { format!("  /** {about} */\n") };
    let shown = match &**name {
        taken if TAKEN.contains(&taken) => format!("{taken}_"),
        name if is_identifier(name) => name.to_owned(),
        name => format!("[{}]", quoted(name)),
    };
    let params = match Type::of(&method.params) {
        Type::Unknown => "...args: unknown[]".to_owned(),
        of @ (Type::List(_) | Type::Tuple { .. }) => format!("...args: {}", worded(&of, 1)),
        Type::Object(members) if !members.iter().any(|member| member.is_required) => {
            format!("args: {} = {{}}", worded(&Type::Object(members), 1))
        }
        of => format!("args: {}", worded(&of, 1)),
    };
    let result = worded(&Type::of(&method.result), 1);
    let _ = write!(
        out,
        "\n{about}  {shown}({params}): Promise<{result}> {{\n    return this.#call({}, args) as Promise<{result}>;\n  }}\n",
        quoted(name)
    );
}

/// `depth`: of the lines of an object.
fn worded(of: &Type, depth: usize) -> String {
    match of {
        Type::Unknown => "unknown".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Number | Type::Integer => "number".to_owned(),
        Type::Text => "string".to_owned(),
        Type::OneOf(values) if values.iter().any(|value| value.is_array() || value.is_object()) => "unknown".to_owned(),
        Type::OneOf(values) => joined(values.iter().map(ToString::to_string)),
        Type::List(item) => format!("Array<{}>", worded(item, depth)),
        Type::Tuple { items, least, rest } => {
            let item = |(at, item): (usize, &Type)| {
                let item = worded(item, depth);
                if at < *least { item } else { format!("({item})?") }
            };
            let items = items.iter().enumerate().map(item);
            let rest = rest.iter().map(|rest| format!("...Array<{}>", worded(rest, depth)));
            format!("[{}]", items.chain(rest).collect::<Vec<_>>().join(", "))
        }
        Type::Map(of) => format!("Record<string, {}>", worded(of, depth)),
        Type::Object(members) => {
            let indent = "  ".repeat(depth);
            let member = |member: &Member| {
                let name = if is_identifier(&member.name) { member.name.clone() } else { quoted(&member.name) };
                let optional = if member.is_required { "" } else { "?" };
                format!("{indent}  {name}{optional}: {};\n", worded(&member.of, depth + 1))
            };
            format!("{{\n{}{indent}}}", members.iter().map(member).collect::<String>())
        }
        Type::Union(types) => joined(types.iter().map(|of| worded(of, depth))),
    }
}

fn joined(types: impl Iterator<Item = String>) -> String {
    types.collect::<Vec<_>>().join(" | ")
}

fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.chars().map(|c| if is_unprintable(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}
