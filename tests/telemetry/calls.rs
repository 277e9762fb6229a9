//! Spans of calls of services.

use serde_json::json;

use super::collector::{Collector, Manner};
use super::support::{Bench, DEADLINE};
use super::{PARENT, SPAN, TRACE};

const PROGRAM: &str = r#"
import json, sys
def say(**message):
    print(json.dumps(message), flush=True)
say(method="ready", params={"methods": {"trace": {}, "fail": {}}})
for line in sys.stdin:
    request = json.loads(line)
    if request["params"]["name"] == "fail":
        say(id=request["id"], error={"code": 7, "message": "no luck"})
    else:
        say(id=request["id"], result=request["params"].get("traceparent"))
"#;

#[test]
fn a_call_is_a_span_that_its_worker_continues() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    std::fs::write(bench.path().join("calc.py"), PROGRAM).expect("a program");
    let pool = "[pools.calc]\nkind = \"service\"\nworkers = 1\ncommand = [\"python3\", \"calc.py\"]\n";
    std::fs::write(bench.path().join("queue-work.toml"), pool).expect("a file");
    let mut master = bench.start_with(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)]);
    let call = |method, context: &str| bench.verb(&["call", "calc", method]).env("TRACEPARENT", context).run();
    let given = call("trace", PARENT).expect_code(0).json();
    call("fail", PARENT).expect_code(1);
    let unseen = PARENT.replace("-01", "-00");
    assert_eq!(call("trace", &unseen).expect_code(0).json(), json!(unseen), "nobody wants to see it");
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success());
    let (well, failed) = (collector.span("calc/trace"), collector.span("calc/fail"));
    assert_eq!(collector.spans().len(), 2);
    assert_eq!((well.trace.as_str(), well.parent.as_deref(), well.kind), (TRACE, Some(SPAN), 2));
    assert_eq!(given, json!(format!("00-{TRACE}-{}-01", well.span)));
    let attributes = json!({"rpc.system": "queue-work", "rpc.service": "calc", "rpc.method": "trace"});
    assert_eq!((json!(well.attributes), &well.error), (attributes, &None));
    assert!(well.start > 0 && well.end >= well.start && failed.span != well.span, "{well:?}");
    assert_eq!((failed.error.as_deref(), &failed.attributes["error.type"]), (Some("no luck"), &json!("7")));
}
