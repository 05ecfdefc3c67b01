#!/usr/bin/env bash
# All checks: bash .ci/test.sh [STEP...], by default every step in this order:
#   lint     gofmt, go vet, golangci-lint, actionlint, ruff, mypy, licences of what is linked
#   go       go test -race, each file covered by at least 85 %
#   wheel    builds the wheel, looks what is in it, tries it in a venv without test dependencies
#   docs     builds the site of the documentation, all links checked
#   python   pytest against the wheel, on Python 3.11 and 3.13, covered likewise
# Needs Go 1.26 or later, a C compiler, and Python 3.11 and 3.13 on PATH or in pyenv. All that it makes is
# under .ci/tmp. PYTHONS="3.12 3.14" has the Python tests run on others.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/lib.sh

actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
golangci=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
tags=grpcnotrace
counts=()

step_lint() {
	say gofmt
	local unformatted
	unformatted=$(git ls-files -z "*.go" | xargs -0 gofmt -l)
	[[ -z $unformatted ]] || fail "gofmt: $unformatted"
	say go vet
	go vet -tags "$tags" ./...
	local os
	for os in windows darwin; do
		CGO_ENABLED=0 GOOS=$os go vet -tags "$tags" ./gocore/...
	done
	say golangci-lint
	go run "$golangci" run --allow-parallel-runners ./...
	say actionlint
	go run "$actionlint"
	say licences
	"$(find_python "${pythons[0]}")" .ci/licences.py --check
	say ruff and mypy
	# shellcheck disable=SC2046
	make_venv "${pythons[0]}" lint $(pins dev) $(pins test opentelemetry-sdk pyarrow pytest)
	"$venv/bin/ruff" check .
	"$venv/bin/ruff" format --check .
	"$venv/bin/mypy" otlp_arrow
}

step_go() {
	say go test
	go test -race -timeout 20m -tags "$tags" -covermode=atomic -coverpkg=./gocore/... -coverprofile="$tmp/go.cover" -json ./... \
		>"$tmp/go.json" || { grep -h '"Action":"output"' "$tmp/go.json" | print_output; fail "go test"; }
	print_output <"$tmp/go.json" | grep -E '^(ok|FAIL|---|panic|\?)' | grep -v '^--- PASS' || true
	counts+=("go test: $(count pass) passed, $(count skip) skipped, $(count fail) failed")
	printf '%s\n' "${counts[-1]}"
	"$(find_python "${pythons[0]}")" .ci/coverage.py go "$tmp/go.cover"
	say "go test of what the race detector has other code for"
	go test -count 1 -tags "$tags" ./gocore/internal/socket
}

# The text in test events.
print_output() {
	"$(find_python "${pythons[0]}")" -c '
import json, sys
for line in sys.stdin:
    sys.stdout.write(json.loads(line).get("Output", ""))'
}

count() { grep -c "\"Action\":\"$1\".*\"Test\":" "$tmp/go.json" || true; }

step_wheel() {
	say wheel
	rm -rf "$tmp/dist" build
	make_venv "${pythons[0]}" build "$(pins dev build)"
	"$venv/bin/python" -m build --wheel --outdir "$tmp/dist" .
	rm -rf build
	wheel=$(find_wheel)
	say "what is in the wheel"
	# shellcheck disable=SC2046
	make_venv "${pythons[0]}" wheels $(pins wheels auditwheel 'cyclonedx-python-lib[json-validation]' deflate lief) \
		"$(pins test pytest)"
	"$venv/bin/python" .ci/wheels repack "$wheel"
	"$venv/bin/python" .ci/wheels check "$wheel"
	"$venv/bin/python" -m pytest -q -c pyproject.toml -o cache_dir="$tmp/pytest-cache" tests/wheels
	say "smoke test of $(basename "$wheel")"
	local version
	for version in "${pythons[@]}"; do
		make_venv "$version" smoke "$wheel"
		(cd "$tmp" && "$venv/bin/python" "$root/.ci/smoke.py" && "$venv/bin/otlp-arrow" --version)
	done
}

find_wheel() {
	local wheels=("$tmp"/dist/*.whl)
	[[ ${#wheels[@]} == 1 && -f ${wheels[0]} ]] || fail "want one wheel in $tmp/dist: run step wheel"
	echo "${wheels[0]}"
}

step_python() {
	local version wheel
	wheel=$(find_wheel)
	for version in "${pythons[@]}"; do
		say "pytest on Python $version"
		make_venv "$version" test "${wheel}[test]"
		# Outside of the repository, so that nothing but the wheel can be imported.
		rm -rf "$tmp/pytest-$version"
		mkdir "$tmp/pytest-$version"
		(
			cd "$tmp/pytest-$version"
			export COVERAGE_FILE=$PWD/.coverage COVERAGE_RCFILE=$root/pyproject.toml
			"$venv/bin/coverage" run -m pytest -c "$root/pyproject.toml" --rootdir "$root" \
				-o cache_dir="$PWD/cache" --junitxml="$PWD/junit.xml" "$root/tests/python" | tee pytest.log
			"$venv/bin/coverage" combine --quiet
			"$venv/bin/coverage" json --quiet -o coverage.json
			"$venv/bin/python" "$root/.ci/coverage.py" python coverage.json
		)
		counts+=("pytest $version: $(tail -1 "$tmp/pytest-$version/pytest.log" | tr -d '=')")
	done
}

step_docs() {
	say documentation
	# shellcheck disable=SC2046
	make_venv "${pythons[0]}" docs $(pins docs)
	# The theme's word on MkDocs 2, which nobody here installs.
	NO_MKDOCS_2_WARNING=1 "$venv/bin/mkdocs" build --strict --quiet --config-file .ci/mkdocs.yml --site-dir "$tmp/site"
	counts+=("documentation: $(find "$tmp/site" -name '*.html' | wc -l) pages")
}

steps=("$@")
[[ $# -gt 0 ]] || steps=(lint go wheel docs python)
for step in "${steps[@]}"; do
	"step_$step"
done
say "all passed: ${steps[*]}"
[[ ${#counts[@]} == 0 ]] || printf '%s\n' "${counts[@]}"
