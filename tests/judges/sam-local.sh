#!/usr/bin/env bash
# Runs functions in containers by `sam local`, against the table and the queues of a local host.
#
#   tests/judges/sam-local.sh [BINARIES]       the events of tests/events/, one request over HTTP, and the end
#   tests/judges/sam-local.sh --serve [BINARIES]   `sam local start-api` on 127.0.0.1:3999 until Ctrl-C
#
# BINARIES is where the functions' binaries lie; without it they are built, as they are deployed. The host is built by
# cargo in any case. Needs Docker, debootstrap and root's rights for it (once, for the image that stands in for AWS's own, which a closed
# network can't fetch), and what .ci/run needs.
set -euo pipefail
cd "$(dirname "$0")/../.."

give_up() {
  echo "sam local: $*" >&2
  exit 2
}

serve=
if [ "${1:-}" = --serve ]; then
  serve=1
  shift
fi
binaries="${1:-}"
command -v docker >/dev/null && docker info >/dev/null 2>&1 || give_up "needs Docker, and no daemon answers"
if [ -z "$binaries" ]; then
  binaries=$(.ci/functions)
fi
cargo build --locked --package local

tools="$PWD/.tools"
sam="$tools/python/bin/sam"
source .ci/environment.sh
install .ci/requirements.txt "$tools/python"
export SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$tools/sam"
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1

case "$(uname -m)" in
  x86_64) architecture=x86_64 ;;
  *) architecture=arm64 ;;
esac
image="public.ecr.aws/lambda/provided:al2023-$architecture"

work=$(mktemp -d)
host= relay=
stop() {
  for process in $host $relay; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A stand-in for AWS's image: its folders, and a small system; a function needs nothing of it but certificates.
if ! docker image inspect "$image" >/dev/null 2>&1; then
  command -v debootstrap >/dev/null || give_up "needs debootstrap to make the image"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/rootfs" >/dev/null
  mkdir -p "$work"/rootfs/var/task "$work"/rootfs/var/runtime "$work"/rootfs/opt
  tar -C "$work/rootfs" -c . | docker import \
    --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' \
    --change 'WORKDIR /var/task' --change 'ENTRYPOINT ["/lambda-entrypoint.sh"]' - "$image"
fi

target/debug/local --port 0 --memory >"$work/host" &
host=$!
for _ in $(seq 100); do
  [ -s "$work/host" ] && break
  sleep 0.2
done
url=$(grep -om1 'http://127[^ ]*' "$work/host") || give_up "the local host did not start"
token=$(awk '$1 == "manager" { print $2 }' "$work/host")

# The host listens on 127.0.0.1, which a container does not reach: this passes on what comes to Docker's own bridge.
gateway=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')
python3 - "$gateway" "${url##*:}" >"$work/relay" <<'RELAY' &
import asyncio, sys
async def pipe(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
async def passes(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(passes, sys.argv[1], 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
RELAY
relay=$!
for _ in $(seq 50); do
  [ -s "$work/relay" ] && break
  sleep 0.1
done
aws="http://host.docker.internal:$(cat "$work/relay")/dev/aws"

# The template with this machine's binaries, and with the address of the host in every function's environment.
python3 - "$binaries" "$work/build" "$aws" <<'PACKAGE'
import pathlib, re, shutil, sys
binaries, build, aws = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
def function(crate):
    (build / crate[1]).mkdir(parents=True)
    shutil.copy2(binaries / crate[1], build / crate[1] / "bootstrap")
    return f"CodeUri: {build / crate[1]}"
text = re.sub(r"CodeUri: functions/([a-z-]+)", function, pathlib.Path("template.yaml").read_text())
stage = "        HUITOU_STAGE: !Ref Stage\n"
assert stage in text
(build / "template.yaml").write_text(text.replace(stage, f"{stage}        AWS_ENDPOINT_URL: {aws}\n", 1))
PACKAGE

common=(--template "$work/build/template.yaml" --skip-pull-image --add-host "host.docker.internal:$gateway"
  --parameter-overrides "Architecture=$architecture" "SecretsArn=local" "Alarms=false")
if [ -n "$serve" ]; then
  "$sam" local start-api "${common[@]}" --warm-containers LAZY --host 127.0.0.1 --port 3999
  exit
fi

invoke() { # FUNCTION EVENT WANTED
  local said
  said=$("$sam" local invoke "$1" "${common[@]}" --event "tests/events/$2.json" 2>"$work/invoked") ||
    { cat "$work/invoked" >&2; exit 1; }
  case "${said//\": /\":}" in # it writes JSON with spaces
    *"$3"*) echo "$1 $2: $said" ;;
    *) echo "$1 $2: $said, without $3" >&2; exit 1 ;;
  esac
}
invoke SignUp health '"statusCode":200'
invoke SegmentRecompute recompute-batch '"itemIdentifier":"poison"'
invoke SegmentRecompute nightly null

"$sam" local start-api "${common[@]}" --warm-containers LAZY --host 127.0.0.1 --port 3999 >"$work/api" 2>&1 &
api=$!
answered=
for _ in $(seq 60); do
  # By the host's own token, from the host's own table.
  if curl --silent --fail --max-time 30 --header "authorization: Bearer $token" http://127.0.0.1:3999/v1/program >"$work/program"; then
    answered=1
    break
  fi
  kill -0 "$api" 2>/dev/null || break
  sleep 1
done
kill "$api" 2>/dev/null || true
wait "$api" 2>/dev/null || true
[ -n "$answered" ] || { cat "$work/api" >&2; exit 1; }
echo "GET /v1/program: $(head -c 100 "$work/program")"
