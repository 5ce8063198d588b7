# For judges that run a command beside a server of their own; read by them, not run.
#
# Whoever reads it has set `name`, and defines two functions: `serve PORT` becomes the server (it ends with exec), and
# `answers PORT` tells whether the server speaks on this port. `start_server` then leaves a free port in `port`; a server
# that chooses its own is started by `start_on 0`. The server ends with the script.

say() { echo "$name: $*" >&2; }
give_up() { say "$*"; exit 1; }

log=$(mktemp)
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
}
trap 'stop; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_on() { # PORT: false when it was taken in the meantime
  serve "$1" >"$log" 2>&1 </dev/null &
  server=$!
  local deadline=$((SECONDS + 60))
  while kill -0 "$server" 2>/dev/null; do
    answers "$1" && return 0
    [ $SECONDS -lt $deadline ] || break
    sleep 0.2
  done
  stop
  return 1
}

start_server() {
  for _ in 1 2 3; do
    port=$((20000 + RANDOM % 10000))
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue; fi
    if start_on "$port"; then break; fi
  done
  [ -n "$server" ] || { cat "$log" >&2; give_up "did not start"; }
  say "answers on port $port after ${SECONDS} s"
}
