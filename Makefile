# `make demo` and `make test` are all a newcomer needs; both set up what is missing first.
PY := .venv/bin/python
DEMO_PACKAGES := mosquitto kamailio kamailio-tls-modules
# libatomic1: what the browser driver of the tests is linked against; fuse3: a file system whose power can be cut;
# openssh-server, cloud-init: what reads our files on a box; the last line: its touchscreen, on a screen in memory
TEST_PACKAGES := $(DEMO_PACKAGES) postgresql sip-tester chromium faketime libatomic1 fuse3 libfuse3-3 systemd nftables iproute2 \
    openssh-server openssh-client cloud-init \
    cage xwayland sway grim swayidle wtype udev fonts-dejavu-core
SOAK_PACKAGES := $(TEST_PACKAGES) rabbitmq-server
# A box of its own is booted with these, as root; without root the boot tests say so and are skipped.
BOOT_PACKAGES := systemd-container debootstrap dbus
ARM64_PACKAGES := qemu-user-static binfmt-support

# Compiling every source anew for each process that a test starts would take half of its time.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test coverage soak package boot-test boot-test-arm64 unit integration lint setup bench lock pictures words clean

demo:
	@.ci/setup $(DEMO_PACKAGES)
	@$(PY) -m zorgkiosk demo $(if $(KEEP),--keep)

test: setup lint
	.ci/tests unit
	.ci/tests integration

# The same tests at half the speed
coverage: setup
	rm -f .coverage .coverage.*
	.ci/tests unit --cov --cov-report=
	.ci/tests integration --cov --cov-report=
	$(PY) -m coverage combine -q
	$(PY) -m coverage report

unit:
	@.ci/tests unit

integration:
	@.ci/tests integration

# Many minutes: thousands of power cuts, a million rows, a whole cluster killed piece by piece and all at once
soak:
	@.ci/setup $(SOAK_PACKAGES)
	@$(PY) -m pytest -m soak

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

setup:
	@.ci/setup $(TEST_PACKAGES) $(BOOT_PACKAGES)

# One JSON line a figure on stdout, progress on stderr: make -s bench > figures.jsonl
bench: setup
	@$(PY) -m zorgkiosk.lab.bench

# dist/zorgkiosk_VERSION_{amd64,arm64}.deb; the same sources give the same bytes
package:
	@.ci/setup
	@ZORGKIOSK_PYTHON=$(PY) firmware_config/package/build

boot-test: setup
	@.ci/setup $(BOOT_PACKAGES)
	$(PY) -m pytest -m boot

# About ten minutes: the first time it makes an arm64 Debian under emulation
boot-test-arm64: setup
	@.ci/setup $(ARM64_PACKAGES)
	mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
	update-binfmts --enable qemu-aarch64
	ZORGKIOSK_BOOT_ARCH=arm64 $(PY) -m pytest -m boot

lock:
	$(PY) -m uv pip compile -q pyproject.toml --all-extras --no-strip-extras --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --universal -o requirements.lock

pictures: setup
	$(PY) -m zorgkiosk.lab.pictures .demo docs

# After a sentence changed: gather all, translate the empty ones in messages.po, and run it once more.
SPEAKING := src/zorgkiosk/site/panel src/zorgkiosk/hub/board
words: $(addprefix words-,$(notdir $(SPEAKING)))

words-%:
	mkdir -p build
	$(PY) -m babel.messages.frontend -q extract -F pyproject.toml -k say -k say_many:2,3 -k many:2,3 -k counted:2,3 \
	    -k phrase -k RefusedError -k PinNeededError --no-location --sort-output -o build/$*.pot $(filter %/$*,$(SPEAKING))
	$(PY) -m babel.messages.frontend -q update -i build/$*.pot -d $(filter %/$*,$(SPEAKING))/locale -l en \
	    --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	$(PY) -m babel.messages.frontend -q compile -d $(filter %/$*,$(SPEAKING))/locale -l en

clean:
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
