#!/usr/bin/env bash
# Builds cnnc, compiles the shipped EfficientNet-Lite0, classifies the shipped photograph. Arguments: cargo flags.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p cnnc "$@"
cnnc=${CARGO_TARGET_DIR:-target}/release/cnnc
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
set -x
$cnnc compile models/efficientnet_lite0.onnx --target native -o "$out/efficientnet_lite0.cnna"
$cnnc run "$out/efficientnet_lite0.cnna" --input models/cat.png \
    --preprocess "crop=0.875,size=224,filter=bicubic,mean=127,std=128" --top 5 --labels models/imagenet_labels.txt
$cnnc bench "$out/efficientnet_lite0.cnna" --threads 1
$cnnc profile "$out/efficientnet_lite0.cnna" --threads 1 --by-class
