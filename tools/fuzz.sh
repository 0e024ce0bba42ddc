#!/usr/bin/env bash
# Every property test, again and again with fresh random examples, for so many minutes. Stops at the first failure,
# whose example hypothesis keeps and tries first from then on. Where atheris is installed, a quarter of the time goes to
# the decoders guided by coverage, first. Usage: tools/fuzz.sh [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/.."
end=$((SECONDS + 60 * ${1:-10}))
mapfile -t files < <(grep -rlE '^(from|import) hypothesis' tests --include='test_*.py')
if .venv/bin/python -c 'import atheris' 2>/dev/null; then
    echo "fuzz: decoders guided by coverage, $((15 * ${1:-10})) s" >&2
    mkdir -p build/fuzz
    (cd build/fuzz && ../../.venv/bin/python ../../tools/fuzz_decoders.py $((15 * ${1:-10})) corpus)
else
    echo "fuzz: atheris is not installed: the decoders are fuzzed without coverage; .venv/bin/pip install atheris" >&2
fi
round=0
while [ $SECONDS -lt $end ]; do
    round=$((round + 1)) seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    echo "fuzz: round $round, --hypothesis-seed=$seed, $(((end - SECONDS) / 60 + 1)) min left" >&2
    env -u CI ILOT_EXAMPLES=2000 .venv/bin/python -m pytest -q -x -n 2 --dist loadfile --hypothesis-seed="$seed" "${files[@]}"
done
