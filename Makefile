# The five things one does with Linli. Each works on a fresh clone with a Rust toolchain and nothing else.

CARGO ?= cargo
S ?=

.PHONY: demo test lint bench dist peers

## A simulated estate, the gateway and its status page; opens loopback ports only.
demo:
	$(CARGO) run --locked -p linli -- demo

## Installs the peers that are missing, then runs every test.
test: peers
	$(CARGO) build --locked -p linli -p linli-node-sim -p loadgen
	$(CARGO) test --locked --workspace
	cd dashboards/prometheus && promtool check rules rules.yml && promtool test rules rules_test.yml

## Real programs the tests talk to: mosquitto and its clients, openssl, promtool, socat, pymodbus.
peers:
	sh tests/peers.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

## Ratios against a limit measured in the same run; S=name runs one scenario.
bench: peers
	$(CARGO) build --locked --release -p linli -p loadgen
	$(CARGO) run --locked --release -p e2e --bin bench -- $(S)

## A stripped release binary and its checksum in target/dist-out.
dist:
	$(CARGO) build --locked --profile dist -p linli
	mkdir -p target/dist-out
	cp "$${CARGO_TARGET_DIR:-target}/dist/linli" target/dist-out/linli
	cp -r config dashboards README.md README.zh-CN.md LICENSE target/dist-out/
	cd target/dist-out && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS
	ls -l target/dist-out/linli
