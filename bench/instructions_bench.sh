#!/bin/bash
# Counts the instructions for one row of a replayed capture, with every field read: `tools/dev bench instructions`.
# callgrind counts Visit alone, for N rows and for 2 N rows. The difference is the cost of N rows.
set -euo pipefail

readonly rows=20000
readonly decode=${0%/*}/decode_bench

count() {  # ROWS [--tcp-info]
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=netdiag_bench_once \
    "$decode" "--once=$1" "${@:2}" 2>&1 >/dev/null | awk '/Collected/ { print $NF }'
}

per_row() {  # NAME [--tcp-info]
  local once twice
  once=$(count "$rows" "${@:2}") twice=$(count $((2 * rows)) "${@:2}")
  echo "instructions per row, $1: $(((twice - once + rows / 2) / rows))"
}

per_row tcp
per_row 'tcp with tcp_info' --tcp-info
