rm -rf /tmp/p/d; mkdir /tmp/p/d
$1/queue-work --database /tmp/p/d/q.db --queue=q --workers=50 -- $1/examples/noop >/tmp/p/o 2>&1 &
m=$!
sleep 1.5; kill -TERM $m; wait $m
