# Two commands are all a newcomer needs: `make demo` and `make test`.
FEATURES = $(shell scripts/llvm-features.sh)

.PHONY: demo test soak lint build setup

setup:
	@scripts/setup.sh

build: setup
	cargo build --release -p cnnc $(FEATURES)

# Compiles the shipped network, classifies the shipped photograph, shows where the time goes.
demo: setup
	scripts/demo.sh $(FEATURES)

# Every check and test.
test: setup
	scripts/test.sh $(FEATURES)

# Long fuzzing and soak runs; results belong in bench-results/.
soak: setup
	scripts/soak.sh $(FEATURES)
