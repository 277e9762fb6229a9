#!/usr/bin/env bash
# A worker in bash, without any other tool: queue-work --queue default -- bash examples/worker.sh
#
# The master writes `id` before everything else and `type` and `args` in a fixed order, so a regular expression finds
# them. This is enough for flat args (numbers, strings without quotes); for more, pipe the line through jq.
# What a job prints goes to stderr (the log), never to stdout (the answers).

result() { printf '{"id":%s,"result":%s}\n' "$id" "$1"; }
error() { printf '{"id":%s,"error":{"code":%s,"message":"%s"}}\n' "$id" "$1" "$2"; }

while IFS= read -r line; do
  [[ $line =~ \"id\":([0-9]+) ]] || continue
  id=${BASH_REMATCH[1]}
  [[ $line =~ \"type\":\"([^\"]*)\" ]] && type=${BASH_REMATCH[1]}
  args=
  [[ $line =~ \"args\":(\[[^]]*\]|\"[^\"]*\"|[^,}]*) ]] && args=${BASH_REMATCH[1]}
  case $type in
    add)
      if [[ $args =~ ^\[\ *(-?[0-9]+)\ *,\ *(-?[0-9]+)\ *\]$ ]]; then
        result $((BASH_REMATCH[1] + BASH_REMATCH[2]))
      else
        error 65 "add needs two whole numbers"
      fi ;;
    echo) result "$args" ;;
    sleep)
      seconds=${args//[^0-9.]/}
      if sleep "${seconds:-1}" >&2; then result null; else error 1 "sleep failed"; fi ;;
    fail) error 1 "it was asked to fail" ;;
    progress)
      for percent in 25 50 75 100; do
        printf '{"jsonrpc":"2.0","method":"progress","params":{"id":%s,"percent":%s}}\n' "$id" "$percent"
      done
      result 4 ;;
    *) error -32601 "no such job type \`$type\`" ;;
  esac
done
