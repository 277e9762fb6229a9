//! Spans of calls of services.

use serde_json::json;

use super::collector::{Collector, Manner};
use super::support::{Bench, DEADLINE};
use super::{PARENT, SPAN, TRACE};

const PROGRAM: &str = r#"
import json, sys, time
def say(**message):
    print(json.dumps(message), flush=True)
say(method="ready", params={"methods": {"trace": {}, "fail": {}, "sleep": {}}})
for line in sys.stdin:
    request = json.loads(line)
    if request["params"]["name"] == "fail":
        say(id=request["id"], error={"code": 7, "message": "no luck"})
    elif request["params"]["name"] == "sleep":
        open("asleep", "w")
        time.sleep(600)
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
    let mut caller = bench.command(&["call", "calc", "sleep"]).env("TRACEPARENT", PARENT).spawn().expect("a caller");
    bench.wait_for("the call is with its worker", DEADLINE, |bench| bench.path().join("asleep").exists());
    caller.kill().and_then(|()| caller.wait()).expect("it is gone");
    bench.ok(&["stop", "--timeout", "0s"]);
    assert!(master.wait_exit(DEADLINE).success());
    let (well, failed) = (collector.span("calc/trace"), collector.span("calc/fail"));
    assert_eq!(collector.spans().len(), 3);
    assert_eq!((well.trace.as_str(), well.parent.as_deref(), well.kind), (TRACE, Some(SPAN), 2));
    assert_eq!(given, json!(format!("00-{TRACE}-{}-01", well.span)));
    let attributes = json!({"rpc.system": "queue-work", "rpc.service": "calc", "rpc.method": "trace"});
    assert_eq!((json!(well.attributes), &well.error), (attributes, &None));
    assert!(well.start > 0 && well.end >= well.start && failed.span != well.span, "{well:?}");
    let left = collector.span("calc/sleep");
    assert_eq!(
        (left.error.as_deref(), &left.attributes["error.type"]),
        (Some("the caller has left"), &json!("cancelled"))
    );
    assert_eq!((failed.error.as_deref(), &failed.attributes["error.type"]), (Some("no luck"), &json!("7")));
}
