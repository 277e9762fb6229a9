//! The two lines of each job: the request that is written to a worker, and its answer.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use queue_work::testing::model::{Claimed, Counters, Holds, JobId, QueueName, RunId, UnixMicros};
use queue_work::testing::wire::lines::{Line, Lines};
use queue_work::testing::wire::worker::{JobLines, JobTerms, parse};

/// Answers in what is read at once.
const ANSWERS: usize = 64;

fn parses(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire: parse");
    let lines: [(&str, &[u8]); 4] = [
        ("answer, null", br#"{"id":123456,"result":null}"#),
        ("answer, with a result", br#"{"jsonrpc":"2.0","id":123456,"result":{"width":100,"name":"small-a.png"}}"#),
        (
            "error",
            br#"{"id":123456,"error":{"message":"no such customer","data":{"type":"ValueError","retry":false}}}"#,
        ),
        ("output", b"a line that some library prints on stdout"),
    ];
    for (name, line) in lines {
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| b.iter(|| black_box(parse(black_box(line)))));
    }
    group.finish();
}

fn reads(c: &mut Criterion) {
    let chunk = b"{\"id\":123456,\"result\":null}\n".repeat(ANSWERS);
    let mut group = c.benchmark_group("wire: split into lines and parse");
    group.throughput(Throughput::Elements(ANSWERS as u64));
    group.bench_function("64 answers at once", |b| {
        let mut lines = Lines::new(16 << 20);
        b.iter(|| {
            lines.push(black_box(&chunk), |line| {
                if let Line::Whole(line) = line {
                    black_box(parse(line));
                }
            });
        });
    });
    group.finish();
}

fn writes(c: &mut Criterion) {
    let job = Claimed {
        id: JobId(1_234_567),
        run: RunId(1_234_567),
        queue: QueueName::new("default").expect("a name"),
        kind: "resize".into(),
        args: r#"{"file":"a.png","width":100}"#.into(),
        counters: Counters::default(),
        pushed_at: UnixMicros(1_790_000_000_000_000),
        due_at: UnixMicros(1_790_000_000_000_000),
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: true,
        state: None,
        parents: None,
        pushed_in: None,
        trace: None,
    };
    let timeout = Duration::from_hours(1);
    let terms = JobTerms { request: 123_456, max_attempts: 3, timeout, deadline: UnixMicros(1_790_003_600_000_000) };
    let mut group = c.benchmark_group("wire: write");
    group.throughput(Throughput::Elements(1));
    group.bench_function("job", |b| {
        let (mut lines, mut out) = (JobLines::default(), Vec::with_capacity(4096));
        b.iter(|| {
            out.clear();
            lines.write(&mut out, black_box(&job), black_box(&terms));
            black_box(&out);
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = parses, reads, writes
}
criterion_main!(benches);
