# An environment of Python's with what a list of requirements names; read by whoever needs one, not run.

install() { # REQUIREMENTS ENVIRONMENT: again only when the list has changed
  if cmp -s "$1" "$2/installed.txt"; then
    echo "$1: already there" >&2
    return
  fi
  echo "$1: installing" >&2
  rm -rf "$2"
  python3 -m venv "$2"
  "$2/bin/pip" install --quiet --disable-pip-version-check --requirement "$1"
  cp "$1" "$2/installed.txt" # last, so that a broken install starts over
}
