# The six things one does with Linli. Each works on a fresh clone with a Rust toolchain and nothing else.

CARGO ?= cargo
S ?=
T ?= messages profile case replies frames
FUZZ_SECONDS ?= 60

.PHONY: demo test lint bench fuzz dist peers firmware firmware-test

## A simulated estate, the gateway and its status page; opens loopback ports only.
demo:
	$(CARGO) run --locked -p linli -- demo

## Installs the peers that are missing, then runs every test. The feature adds the program `linli-test-clock` beside
## `linli`, whose time the stories move; `linli` is the same with it and without.
test: peers firmware
	$(CARGO) build --locked -p linli-node-sim -p loadgen
	$(CARGO) test --locked --workspace --features linli/test-clock
	cd dashboards/prometheus && promtool check rules rules.yml && promtool test rules rules_test.yml

## The images of the emulated sensor node, without a panic path and within their budget of flash and RAM.
firmware:
	sh firmware/boards/build.sh

## The node's real firmware on an emulated microcontroller, polled by the gateway.
firmware-test: peers firmware
	$(CARGO) build --locked -p linli -p linli-node-sim
	$(CARGO) test --locked -p e2e --test stories firmware

## Real programs the tests talk to: mosquitto and its clients, openssl, promtool, socat, faketime, pymodbus, QEMU.
peers:
	sh tests/peers.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --workspace --features linli/test-clock --bin linli-test-clock -- -D warnings
	$(CARGO) clippy --locked --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz -- -D warnings
	$(CARGO) fmt --manifest-path firmware/boards/Cargo.toml --all --check
	cd firmware/boards && host=$$(rustc -vV | sed -n 's/^host: //p') && \
		$(CARGO) clippy --locked --target $$host --target-dir ../../target/boards -p qemu-lm3s -p nucleo-l432kc --lib -- -D warnings && \
		$(CARGO) clippy --locked --target $$host --target-dir ../../target/boards -p nucleo-l432kc-boot -- -D warnings

## Ratios against a limit measured in the same run; S=name runs one scenario. The feature is for `alarm_kill` alone.
bench: peers
	$(CARGO) build --locked --release -p linli -p loadgen --features linli/test-clock
	$(CARGO) run --locked --release -p e2e --bin bench -- $(S)

## Fuzzes the decoder, from the fixtures on, and the sensor node: FUZZ_SECONDS for each target of T. Stops at the first finding.
fuzz:
	$(CARGO) install cargo-fuzz --locked --quiet --root target/tools
	$(CARGO) test --locked -p linli-decode --test decode -- --ignored seeds
	for target in $(T); do \
		PATH="$$PWD/target/tools/bin:$$PATH" $(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none $$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 || exit 1; \
	done

## A stripped release binary and its checksum in target/dist-out.
dist:
	$(CARGO) build --locked --profile dist -p linli
	@if grep -qa LINLI_TEST_CLOCK "$${CARGO_TARGET_DIR:-target}/dist/linli"; then \
		echo "dist: linli listens to LINLI_TEST_CLOCK, the clock of the stories; users must not get that" >&2; exit 1; fi
	mkdir -p target/dist-out
	cp "$${CARGO_TARGET_DIR:-target}/dist/linli" target/dist-out/linli
	cp -r config dashboards README.md README.zh-CN.md LICENSE target/dist-out/
	cd target/dist-out && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS
	ls -l target/dist-out/linli
