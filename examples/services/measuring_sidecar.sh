#!/usr/bin/env bash
# A sidecar that measures: the resident memory of each worker of its pool, once a second, as JSON lines in POOL.memory.
pool=$QUEUE_WORK_SIDECAR_OF
pids=
while :; do
    # {"method":"main","params":{"pool":"calculator","pids":[12,13]}}
    if IFS= read -r -t 1 line; then
        case $line in
        *'"pids":['*) pids=${line##*'"pids":['} pids=${pids%%]*} ;;
        esac
        continue
    elif [ $? -le 128 ]; then
        exit 0 # The input has ended, and with it the master.
    fi
    sizes=
    for pid in ${pids//,/ }; do
        kib=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
        sizes+=${kib:+${sizes:+, }\"$pid\": $((kib * 1024))}
    done
    printf '{"at": "%(%FT%T%z)T", "pool": "%s", "rss_bytes": {%s}}\n' -1 "$pool" "$sizes" >> "$pool.memory"
done
