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
#   wheels   the source distribution and the wheels of five platforms: built, checked, and run as far as this
#            machine can: under qemu and wine. Debian: lld-16 qemu-user libc6-arm64-cross wine64
#   pythons  the Python tests on 3.12, and on 3.14 where there is one
set -euo pipefail
cd "$(dirname "$0")/.."

source .ci/lib.sh

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

step_wheels() {
	say wheels
	# shellcheck disable=SC2046
	make_venv "${pythons[0]}" wheels-all $(pins wheels)
	"$venv/bin/python" .ci/wheels
	local sdist=(dist/otlp_arrow-*.tar.gz)
	say "from ${sdist[0]}"
	make_venv "${pythons[0]}" sdist "${sdist[0]}"
	(cd "$tmp" && "$venv/bin/python" "$root/.ci/smoke.py")
	say "from it without Go"
	PATH=$venv/bin pip install --no-deps --force-reinstall "${sdist[0]}" >"$tmp/no-go.log" 2>&1 && fail "it built without Go"
	grep "needs Go .* there is no .go. on PATH" "$tmp/no-go.log" || fail "no clear message in $tmp/no-go.log"
}

step_pythons() {
	local version found=()
	for version in 3.12 3.14; do
		if (find_python "$version") >/dev/null 2>&1; then
			found+=("$version")
		else
			say "no Python $version here"
		fi
	done
	PYTHONS=${found[*]} bash .ci/test.sh wheel python
}

steps=("$@")
[[ $# -gt 0 ]] || steps=(fuzz crashes kills overload soak interop sdk wheels pythons peers)
for step in "${steps[@]}"; do
	"step_$step"
done
say "all passed: ${steps[*]}"
