#!/usr/bin/env bash
# The numerical tests under kernels of other machines: sums are added up in another order there.
# Run:  tools/kernels.sh [python]        Cost: about five minutes on two cores.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${1:-python}
logs=$(mktemp -d "${TMPDIR:-/tmp}/adapt-kernels.XXXXXX")
trap 'rm -rf "$logs"' EXIT

# ATEN and ONEDNN are PyTorch's own kernels, MKL its BLAS, OPENBLAS that of NumPy and SciPy. What a
# processor lacks is not tried on it: MKL and oneDNN then stay below what they are allowed.
settings=(
    "oldest ADAPT_TEST_THREADS=1 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
        MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem"
    "haswell ADAPT_TEST_THREADS=1 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 \
        MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell"
    "zen-two-threads ADAPT_TEST_THREADS=2 ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Zen"
    "compatible-two-threads ADAPT_TEST_THREADS=2 ATEN_CPU_CAPABILITY=default \
        MKL_CBWR=COMPATIBILITY OPENBLAS_CORETYPE=Sandybridge"
)

numerical() {
    local name=$1
    shift
    # One process each, as two run side by side, so a thread that waits must not hold a core.
    env OMP_WAIT_POLICY=PASSIVE "$@" "$python" -m pytest -q --numprocesses 0 -m 'numerical and not slow and not gpu' \
        -p no:cacheprovider tests >"$logs/$name" 2>&1
}

failed=0
for ((first = 0; first < ${#settings[@]}; first += 2)); do
    names=() jobs=()
    for setting in "${settings[@]:first:2}"; do
        read -r -a words <<<"$setting"
        names+=("${words[0]}")
        numerical "${words[@]}" &
        jobs+=($!)
    done
    for index in "${!jobs[@]}"; do
        if wait "${jobs[$index]}"; then
            printf '%s: %s\n' "${names[$index]}" "$(tail -n 1 "$logs/${names[$index]}")"
        else
            failed=1
            printf '%s failed\n' "${names[$index]}"
            cat "$logs/${names[$index]}"
        fi
    done
done
exit "$failed"
