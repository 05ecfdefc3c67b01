# shellcheck shell=bash
# What the scripts beside this one share; sourced in the root of the repository.

root=$PWD
tmp=$root/.ci/tmp
mkdir -p "$tmp"
read -ra pythons <<<"${PYTHONS:-3.11 3.13}"

say() { printf '\n=== %s (%ss)\n' "$*" "$SECONDS"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# The path of a Python of a version such as 3.11.
find_python() {
	local found
	found=$(command -v "python$1" || true)
	if [[ -n $found ]] && "$found" -c '' 2>/dev/null; then
		echo "$found"
		return
	fi
	if command -v pyenv >/dev/null; then
		found=$(pyenv versions --bare | grep -E "^${1//./\\.}\.[0-9]+$" | sort -V | tail -1 || true)
		if [[ -n $found ]]; then
			PYENV_VERSION=$found pyenv which "python$1"
			return
		fi
	fi
	fail "no Python $1 on PATH or in pyenv"
}

# A venv of a version and a purpose, with packages: venv 3.11 test PACKAGE... sets $venv.
make_venv() {
	local python
	python=$(find_python "$1")
	venv=$tmp/venv-$1-$2
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${@:3}"
}

# The pinned requirements of an extra, so that tools install without the package itself.
pins() {
	"$(find_python "${pythons[0]}")" - "$1" "${@:2}" <<-'PY'
		import sys, tomllib
		extra = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]]
		wanted = sys.argv[2:]
		print(*(r for r in extra if "==" in r and (not wanted or r.split("==")[0] in wanted)))
	PY
}
