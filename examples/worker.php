<?php
// A worker in PHP: queue-work --queue default -- php examples/worker.php
// Every member of $jobs is a job type; its args are a list (positional), an object (named) or one value.
// `echo` here writes answers; write what is meant for the log with error_log() or to STDERR.

$send = function (array $message): void {
    echo json_encode($message, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    flush();
};
$id = null;

$jobs = [
    'add' => fn($a, $b) => $a + $b,
    'echo' => fn(...$args) => count($args) === 1 ? reset($args) : $args,
    'sleep' => fn($seconds) => usleep((int) ($seconds * 1e6)),
    'fail' => fn($message = 'it was asked to fail') => throw new RuntimeException($message),
    'progress' => function ($steps = 4) use ($send, &$id) {
        for ($step = 1; $step <= $steps; $step++) {
            $send(['jsonrpc' => '2.0', 'method' => 'progress', 'params' => ['id' => $id, 'percent' => 100 * $step / $steps]]);
        }
        return $steps;
    },
];

while (($line = fgets(STDIN)) !== false) { // ends by itself when the master closes it
    $message = json_decode($line, true);
    if (($message['method'] ?? null) !== 'job') {
        continue;
    }
    ['id' => $id, 'params' => $job] = $message;
    if (!isset($jobs[$job['type']])) {
        $out = ['error' => ['code' => -32601, 'message' => "no such job type `{$job['type']}`"]];
    } else {
        $args = $job['args'] ?? [];
        try {
            $out = ['result' => $jobs[$job['type']](...(is_array($args) ? $args : [$args]))];
        } catch (Throwable $e) { // a failed job must not end the worker
            $data = ['type' => get_class($e), 'backtrace' => (string) $e];
            $out = ['error' => ['code' => 1, 'message' => $e->getMessage(), 'data' => $data]];
        }
    }
    $send(['id' => $id] + $out);
}
