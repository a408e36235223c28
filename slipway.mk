# Images by architecture, version and date, made by Slipway: docs/make.md.
#
#   REPONAME := alpine-nginx
#   ORGNAME  := me
#   REGISTRY := registry.example.com
#   include slipway.mk
#
# Then `make push`, `make push ARCH=aarch64 REGISTRY=host:5000` and the rest; `make -n push` shows
# what would be done.

SLIPWAY ?= slipway
# further options, such as --verify
SLIPWAY_FLAGS ?=
# further variables of your makefile that builds and version commands shall see
SLIPWAY_VARIABLES ?=
# set it before the include to leave targets out that you have yourself
SLIPWAY_TARGETS ?= build test push pull annotate_latest annotate_version annotate_date \
	rollback history clean help

slipway-known := OPSYS SVCNAME REPONAME ORGNAME REGISTRY HOSTARCH ARCH IMAGETAG OSVERSION S6VERSION \
	VERSION BUILDDATE VERSIONTAG BUILDDATETAG REGDSTTAG REGDSTVERSIONTAG REGDSTBUILDDATETAG TAGNAME \
	TAGSLIST IMAGESRC REGSRC ORGSRC REPOSRC TAGSRC DOCKERFILE TESTCMD CNTSHELL BUILDNUMBER \
	REGISTRY_URL DOC_URL LEGACY

# What the command line says, and what the makefile says of variables that are known here. The
# environment reaches slipway by itself.
slipway-given = $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword \
	$(origin $(name)))),$(name)))
slipway-set = $(foreach name,$(slipway-known) $(SLIPWAY_VARIABLES) $(filter SKIP_%,$(.VARIABLES)),$(if \
	$(filter file override,$(firstword $(origin $(name)))),$(name)))
slipway-names = $(sort $(filter-out SLIPWAY SLIPWAY_%,$(slipway-given) $(slipway-set)))
# A recipe takes a line break for its own end: what may have one goes by the environment.
define slipway-newline


endef
slipway-long = $(if $(filter TESTCMD TAGSLIST,$1),$(eval export $1),$(error $1 has several lines))
slipway-words = $(foreach name,$(slipway-names),$(if $(findstring \
	$(slipway-newline),$($(name))),$(call \
	slipway-long,$(name)),'$(subst ','\'',$(name)=$($(name)))'))
slipway-dry = $(if $(findstring n,$(firstword -$(MAKEFLAGS))),--dry-run)

.PHONY: $(SLIPWAY_TARGETS) slipway-always

$(SLIPWAY_TARGETS):
	+@$(SLIPWAY) make $(slipway-dry) $(SLIPWAY_FLAGS) $@ $(slipway-words)

push_registry_%: slipway-always
	+@$(SLIPWAY) make $(slipway-dry) $(SLIPWAY_FLAGS) $@ $(slipway-words)

# Targets are made in the order of the command line, also with -j, and none after one that failed.
slipway-after = $(if $(word 2,$1),$(if $(filter-out $(word 1,$1),$(word 2,$1)),$(eval \
	$(subst :,\:,$(word 2,$1)): | $(subst :,\:,$(word 1,$1))))$(call \
	slipway-after,$(wordlist 2,$(words $1),$1)))
$(call slipway-after,$(filter $(SLIPWAY_TARGETS) push_registry_%,$(MAKECMDGOALS)))
