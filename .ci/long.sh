#!/usr/bin/env bash
# The checks that take too long for every change: bash .ci/long.sh [STEP...], by default all of them:
#   fuzz     each fuzz target of the Go core, FUZZTIME (60s) each
#   crashes  a crash at every call of every recovery from a crash at every call
#   kills    500 rounds of kill -9 under load
#   overload 64 connections faster than the service writes (needs pyarrow): nothing acknowledged may be missing
#   soak     20 minutes of steady load: memory and file handles
#   interop  OTAP and forwarding to and from a real Collector, contents compared (the first run builds it)
#   sdk      an exporter's CPU in the app's process beside the stock one over gRPC (needs the test extra)
#   peers    CPU, latency and memory beside the Collector and rotel, and a steady load (needs a quiet machine)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n=== %s (%ss)\n' "$*" "$SECONDS"; }

step_fuzz() {
	local file target
	for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do
		for target in $(grep -ho '^func Fuzz[A-Za-z0-9]*' "$file" | cut -d' ' -f2); do
			say "$target in $(dirname "$file")"
			# Without a bound, minimizing an input that is only interesting can use up all the time.
			go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 1x |
				tail -8
		done
	done
}

step_crashes() {
	say crashes
	OTLP_ARROW_LONG=1 go test ./gocore/internal/node -run '^TestEveryCrash$' -timeout 60m -count 1 -v | grep -v '^==='
}

step_kills() {
	say "500 kills"
	OTLP_ARROW_KILLS=500 go test ./tests/go -run '^TestKill$' -timeout 60m -count 1 -v | grep -v '^==='
}

step_soak() {
	say soak
	python3 bench/soak.py
}

step_overload() {
	say overload
	python3 bench/overload.py
}

step_interop() {
	say interop
	python3 tests/interop/run.py
}

step_sdk() {
	say "SDK exporters"
	python3 bench/sdk.py
}

step_peers() {
	say peers
	python3 bench/peers.py
	say "steady load"
	python3 bench/peers.py --steady
	say "what durability costs"
	python3 bench/peers.py --durability
}

steps=("$@")
[[ $# -gt 0 ]] || steps=(fuzz crashes kills overload soak interop sdk peers)
for step in "${steps[@]}"; do
	"step_$step"
done
say "all passed: ${steps[*]}"
