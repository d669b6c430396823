#!/usr/bin/env bash
# Runs examples/cluster/slurm.sh on a real Slurm of one node, started here on loopback and ended again, and compares
# its result with one pass. Needs root and Debian's slurmctld, slurmd, slurm-client and munge.
#
#   NEUROTOP=target/release/neurotop tests/cluster/slurm.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

NEUROTOP=$(realpath "${NEUROTOP:-target/release/neurotop}")
export NEUROTOP
work=$(mktemp -d)
daemons=()

stop() {
    # In the order in which they were started, the controller first.
    for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
    for daemon in "${daemons[@]}"; do wait "$daemon" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

fail() {
    echo "slurm.sh: $*" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

# Waits until a command succeeds.
await() {
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    fail "in vain: $*"
}

start_slurm() {
    local node cores
    node=$(hostname -s) cores=$(nproc)
    mkdir -p "$work/state" "$work/spool" "$work/munge"
    chmod 755 "$work"
    head -c 1024 /dev/urandom >"$work/munge/key"
    chmod 700 "$work/munge"
    chmod 400 "$work/munge/key"
    # Munge's own socket is in a directory that others can enter.
    mkdir -m 755 "$work/socket"
    munged --foreground --force --key-file="$work/munge/key" --socket="$work/socket/munge" \
        --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" --log-file="$work/munged.log" 2>/dev/null &
    daemons+=($!)
    await munge --socket="$work/socket/munge" --no-input
    cat >"$work/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/socket/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$work/slurm.conf
    slurmctld -D >"$work/slurmctld.log" 2>&1 &
    daemons=($! "${daemons[@]}")
    slurmd -D >"$work/slurmd.log" 2>&1 &
    daemons=("${daemons[0]}" $! "${daemons[@]:1}")
    await sh -c "sinfo --noheader --format=%T | grep -qx idle"
}

# The script gives the figures of one pass, whatever the number of shards, and leaves nothing else.
same_as_one_pass() {
    mkdir "$work/out"
    examples/cluster/slurm.sh assets/demo-run 5 "$work/out/merged.json" >"$work/stdout" || fail "it failed"
    "$NEUROTOP" summary "$PWD/assets/demo-run" --format json >"$work/whole.json"
    # A file says besides how it came about.
    python3 - "$work/out/merged.json" "$work/whole.json" <<'PYTHON' || fail "it is not the run in one pass"
import json, sys
merged, whole = (json.load(open(path)) for path in sys.argv[1:])
merged.pop("export")
different = [name for name in {*merged, *whole} if merged.get(name) != whole.get(name)]
sys.exit(f"different: {different}" if different else 0)
PYTHON
    grep -q digits-snn "$work/stdout" || fail "the figures are not printed"
    [ "$(ls -A "$work/out")" = merged.json ] || fail "something is left: $(ls -A "$work/out")"
}

# A batch that is set aside keeps no shard from being merged, and the exit code says so in the end.
set_aside() {
    local code=0
    cp -r assets/demo-run "$work/run"
    head -c 100 assets/demo-run/batch-000003.npz >"$work/run/batch-000003.npz"
    examples/cluster/slurm.sh "$work/run" 3 "$work/out/merged.json" >"$work/stdout" || code=$?
    [ "$code" -eq 3 ] || fail "exit code $code where a batch is set aside"
    grep -q 'batch-000003.npz' "$work/stdout" || fail "the batch that is set aside is not named"
}

# A shard that fails is named with what it said, and nothing is merged.
failing_shard() {
    local code=0
    cat >"$work/flaky" <<FLAKY
#!/bin/sh
case "\$*" in *--shard\ 2/3*) echo "the disk is gone" >&2; exit 1;; esac
exec "$NEUROTOP" "\$@"
FLAKY
    chmod +x "$work/flaky"
    NEUROTOP=$work/flaky examples/cluster/slurm.sh assets/demo-run 3 "$work/out/none.json" 2>"$work/stderr" || code=$?
    [ "$code" -eq 1 ] || fail "exit code $code where a shard failed"
    grep -q 'shard 2/3 failed' "$work/stderr" && grep -q 'the disk is gone' "$work/stderr" ||
        fail "the shard that failed is not named: $(cat "$work/stderr")"
    [ ! -e "$work/out/none.json" ] || fail "something was merged although a shard failed"
}

start_slurm
same_as_one_pass
set_aside
failing_shard
echo "3 passed, 0 failed"
