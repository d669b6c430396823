#!/usr/bin/env bash
# Test the recorder with BindsNET and Rockpool, whose packages take too long to install for each change.
#
#     PYTHON=a-python-with-the-test-extra NEUROTOP_BIN=target/release/neurotop tests/python/frameworks.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv --system-site-packages "$work/venv"
# What the test extra installed is seen, and is not replaced.
"$python" -c "import numpy, sysconfig, torch; print(sysconfig.get_path('purelib'))
open('$work/constraints', 'w').write(f'numpy=={numpy.__version__}\ntorch=={torch.__version__.split(\"+\")[0]}\n')" \
    >"$work/path"
for site in "$work"/venv/lib/python3*/site-packages; do
    cp "$work/path" "$site/test-extra.pth"
done
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir -c "$work/constraints" bindsnet==0.3.4
# Rockpool's own requirements would replace NumPy.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps rockpool==3.1.0
NEUROTOP_FRAMEWORKS="bindsnet rockpool" "$work/venv/bin/python" -m pytest -q -p no:cacheprovider \
    tests/python/test_adapters.py -k "bindsnet or rockpool"
