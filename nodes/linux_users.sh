#!/usr/bin/env bash
# Bootstrap action: every node has a Linux user for everybody in a list in S3, for YARN runs containers as the person.
#
#   linux_users.sh URI REGION            on a new node: now, and again every ten minutes
#   linux_users.sh --apply URI REGION    once
#
# The list has a line a person: NAME UID. Who is added to it has a user everywhere ten minutes later, on nodes that
# scaling brings and on the next cluster too. Who is taken off keeps the user, which opens nothing: a person comes in by
# the principal.
#
# ROOT is put before the paths that are written, for tests.
set -euo pipefail

readonly SCRIPT=${ROOT:-}/usr/local/sbin/emr-linux-users
readonly UNITS=${ROOT:-}/etc/systemd/system

say() {
  echo "linux_users: $*" >&2
}

apply() {
  local uri=$1 region=$2 list name uid rest failed=0
  # Told the region, for without one the CLI asks S3's global endpoint, which a subnet without NAT cannot reach.
  list=$(aws s3 cp --only-show-errors --region "$region" "$uri" -)
  while read -r name uid rest; do
    [[ -n $name ]] || continue
    if [[ ! $name =~ ^[a-z][a-z0-9_-]{0,31}$ || ! $uid =~ ^[0-9]{5}$ || -n $rest ]]; then
      say "'$name $uid $rest' is no line of a name and a number of five digits"
      failed=1
    elif ! getent passwd "$name" >/dev/null; then
      # One that cannot be made must not keep the others out.
      useradd --create-home --uid "$uid" "$name" || failed=1
    fi
  done <<<"$list"
  return "$failed"
}

install_timer() {
  local uri=$1 region=$2
  sudo install -D -m 0755 "$0" "$SCRIPT"
  sudo mkdir -p "$UNITS"
  sudo tee "$UNITS/emr-linux-users.service" >/dev/null <<UNIT
[Unit]
Description=Linux users of the people in $uri
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/emr-linux-users --apply $uri $region
UNIT
  sudo tee "$UNITS/emr-linux-users.timer" >/dev/null <<UNIT
[Unit]
Description=Every ten minutes
[Timer]
OnActiveSec=10min
OnUnitActiveSec=10min
[Install]
WantedBy=timers.target
UNIT
  sudo systemctl daemon-reload
  sudo systemctl enable --now emr-linux-users.timer
}

mode=install
if [[ ${1:-} == --apply ]]; then
  mode=apply
  shift
fi
if [[ $# -ne 2 || $1 != s3://* ]]; then
  say 'call it as: linux_users.sh [--apply] s3://BUCKET/KEY REGION'
  exit 64
fi
if [[ $mode == apply ]]; then
  apply "$1" "$2"
  exit
fi
install_timer "$1" "$2"
# A node starts without a user rather than not at all: EMR ends a cluster whose bootstrap action fails.
sudo "$SCRIPT" --apply "$1" "$2" || say 'not every user was made; the next try is in ten minutes'
