#!/usr/bin/env bash
# Has schemathesis read the description of the API and call every operation as nobody, as a member, as a system and as
# staff of each role, with data that fits the description and data that does not.
#
#   tests/judges/schemathesis.sh [ROLE...]
#
# ROLE is none, member, system, guide, agent, operator or manager; all of them without one. A host in memory is started
# for the run, with a brand that has done some business in it: see fuzz.py. Reports lie in target/schemathesis.
# Needs Python 3.11; schemathesis is installed into an environment of its own, .tools/schemathesis.
set -euo pipefail
cd "$(dirname "$0")/../.."

requirements=.ci/schemathesis-requirements.txt
home="$PWD/.tools/schemathesis"

say() { echo "schemathesis: $*" >&2; }

if ! cmp -s "$requirements" "$home/installed.txt"; then
  say "installing"
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$home/installed.txt" # last, so that a broken install starts over
fi

cargo build --workspace --bins --locked

work=$(mktemp -d)
host=
stop() {
  if [ -n "$host" ]; then
    kill "$host" 2>/dev/null || true
    wait "$host" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# By a clock that begins at the same time whenever it runs: a Monday morning.
HUITOU_LOG=info target/debug/local --port 0 --memory --clock 2026-03-02T10:00:00+08:00 >"$work/greeting" 2>"$work/log" </dev/null &
host=$!
for _ in $(seq 150); do
  grep -q '^What was sent' "$work/greeting" && break
  kill -0 "$host" 2>/dev/null || break
  sleep 0.2
done
grep -q '^What was sent' "$work/greeting" || { cat "$work/log" >&2; say "the local host did not start"; exit 1; }

status=0
"$home/bin/python" tests/judges/fuzz.py "$work" "$@" || status=$?
if [ "$status" -ne 0 ] && grep -q ERROR "$work/log"; then
  say "what the host had to say:"
  grep ERROR "$work/log" | tail -n 40 >&2
fi
exit "$status"
