#!/usr/bin/env bash
# Counts a run on a Slurm cluster: an array job with one task per shard, and a job that merges their parts
# once all tasks have succeeded. Waits for both, prints the figures, and exits with neurotop merge's exit code.
#
#   examples/cluster/slurm.sh RUN SHARDS OUTPUT.json [OPTION…]
#
# RUN and OUTPUT.json must be on a file system that the nodes share. The options are those of neurotop summary,
# such as --cost. Set NEUROTOP to the command if it is not on the nodes' PATH. Pass requests to sbatch in the usual
# way: SBATCH_PARTITION=short SBATCH_TIMELIMIT=10 examples/cluster/slurm.sh …. NEUROTOP_THREADS is the number of
# cores that each task gets and counts with [1]. If you interrupt the script, the jobs stay in the queue.
set -euo pipefail

neurotop=${NEUROTOP:-neurotop}
threads=${NEUROTOP_THREADS:-1}

# One task of the array: counts its shard. The part records batches that are set aside (exit code 3); merge reports them.
count_shard() {
    local run=$1 shards=$2 parts=$3 code=0
    shift 3
    local shard=$SLURM_ARRAY_TASK_ID
    "$neurotop" summary "$run" --shard "$shard/$shards" --threads "$threads" \
        -o "$parts/part-$shard.json" "$@" || code=$?
    [ "$code" -eq 3 ] && code=0
    return "$code"
}

# The job after the array.
merge_parts() {
    "$neurotop" merge "$1"/part-*.json -o "$2"
}

# Names the shards without a part, with the last lines of their logs.
report_failures() {
    local shards=$1 parts=$2 shard
    for ((shard = 1; shard <= shards; shard++)); do
        [ -e "$parts/part-$shard.json" ] && continue
        echo "shard $shard/$shards failed; $parts/shard-$shard.log ends with:"
        tail -n 3 "$parts/shard-$shard.log" 2>/dev/null | sed 's/^/    /' || echo "    (it never ran)"
    done
}

submit() {
    if [ $# -lt 3 ] || ! [[ $2 =~ ^[1-9][0-9]*$ ]]; then
        echo "usage: $0 RUN SHARDS OUTPUT.json [OPTION of neurotop summary…]" >&2
        exit 2
    fi
    local run shards=$2 output parts array code=0
    run=$(realpath -- "$1") output=$(realpath -- "$3")
    shift 3
    parts=$(mktemp -d "$output.parts-XXXXXX")
    array=$(NEUROTOP_STEP=count sbatch --parsable --export=ALL --job-name=neurotop --array="1-$shards" \
        --cpus-per-task="$threads" --output="$parts/shard-%a.log" "$0" "$run" "$shards" "$parts" "$@")
    array=${array%%;*}
    echo "job $array counts $shards shards of $run" >&2
    NEUROTOP_STEP=merge sbatch --wait --export=ALL --job-name=neurotop-merge --dependency="afterok:$array" \
        --kill-on-invalid-dep=yes --output="$parts/merge.log" "$0" "$parts" "$output" >&2 || code=$?
    if [ ! -e "$parts/merge.log" ]; then
        report_failures "$shards" "$parts" >&2
        exit 1
    fi
    cat "$parts/merge.log"
    # The parts are no longer needed, unless merging them failed.
    if [ "$code" -ne 1 ]; then rm -r "$parts"; fi
    exit "$code"
}

case ${NEUROTOP_STEP:-} in
    count) count_shard "$@" ;;
    merge) merge_parts "$@" ;;
    *) submit "$@" ;;
esac
