#!/usr/bin/env bash
# Deploys the template to MiniStack, an emulator of AWS, and drives the deployed product: sign-up, order, points,
# ticket, campaign with its queues and dead letters, recompute and schedules.
#
#   tests/judges/ministack.sh [BINARIES]
#
# BINARIES is where the functions' binaries lie; without it they are built, as they are deployed. Needs Python 3.11 and
# what .ci/run needs; the emulator is installed into an environment of its own, .tools/ministack. Everything listens on
# 127.0.0.1 only and ends with the script.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools="$PWD/.tools"
binaries="${1:-}"

if [ -z "$binaries" ]; then
  binaries=$(.ci/functions)
fi

source .ci/environment.sh
install tests/judges/ministack-requirements.txt "$tools/ministack"
install .ci/requirements.txt "$tools/python"

work=$(mktemp -d)
emulator=
stop() {
  if [ -n "$emulator" ]; then
    kill -- "-$emulator" 2>/dev/null || true
    wait "$emulator" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

port=$((20000 + RANDOM % 10000))
export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
export SAM="$tools/python/bin/sam" SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$tools/sam"
mkdir -p "$work/tmp" "$work/state" "$work/s3"

# A group of its own, so that the functions' processes end with it.
set -m
env BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 GATEWAY_PORT="$port" EDGE_PORT="$port" LAMBDA_EXECUTOR=local \
  MINISTACK_REGION=us-east-1 TMPDIR="$work/tmp" STATE_DIR="$work/state" S3_DATA_DIR="$work/s3" \
  "$tools/ministack/bin/ministack" >"$work/log" 2>&1 </dev/null &
emulator=$!
set +m

for _ in $(seq 120); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  kill -0 "$emulator" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.5
done

status=0
timeout 1500 "$tools/ministack/bin/python" tests/judges/ministack.py "$binaries" "$work/build" || status=$?
if [ "$status" -ne 0 ]; then
  echo "--- the emulator's log, its end:" >&2
  tail -n "${HUITOU_LOG_LINES:-60}" "$work/log" >&2
fi
exit "$status"
