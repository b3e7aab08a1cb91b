#!/bin/sh
# Makes tests/shapes/*.txt anew: the layers of the networks in a folder of models. Usage: scripts/shapes.sh MODELS_FOLDER
set -eu
cd "$(dirname "$0")/.."
for list in tests/shapes/*.txt; do
    model=$(sed -n '1s/^# cnnc shapes //p' "$list")
    target/release/cnnc shapes "$1/$model" -o "$list"
done
