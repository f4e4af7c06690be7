# make demo | make test | make check. A fresh machine needs Python ≥ 3.11 and nothing else.
#   make demo RECORDING=my.fif          your own recording
#   make test TORCH_INDEX=url           take torch from another index (on Linux: the CPU build, see README)

VENV ?= .venv
BIN := $(VENV)/bin
RECORDING ?=
MODEL ?= luna-base
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test check pages parity fuzz clean

demo: $(VENV)/.installed
	$(BIN)/eegora demo --model $(MODEL) --overwrite $(if $(RECORDING),--recording "$(RECORDING)")

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q

check: $(VENV)/.installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/python docs/pages.py --check

pages: $(VENV)/.installed-dev
	$(BIN)/python docs/pages.py

# Rewrites evidence/parity/ from the vector files in EEGORA_VECTORS (manifests in ../manifests from there), then the pages.
parity: $(VENV)/.installed-dev
	for model in $$($(BIN)/python -c 'from eegora import registry; print(*registry.specs())'); do \
	    $(BIN)/eegora parity $$model --vectors "$(EEGORA_VECTORS)" --manifests "$(EEGORA_VECTORS)/../manifests" \
	        --evidence evidence/parity/$$(echo $$model | tr _ -).json -q || exit 1; \
	done
	$(BIN)/python docs/pages.py

# 20 000 damaged recordings through the reader; N=… for another number. Rewrites evidence/fuzz.json.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz.py -n $(or $(N),20000) --evidence evidence/fuzz.json

# The two stamps: what `demo` needs, and what the tests need on top of it.
$(VENV)/.installed: pyproject.toml constraints.txt
	@python=$$(sh tools/find_python) && sh tools/make_venv "$$python" $(VENV)
	@$(if $(TORCH_INDEX),$(PIP) --index-url "$(TORCH_INDEX)" torch,$(PIP) torch)
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo
