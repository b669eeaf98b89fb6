# make help lists the targets. Everything runs as root or as a sudoer.
SHELL := /bin/sh
.DEFAULT_GOAL := help

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
PYTHON := /usr/bin/python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
VENV := .venv
RUN := $(UV) run --frozen --no-sync
PROGRAM := /opt/siappakai/venv/bin
STATE ?= /var/lib/siappakai
# Held by the supervisor for as long as it runs (siappakai/supervisor.py).
LOCK := /run/siappakai/supervisor.lock
DIST ?= dist
AS_PANEL = $(SUDO) env HOME=$(STATE) SIAPPAKAI_STATE=$(STATE) \
  setpriv --reuid siappakai --regid siappakai --init-groups --
DEMO ?= 1
# Tests run programs as unprivileged accounts, which a checkout under a 0700 home keeps out.
AS_NOBODY = $(SUDO) setpriv --reuid nobody --clear-groups --
COPY := /var/tmp/siappakai-checkout

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy --no-install-recommends python3-venv; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv==$(UV_VERSION)

$(VENV)/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --frozen --compile-bytecode --python $(PYTHON)
	@touch $@

.PHONY: run
run: $(VENV)/.synced ## Run the panel here, with three demonstration villages (DEMO=0: without)
	@[ ! -e /etc/systemd/system/siappakai.target ] || [ ! -d /run/systemd/system ] || \
	  { echo "The panel is a service here: systemctl start siappakai.target"; exit 1; }
	@$(SUDO) sh -c '[ ! -e $(LOCK) ] || flock --nonblock $(LOCK) true' || \
	  { echo "The panel runs already, and its program stays as it is: stop it first (Ctrl-C)"; exit 1; }
	@command -v sudo >/dev/null || { apt-get update -q && apt-get install -qy sudo; }
	$(SUDO) env ANSIBLE_CONFIG=playbooks/ansible.cfg $(VENV)/bin/ansible-playbook \
	  -i localhost, -c local -e panel_checkout=$(CURDIR) -e panel_uv=$(CURDIR)/$(UV) \
	  -e panel_state=$(STATE) -e panel_python=$(PYTHON) playbooks/panel.yml
	@cd / && $(AS_PANEL) $(PROGRAM)/python -m siappakai.supervisor $(if $(filter 0,$(DEMO)),,--demo)

.PHONY: service
service: $(VENV)/.synced ## Install the panel as a service of this machine (systemd, nginx)
	@command -v sudo >/dev/null || { apt-get update -q && apt-get install -qy sudo; }
	$(SUDO) $(VENV)/bin/siappakai service install

.PHONY: upgrade
upgrade: $(VENV)/.synced ## Bring the service to this checkout; back again if that does not come up
	$(SUDO) $(VENV)/bin/siappakai service upgrade

.PHONY: clean-demo
clean-demo: ## Remove every trace of the demonstration
	@cd / && $(AS_PANEL) $(PROGRAM)/siappakai demo remove --yes

.PHONY: release
release: | $(UV) ## The wheel, the list of its parts (SBOM) and their checksums, for signing: dist/
	rm -rf $(DIST)
	$(UV) build --quiet --wheel --out-dir $(DIST)
	$(UV) export --quiet --frozen --no-dev --no-emit-project --format cyclonedx1.5 \
	  --output-file $(DIST)/siappakai.cdx.json
	cd $(DIST) && sha256sum *.whl *.json > SHA256SUMS

.PHONY: check
check: $(VENV)/.synced ## Format, lint, types, layers, templates, playbooks
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) pytest --collect-only -qq >/dev/null
	$(RUN) djlint --check --lint templates/panel
	ANSIBLE_CONFIG=playbooks/ansible.cfg $(RUN) ansible-lint --offline -c .config/ansible-lint.yml playbooks

.PHONY: test-unit
test-unit: $(VENV)/.synced ## Unit tests alone: rules, services, Ansible's part
	$(RUN) pytest tests/unit --ignore tests/unit/web --ignore tests/unit/cli -q -n 2 \
	  --dist worksteal -p no:schemathesis -m "not integration and not soak and not patient"

.PHONY: test-panel
test-panel: $(VENV)/.synced ## Pages and commands over a registry, without the walks over all routes
	$(RUN) pytest tests/unit/web tests/unit/cli -q -n 2 \
	  --dist worksteal -m "not integration and not soak and not walk"

.PHONY: testbed
testbed: $(VENV)/.synced
	@command -v sudo >/dev/null || { apt-get update -q && apt-get install -qy sudo; }
	$(SUDO) env ANSIBLE_CONFIG=playbooks/ansible.cfg $(VENV)/bin/ansible-playbook \
	  -i localhost, -c local tests/testbed.yml

.PHONY: test
test: ## Everything CI runs; installs what is missing
	@if $(AS_NOBODY) test -r $(CURDIR)/pyproject.toml; then $(MAKE) --no-print-directory gate; \
	else echo "Other accounts cannot reach $(CURDIR): testing a copy in $(COPY)"; \
	  rm -rf $(COPY) && mkdir -p $(COPY) && \
	  tar -c --exclude=./.venv --exclude=./.uv . | tar -x -C $(COPY) && \
	  $(MAKE) --no-print-directory -C $(COPY) gate; fi

.PHONY: gate
gate: testbed check
	@# Thousands of processes are started: where Python may write nothing, each would compile anew.
	$(RUN) python -m compileall -q siappakai playbooks tests
	$(SUDO) env SIAPPAKAI_TEST_STRICT=1 $(RUN) pytest tests/unit -n 2 --dist worksteal \
	  -m "not soak and not opensid"
	$(SUDO) env SIAPPAKAI_TEST_STRICT=1 $(RUN) pytest --ignore tests/unit -n 2 \
	  --dist loadfile --no-loadscope-reorder -m "not soak and not opensid"

.PHONY: soak
soak: testbed ## What takes longer: 133 villages, kill storms, the real OpenSID
	$(SUDO) $(RUN) pytest -m "soak or opensid" --timeout 3600

.PHONY: test-opensid
test-opensid: testbed ## The real OpenSID from SIAPPAKAI_TEST_OPENSID_REPO=path
	@test -n "$(SIAPPAKAI_TEST_OPENSID_REPO)" || { echo "Set SIAPPAKAI_TEST_OPENSID_REPO=path"; exit 2; }
	$(SUDO) $(RUN) pytest -m opensid --timeout 3600

.PHONY: bench
bench: testbed ## One benchmark: make bench NAME=install
	$(SUDO) $(RUN) python -m bench.$(NAME)
