#!/usr/bin/env bash
# Runs a command beside an OpenID provider that is not ours: oidc-provider, which the OpenID Foundation has certified.
#
#   tests/judges/oidc-provider.sh cargo test --workspace --test api staff:: -- --ignored
#
# Installs it once into .tools/, with exactly the packages that oidc/package-lock.json names, starts it on a free port of
# the loopback, tells the command of it as STAFF_IDENTITY, and stops it afterwards. Answers with the command's own exit
# code. Needs Node 20 or newer with npm.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
judge="$root/tests/judges/oidc"
home="$root/.tools/oidc-provider"

name=oidc-provider
source "$root/tests/judges/server.sh"

[ $# -gt 0 ] || give_up "which command? for example: $0 cargo test --workspace --test api staff:: -- --ignored"
command -v node >/dev/null && command -v npm >/dev/null || give_up "needs Node 20 or newer with npm"

if ! cmp -s "$judge/package-lock.json" "$home/installed.json"; then
  say "installing"
  rm -rf "$home"
  mkdir -p "$home"
  cp "$judge/package.json" "$judge/package-lock.json" "$home/"
  (cd "$home" && npm ci --silent --no-audit --no-fund --ignore-scripts) || give_up "could not be installed"
  cp "$judge/package-lock.json" "$home/installed.json" # last, so that a broken install starts over
fi
cp "$judge/provider.mjs" "$home/"

answers() { # does it describe itself on this port?
  node -e 'fetch(process.argv[1]).then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))' \
    "http://127.0.0.1:$1/.well-known/openid-configuration"
}

serve() { exec node "$home/provider.mjs" "$1"; }

start_server
roles='[{"value":"hq-manager","role":"manager"},{"value":"desk","role":"agent"}]'
export STAFF_IDENTITY="{\"issuer\":\"http://127.0.0.1:$port\",\"audience\":\"huitou\",\"roles\":$roles}"
status=0
"$@" || { status=$?; tail -n 40 "$log" >&2; }
exit "$status"
