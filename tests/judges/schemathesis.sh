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

name=schemathesis
source tests/judges/server.sh
source .ci/environment.sh

home="$PWD/.tools/schemathesis"
install .ci/schemathesis-requirements.txt "$home"
cargo build --workspace --bins --locked

work=$(mktemp -d)
trap 'stop; rm -rf "$log" "$work"' EXIT

# By a clock that begins at the same time whenever it runs: a Monday morning.
serve() {
  HUITOU_LOG=info exec target/debug/local --port 0 --memory --clock 2026-03-02T10:00:00+08:00 >"$work/greeting" 2>"$work/log"
}
answers() { grep -q '^What was sent' "$work/greeting"; }

start_on 0 || { cat "$work/log" >&2; give_up "the local host did not start"; }

status=0
"$home/bin/python" tests/judges/fuzz.py "$work" "$@" || status=$?
if [ "$status" -ne 0 ] && grep -q ERROR "$work/log"; then
  say "what the host had to say:"
  grep ERROR "$work/log" | tail -n 40 >&2
fi
exit "$status"
