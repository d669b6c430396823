"""Count a run on a Dask cluster: the shards on the workers, the merge here.

    python examples/cluster/dask_shards.py RUN --shards 64 --output run.json \\
        --scheduler tcp://scheduler:8786

RUN must be readable on every worker under the same path, and neurotop installed there. Without
--scheduler or --scheduler-file, the script starts workers on this machine (dask.distributed's
LocalCluster). Options after `--` go to neurotop summary, such as `-- --cost RLeaky:subtract=5`.

Each worker runs the command and returns its part, a small JSON text, so the machines need to share
only RUN. The script exits with neurotop merge's exit code. If a shard cannot be counted, it names
the shard and the reason, and exits with 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from dask.distributed import Client, LocalCluster, as_completed

SET_ASIDE = 3  # counted, but a batch was set aside: the part records it, and merge reports it


def count_shard(shard: int, shards: int, command: str, run: str, options: list[str]) -> str:
    """Count one shard, on a worker; return its part as JSON."""
    words = [command, "summary", run, "--shard", f"{shard}/{shards}", "--format", "json", *options]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in (0, SET_ASIDE):
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    own, options = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, options = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="the run's directory")
    parser.add_argument("--shards", type=int, required=True, help="number of shards")
    parser.add_argument(
        "--output", required=True, help="where to write the figures: .json, .csv, .md or .txt"
    )
    parser.add_argument("--scheduler", help="the address of a Dask scheduler")
    parser.add_argument("--scheduler-file", help="the file that a Dask scheduler wrote")
    parser.add_argument(
        "--workers", type=int, help="number of workers on this machine, if there is no scheduler"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads that count a shard [default: 1]"
    )
    parser.add_argument(
        "--retries", type=int, default=1, help="how often to retry a failed shard [default: 1]"
    )
    parser.add_argument("--command", default="neurotop", help="the neurotop command on the workers")
    arguments = parser.parse_args(own)
    if arguments.shards < 1:
        parser.error("--shards: give at least 1")
    arguments.options = ["--threads", str(arguments.threads), *options]
    return arguments


def connect(arguments: argparse.Namespace) -> Client:
    """Connect to the cluster that the user named, or start one on this machine."""
    if arguments.scheduler or arguments.scheduler_file:
        return Client(arguments.scheduler, scheduler_file=arguments.scheduler_file)
    cluster = LocalCluster(
        n_workers=arguments.workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    return Client(cluster)


def count_all(client: Client, arguments: argparse.Namespace, parts: Path) -> int:
    """Write the part of every shard into a directory; return how many failed."""
    futures = client.map(
        count_shard,
        range(1, arguments.shards + 1),
        shards=arguments.shards,
        command=arguments.command,
        run=str(Path(arguments.run).resolve()),
        options=arguments.options,
        retries=arguments.retries,
        pure=False,  # the run may have grown since it was last counted
    )
    shard_of = {future.key: shard for shard, future in enumerate(futures, start=1)}
    failed = 0
    for future in as_completed(futures):
        shard = shard_of[future.key]
        error = future.exception()
        if error is None:
            (parts / f"part-{shard}.json").write_text(future.result(), encoding="utf-8")
        else:
            failed += 1
            print(f"shard {shard}/{arguments.shards} failed: {error}", file=sys.stderr)
        future.release()
    return failed


def main() -> int:
    """Count, merge, and report what failed."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="neurotop-parts-") as directory:
        parts = Path(directory)
        with connect(arguments) as client:
            failed = count_all(client, arguments, parts)
            if client.cluster is not None:
                client.cluster.close()
        if failed:
            print(
                f"{failed} of {arguments.shards} shards failed; nothing was merged", file=sys.stderr
            )
            return 1
        files = sorted(str(part) for part in parts.iterdir())
        return subprocess.run(
            [arguments.command, "merge", *files, "--export", arguments.output]
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
