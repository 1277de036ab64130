# `make demo` and `make test` are all a newcomer needs; both set up what is missing first.
PY := .venv/bin/python
DEMO_PACKAGES := mosquitto kamailio kamailio-tls-modules
# libatomic1: what the browser driver of the tests is linked against
TEST_PACKAGES := $(DEMO_PACKAGES) postgresql sip-tester chromium libatomic1

.PHONY: demo test unit integration lint setup bench lock pictures clean

demo:
	@.ci/setup $(DEMO_PACKAGES)
	@$(PY) -m zorgkiosk demo $(if $(KEEP),--keep)

test: setup lint
	$(PY) -m pytest -m "not integration and not long" --cov
	$(PY) -m pytest -m "integration or long" --cov --cov-append
	$(PY) -m coverage report

unit:
	@$(PY) -m pytest -m "not integration and not long"

integration:
	@$(PY) -m pytest -m "integration or long"

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

setup:
	@.ci/setup $(TEST_PACKAGES)

# One JSON line a figure on stdout, progress on stderr: make -s bench > figures.jsonl
bench: setup
	@$(PY) -m zorgkiosk.lab.bench

lock:
	$(PY) -m uv pip compile -q pyproject.toml --all-extras --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --universal -o requirements.lock

pictures: setup
	$(PY) -m zorgkiosk.lab.pictures .demo docs

clean:
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
