#!/usr/bin/env bash
# A ladder of 64 RC nodes with trnoise in ngspice beside the same netlist here: wall seconds for the same number of steps.
#   benches/compare/ngspice_rc.sh
set -euo pipefail
command -v ngspice >/dev/null || { echo "ngspice is not here"; exit 0; }
cd "$(dirname "$0")/../.."
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
n=64 steps=20000
{
  echo "ladder"
  for k in $(seq 1 $n); do
    echo "R$k n$k n$((k % n + 1)) 100k"
    echo "G$k n$k 0 n$k 0 10u"
    echo "C$k n$k 0 10f"
  done
  echo ".tran 50p $((steps * 50))p"
  echo ".end"
} > "$work/ladder.cir"
# Every node's noise as ngspice wants it: current of NA = sqrt(2kT/(R NT)).
sed '/^\.tran/d; /^\.end/d' "$work/ladder.cir" > "$work/spice.cir"
for k in $(seq 1 $n); do echo "I$k 0 n$k dc 0 trnoise(4.07e-7 50p 0 0)"; done >> "$work/spice.cir"
printf '.tran 50p %sp 0 50p\n.end\n' $((steps * 50)) >> "$work/spice.cir"
ngspice --version | sed -n 's/.*\(ngspice-[0-9]*\).*/\1/p' | head -n 1
time_of() { local t0 t1; t0=$(date +%s.%N); "$@" >/dev/null 2>&1; t1=$(date +%s.%N); awk -v a="$t0" -v b="$t1" 'BEGIN { printf "%.3f", b - a }'; }
spice=$(time_of ngspice -b -r "$work/spice.raw" "$work/spice.cir")
awk -v s="$spice" -v n=$n -v k=$steps 'BEGIN { printf "ngspice      %.3e node-steps/s (%s s)\n", n * k / s, s }'
printf '*@ chains 32\n*@ scheme euler-maruyama\n*@ step 50p\n' | cat <(head -n 1 "$work/ladder.cir") - <(tail -n +2 "$work/ladder.cir") > "$work/ours.cir"
cargo build --release --quiet
ours=$(time_of target/release/thermochip run "$work/ours.cir" --out "$work/out" --quiet --threads 1)
awk -v s="$ours" -v n=$n -v k=$steps 'BEGIN { printf "thermochip   %.3e node-steps/s (%s s, 32 chains, files and report included)\n", 32 * n * k / s, s }'
