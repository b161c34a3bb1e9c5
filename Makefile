# make run      install what is missing, run the daemon (root)     SCOPE=pid:1234 limits what it watches
# make test     install what is missing, run all checks and tests (root)
# make test-vm  build the Debian package, and test it in virtual machines (root)   KERNELS=bookworm limits them
# make bench    measure, and print the table that docs/benchmarks.md keeps (root)
# make deb      build the Debian package into dist/

PYTHON  := /usr/bin/python3
VENV    := .venv
SCOPE   ?= all
# Debian releases that are booted.
KERNELS ?= bullseye bookworm trixie
RUNARGS ?=

# What Debian ships of what the daemon needs, and of what the tests talk to.
PACKAGES      := python3-bpfcc python3-numpy python3-yaml python3-prometheus-client python3-systemd python3-venv python3-pip
TEST_PACKAGES := python3-pytest python3-hypothesis prometheus prometheus-alertmanager rsyslog openssl strace gcc libc6-dev procps \
                 util-linux systemd openssh-client curl git runc crun containerd podman python3-h2 busybox-static man-db \
                 $(DEB_PACKAGES)
DEB_PACKAGES  := build-essential debhelper dh-python lintian lowdown pybuild-plugin-pyproject python3-all python3-numpy python3-setuptools python3-yaml
VM_PACKAGES   := qemu-system-x86 mmdebstrap e2fsprogs debian-archive-keyring
BENCH_PACKAGES := bpftrace linux-perf

.PHONY: setup run test test-vm bench deb package lint format clean

setup: $(VENV)/.packages $(VENV)/.installed

run: setup
	$(VENV)/bin/monitord run -c config/monitord.yaml --scope $(SCOPE) $(RUNARGS)

test: setup $(VENV)/.test-packages $(VENV)/.lxc $(VENV)/.docker $(VENV)/.tools lint
	$(VENV)/bin/python tools/gen_syscalls.py --check
	$(VENV)/bin/python tools/gen_constants.py --check
	$(VENV)/bin/python tools/gen_docs.py --check
	$(VENV)/bin/python -m pytest

test-vm: package $(VENV)/.vm-packages
	tests/vm/run -k "$(KERNELS)" -o build/vm tests/vm/guest dist/monitord_*.deb tests/support/receiver.py

bench: setup $(VENV)/.test-packages $(VENV)/.bench-packages
	$(VENV)/bin/python tools/bench.py

deb: package
	lintian --fail-on error,warning --allow-root dist/*.deb

# What is committed or staged is built, in a copy: packaging/deb becomes its debian/.
package: $(VENV)/.deb-packages
	rm -rf build/deb dist/*.deb && mkdir -p build/deb/monitord dist
	git ls-files -z | xargs -0 cp --parents -t build/deb/monitord
	cp -r packaging/deb build/deb/monitord/debian
	cp packaging/systemd/monitord.service build/deb/monitord/debian/
	cd build/deb/monitord && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage --no-sign --build=binary >../build.log 2>&1 || { tail -40 ../build.log; exit 1; }
	cp build/deb/*.deb dist/

lint: setup $(VENV)/.tools
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/clang-format --dry-run --Werror bpf/*.c bpf/*.h

format: $(VENV)/.tools
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/clang-format -i bpf/*.c bpf/*.h

clean:
	rm -rf $(VENV) build dist *.egg-info

# Each mark says that a step was done with this Makefile.
$(VENV)/bin/python:
	@dpkg -s python3-venv >/dev/null 2>&1 || $(MAKE) --no-print-directory apt WANT="$(PACKAGES)"
	@$(PYTHON) -m venv --system-site-packages $(VENV)

$(VENV)/.packages: Makefile | $(VENV)/bin/python
	@$(MAKE) --no-print-directory apt WANT="$(PACKAGES)"
	@touch $@

$(VENV)/.test-packages: Makefile | $(VENV)/bin/python
	@$(MAKE) --no-print-directory apt WANT="$(TEST_PACKAGES)"
	@touch $@

# Installed, LXC would make a bridge, and serve addresses on it.
$(VENV)/.lxc: $(VENV)/.test-packages
	@rm -rf $(VENV)/lxc && mkdir -p $(VENV)/lxc && apt-get update -qq
	@cd $(VENV)/lxc && apt-get download -qq -o APT::Sandbox::User=root lxc $$(apt-cache depends lxc | sed -n 's/.*Depends: \(liblxc1.*\)/\1/p')
	@for p in $(VENV)/lxc/*.deb; do dpkg-deb -x $$p $(VENV)/lxc; done
	@touch $@

# And so would docker.
$(VENV)/.docker: $(VENV)/.test-packages
	@rm -rf $(VENV)/docker && mkdir -p $(VENV)/docker && apt-get update -qq
	@cd $(VENV)/docker && apt-get download -qq -o APT::Sandbox::User=root docker.io
	@cd $(VENV)/docker && dpkg-deb -x docker.io_*.deb . && rm docker.io_*.deb
	@touch $@

$(VENV)/.deb-packages: Makefile | $(VENV)/bin/python
	@$(MAKE) --no-print-directory apt WANT="$(DEB_PACKAGES)"
	@touch $@

$(VENV)/.vm-packages: Makefile | $(VENV)/bin/python
	@$(MAKE) --no-print-directory apt WANT="$(VM_PACKAGES)"
	@touch $@

$(VENV)/.bench-packages: Makefile | $(VENV)/bin/python
	@$(MAKE) --no-print-directory apt WANT="$(BENCH_PACKAGES)"
	@touch $@

# The code is used where it lies: a path file and a launcher are all that an editable install would add.
$(VENV)/.installed: Makefile | $(VENV)/bin/python
	@pwd > $$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/monitord.pth
	@printf '#!%s/bin/python\nimport sys\nfrom monitord.cli.main import main\nsys.exit(main())\n' "$$(realpath $(VENV))" > $(VENV)/bin/monitord
	@chmod 755 $(VENV)/bin/monitord
	@touch $@

$(VENV)/.tools: tools/requirements.txt | $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tools/requirements.txt
	@touch $@

.PHONY: apt
apt:
	@missing=""; for p in $(WANT); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
