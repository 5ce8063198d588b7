#!/usr/bin/env bash
# Runs a command beside servers of mail that are not ours: aiosmtpd, whose letters Python's own parser reads.
#
#   tests/judges/smtp.sh cargo test --workspace --test api smtp:: -- --ignored
#
# Installs it once into .tools/, at the versions that smtp/requirements.txt names, starts the servers on free ports of the
# loopback, tells the command of them as SMTP_JUDGE, lets it trust their certificates alone (SSL_CERT_FILE), and stops them
# afterwards. Answers with the command's own exit code. Needs Python 3.11.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
judge="$root/tests/judges/smtp"
home="$root/.tools/smtp"

say() { echo "smtp: $*" >&2; }
give_up() { say "$*"; exit 1; }

[ $# -gt 0 ] || give_up "which command? for example: $0 cargo test --workspace --test api smtp:: -- --ignored"
command -v python3 >/dev/null || give_up "needs Python 3.11"

if ! cmp -s "$judge/requirements.txt" "$home/installed.txt"; then
  say "installing"
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$judge/requirements.txt" ||
    give_up "could not be installed"
  cp "$judge/requirements.txt" "$home/installed.txt" # last, so that a broken install starts over
fi

directory=$(mktemp -d)
"$home/bin/python" "$judge/server.py" "$directory" >"$directory/log" 2>&1 </dev/null &
server=$!
stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$directory"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

deadline=$((SECONDS + 60))
until [ -f "$directory/ports.json" ]; do
  kill -0 "$server" 2>/dev/null && [ $SECONDS -lt $deadline ] || { cat "$directory/log" >&2; give_up "did not start"; }
  sleep 0.2
done

export SMTP_JUDGE="$directory" SSL_CERT_FILE="$directory/ca.pem"
status=0
"$@" || { status=$?; tail -n 40 "$directory/log" >&2; }
exit "$status"
