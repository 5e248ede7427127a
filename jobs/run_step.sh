#!/usr/bin/env bash
# Runs one Spark application as an EMR step: takes a Kerberos ticket, keeps it fresh, and leaves nothing behind.
#
#   run_step.sh REALM TAG ARGUMENT…    spark-submit ARGUMENT…, its YARN application tagged with TAG
#   run_step.sh --stop REALM TAG       kill the YARN applications that carry TAG
#
# REALM  Kerberos realm of the cluster.
# TAG    name of the execution, which holds the manifest and the attempt: lower-case letters, digits, ".", "_", "-".
#
# The exit status is spark-submit's own; before it: 64 wrong call, 77 no ticket; 128 + number of the signal that ended
# the step. In cluster mode a spark-submit that ends takes no application with it, hence the tag: YARN finds by it what
# the step began.
#
# The ticket lies in a cache of the step's own, so that steps at the same time do not write each other's. A path without
# "FILE:" before it is read alike by MIT Kerberos and by Java.
#
# KRB5_KTNAME names the keytab (default /etc/hadoop.keytab, the node's), TICKET_SECONDS the time between two tickets.
set -euo pipefail

readonly KEYTAB=${KRB5_KTNAME:-/etc/hadoop.keytab}
# Half of the shortest life that a ticket can be given (cluster.kerberos.ticketLifetimeHours is 1 or more).
readonly TICKET_SECONDS=${TICKET_SECONDS:-1800}
readonly ALIVE=NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING

say() {
  echo "run_step: $*" >&2
}

usage() {
  say "$1"
  say 'call it as: run_step.sh REALM TAG SPARK-SUBMIT-ARGUMENT…, or run_step.sh --stop REALM TAG'
  exit 64
}

get_ticket() {
  kinit -k -t "$KEYTAB" "$principal"
}

# Kerberos says what it looked for, not what there would have been.
explain_no_ticket() {
  say "no Kerberos ticket for $principal from $KEYTAB"
  local held
  if held=$(klist -k "$KEYTAB" 2>&1 | awk '/@/ { print $NF }' | sort -u | paste -sd ' ') && [[ -n $held ]]; then
    say "the keytab holds: $held"
    if [[ $held != *"@$realm"* ]]; then
      say "realm $realm is not this cluster's: the step was made for another cluster"
    fi
  else
    say "the keytab cannot be read: $(klist -k "$KEYTAB" 2>&1 | tail -n 1)"
  fi
}

# A renewal that fails is told and tried again: the ticket at hand is good for as long again.
keep_ticket() {
  local never
  # Waiting for what never comes: a `sleep` would be a process more to end.
  exec {never}<> <(:)
  while true; do
    read -r -t "$TICKET_SECONDS" -u "$never" || true
    get_ticket || say "the ticket could not be renewed; next try in $TICKET_SECONDS s"
  done
}

kill_applications() {
  local listed application rest
  if ! listed=$(yarn application -list -appTags "$tag" -appStates "$ALIVE"); then
    say "YARN did not list the applications with tag $tag: they may still run"
    return 1
  fi
  # YARN prints a heading and one application a line.
  while read -r application rest; do
    [[ $application == application_* ]] || continue
    say "killing $application (${rest%%[[:space:]]*})"
    yarn application -kill "$application" </dev/null || say "$application was not killed: it may have ended by itself"
  done <<<"$listed"
}

# shellcheck disable=SC2329  # the trap of EXIT calls it
clean_up() {
  [[ -z ${keeper:-} ]] || kill -KILL "$keeper" 2>/dev/null || true
  rm -rf "$directory"
}

# The client first, so that it submits nothing after the list was read.
# shellcheck disable=SC2329  # the traps of signals call it
interrupted() {
  local name=$1 number=$2
  trap '' INT TERM HUP
  say "SIG$name: ending spark-submit and the applications with tag $tag"
  # What was begun last: the client, or nothing yet but the keeper. A variable is set too late for a signal that comes
  # between the beginning and the assignment.
  local begun=${!:-}
  if [[ -n $begun ]]; then
    # More than once: a client that has only just begun may lose a signal.
    local try
    for try in {1..150}; do
      kill -TERM "$begun" 2>/dev/null || break
      [[ $try -lt 150 ]] || kill -KILL "$begun"
      sleep 0.2
    done
  fi
  kill_applications || true
  exit $((128 + number))
}

stop=false
if [[ ${1:-} == --stop ]]; then
  stop=true
  shift
fi
[[ $# -ge 2 ]] || usage 'the realm and the tag are missing'
realm=$1
tag=$2
shift 2
[[ $realm =~ ^[A-Z0-9][A-Z0-9.-]*$ ]] || usage "realm '$realm': upper-case letters, digits, '.' and '-' only"
# YARN keeps tags in lower case and up to 100 characters (YarnConfiguration.APPLICATION_MAX_TAG_LENGTH).
[[ $tag =~ ^[a-z0-9][a-z0-9._-]{0,99}$ ]] || usage "tag '$tag': 1 to 100 of lower-case letters, digits, '.', '_', '-'"
if [[ $stop == false ]]; then
  [[ $# -ge 1 ]] || usage 'there is nothing to submit'
  for argument in "$@"; do
    [[ $argument != spark.yarn.tags=* ]] || usage "$argument: the tag is given once, as the second argument"
  done
fi

principal="hadoop/$(hostname -f)@$realm"
directory=$(mktemp -d)
export KRB5CCNAME=$directory/ticket
trap clean_up EXIT
trap 'interrupted INT 2' INT
trap 'interrupted TERM 15' TERM
trap 'interrupted HUP 1' HUP

if ! get_ticket; then
  explain_no_ticket
  exit 77
fi
if [[ $stop == true ]]; then
  kill_applications
  exit
fi
keep_ticket &
keeper=$!
spark-submit --conf "spark.yarn.tags=$tag" "$@" &
client=$!
# A signal ends `wait` and runs its trap, which does not return here.
status=0
wait "$client" || status=$?
exit "$status"
