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

name=smtp
source "$root/tests/judges/server.sh"
source "$root/.ci/environment.sh"

[ $# -gt 0 ] || give_up "which command? for example: $0 cargo test --workspace --test api smtp:: -- --ignored"
command -v python3 >/dev/null || give_up "needs Python 3.11"

install "$judge/requirements.txt" "$home"

directory=$(mktemp -d)
trap 'stop; rm -rf "$log" "$directory"' EXIT

# It chooses its ports itself, one for each kind of server, and tells them when all of them answer.
serve() { exec "$home/bin/python" "$judge/server.py" "$directory"; }
answers() { [ -f "$directory/ports.json" ]; }

start_on 0 || { cat "$log" >&2; give_up "did not start"; }
export SMTP_JUDGE="$directory" SSL_CERT_FILE="$directory/ca.pem"
status=0
"$@" || { status=$?; tail -n 40 "$log" >&2; }
exit "$status"
