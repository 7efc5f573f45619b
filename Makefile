# Builds the kernel, its loader and its drivers, and runs and tests them.
#
#   make                  the checked kernel, ready to boot: build/checked/esp
#   make CONFIG=free      the same without the checks; CONFIG=test: with the in-kernel suites
#   make run test debug   what ./run-qemu.sh, ./run-qemu.sh --test and --debug do
#   make bench            what each operation costs (./run-qemu.sh --bench, docs/PERFORMANCE.md)
#   make timeline         traces the demonstration: a page, a picture and text in build/timeline
#   make host-tests       the machine-independent sources under sanitizers on this machine
#   make import-libraries what drivers built elsewhere are linked with: build/sdk/lib*.a
#   make fuzz             random driver files for the parser of images, FUZZ_SECONDS (60) long
#   make check            formatting and static analysis
#   make clean
#
#   CC=clang              another compiler        BUILD_ROOT=DIR  another place for the results
#   V=1                   shows the commands      CI=true         warnings are errors

CONFIG     ?= checked
BUILD_ROOT ?= build
BUILD      := $(BUILD_ROOT)/$(CONFIG)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
export BUILD_ROOT

ifeq ($(filter $(CONFIG),checked free test bench bench-checked),)
$(error CONFIG is checked, free, test, bench or bench-checked, not '$(CONFIG)')
endif
DBG := $(if $(filter free bench,$(CONFIG)),0,1)

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

# ---- tools ----

find-tool = $(firstword $(foreach t,$(1),$(if $(shell command -v $(t)),$(t))))

LD := $(call find-tool,x86_64-elf-ld x86_64-linux-gnu-ld ld)
ifeq ($(origin CC),default)
CC := $(call find-tool,x86_64-elf-gcc x86_64-linux-gnu-gcc gcc)
endif
ifeq ($(and $(CC),$(LD)),)
$(error no compiler for x86-64: install gcc and binutils, or x86_64-elf-gcc)
endif
NM      := $(LD:%ld=%nm)
OBJCOPY := $(LD:%ld=%objcopy)
NASM    ?= nasm
HOST_CC ?= gcc

# A PC screen font, PSF1 or PSF2, gzipped or not. psf-unifont depends on no other package.
METRONOME_FONT ?= /usr/share/consolefonts/Unifont-APL8x16.psf.gz
FONT           := $(METRONOME_FONT)

# ---- flags ----

# The Microsoft calling convention: an option of GCC, a target of clang. GCC aligns loops by NOPs that
# run each time a loop begins; most loops here go round once.
ifneq ($(findstring clang,$(CC)),)
ABI_FLAGS := --target=x86_64-unknown-windows-elf -mno-stack-arg-probe \
    -Wno-unused-command-line-argument
else
ABI_FLAGS := -mabi=ms -fno-align-loops -fno-align-labels
endif

# Call frames are described to GDB (.debug_frame) and nobody else (no .eh_frame).
COMMON_CFLAGS := -std=c17 -ffreestanding $(ABI_FLAGS) -fshort-wchar -mcx16 -mno-red-zone \
    -mcmodel=kernel -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
    -fno-omit-frame-pointer -fno-strict-aliasing -fno-asynchronous-unwind-tables \
    -O2 -g -gdwarf-4 -Wall -Wextra -Wno-multichar $(if $(filter true,$(CI)),-Werror) -DDBG=$(DBG)

KERNEL_INCLUDES := -Iinclude -Ikernel -Iboot -Iarch/x86_64 \
    $(if $(filter test,$(CONFIG)),-DTESTS=1 -Itests/kernel)
KERNEL_CFLAGS   := $(COMMON_CFLAGS) -mgeneral-regs-only $(KERNEL_INCLUDES) \
    $(if $(filter test,$(CONFIG)),-DTESTS=1 -Itests/kernel,-DTESTS=0)
# A driver sees include/ only, and may use SSE registers as any driver may.
DRIVER_CFLAGS   := $(COMMON_CFLAGS) -Iinclude
NASMFLAGS       := -f elf64 -g -F dwarf -I$(BUILD)/arch/ -Iarch/x86_64/
LDFLAGS         := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none \
    --orphan-handling=warn -L$(BUILD) -T linker.ld

# ---- sources ----

all-c = $(sort $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c))

KERNEL_SOURCES := $(call all-c,kernel) $(sort $(wildcard arch/x86_64/*.c arch/x86_64/*.asm))
DRIVER_FOLDERS := $(sort $(patsubst %/,%,$(dir $(wildcard drivers/*/*.c))))
ifeq ($(CONFIG),test)
KERNEL_SOURCES += $(call all-c,tests/kernel)
DRIVER_FOLDERS += $(sort $(patsubst %/,%,$(dir $(wildcard tests/drivers/*/*.c))))
endif
# The benchmark: the objects of the free build (bench) or of the checked one (bench-checked), and
# in front of three functions of the kernel the benchmark's own, which the linker puts there.
ifneq ($(filter bench bench-checked,$(CONFIG)),)
KERNEL_SOURCES += $(sort $(wildcard tests/bench/*.c))
DRIVER_FOLDERS += $(sort $(patsubst %/,%,$(dir $(wildcard tests/bench/*/*.c))))
LDFLAGS += --wrap=KiSystemStart --wrap=IopLoadDriver --wrap=KdMonitor
endif

# What only feeds a generator is no part of the kernel.
KERNEL_SOURCES := $(filter-out arch/x86_64/offsets.c,$(KERNEL_SOURCES))

DRIVERS        := $(notdir $(DRIVER_FOLDERS))
DRIVER_SOURCES := $(sort $(foreach d,$(DRIVER_FOLDERS),$(wildcard $(d)/*.c)))
DRIVER_PARTS   := $(DRIVER_SOURCES:%=$(BUILD)/obj/%.o)
KERNEL_OBJECTS := $(KERNEL_SOURCES:%=$(BUILD)/obj/%.o)
DRIVER_OBJECTS := $(DRIVERS:%=$(BUILD)/drivers/%.o)
IMAGE_OBJECTS  := $(BUILD)/font.o $(KERNEL_OBJECTS) $(DRIVER_OBJECTS) $(BUILD)/drivers.o

.PHONY: all run test bench debug esp host-tests check clean
all: esp

# ---- what changes the results without being a source ----

# A stamp is rewritten when its text changes, and what depends on it is built again.
define stamp
ifneq ($$(file <$(1)),$$(strip $(2)))
$$(shell mkdir -p $$(dir $(1)))
$$(file >$(1),$$(strip $(2)))
endif
endef

FLAGS_STAMP := $(BUILD)/flags.stamp
LIST_STAMP  := $(BUILD)/objects.stamp
FONT_STAMP  := $(BUILD)/font.stamp
ifeq ($(filter clean,$(MAKECMDGOALS)),)
$(eval $(call stamp,$(FLAGS_STAMP),$(CC) $(KERNEL_CFLAGS) $(NASM) $(NASMFLAGS)))
$(eval $(call stamp,$(FONT_STAMP),$(FONT)))
$(eval $(call stamp,$(LIST_STAMP),$(LD) $(LDFLAGS) $(IMAGE_OBJECTS) $(DRIVER_PARTS)))
endif

include boot/Makefile.inc
include arch/x86_64/Makefile.inc
$(BUILD)/arch/offsets.s: $(FLAGS_STAMP)

# ---- objects ----

$(BUILD)/obj/%.c.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/drivers/%.c.o: drivers/%.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(DRIVER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/tests/drivers/%.c.o: tests/drivers/%.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(DRIVER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/tests/bench/bench%.c.o: tests/bench/bench%.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(DRIVER_CFLAGS) -MMD -MP -c $< -o $@

# The structure offsets that assembly uses are generated from C; arch/x86_64/Makefile.inc says how.
$(BUILD)/obj/%.asm.o: %.asm $(FLAGS_STAMP) $(BUILD)/arch/offsets.inc
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) $(NASMFLAGS) -MD $(@:.o=.d) -MP -MT $@ -o $@ $<

# ---- the screen's font ----

$(BUILD)/font.c: tools/font.sh $(FONT_STAMP)
	$(if $(wildcard $(FONT)),,$(error there is no console font $(FONT): install the package \
	    psf-unifont, or name another PSF font in METRONOME_FONT))
	@mkdir -p $(@D)
	$(call say,FONT,$(FONT))
	$(Q)tools/font.sh $(FONT) >$@

$(BUILD)/font.o: $(BUILD)/font.c $(FLAGS_STAMP)
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c $< -o $@

# ---- drivers ----

# A driver is one image: its sources share their global names with nobody, its DriverEntry becomes
# DriverEntry.NAME, and its sections .driver.NAME.text and so on.
define driver-rule
$(BUILD)/drivers/$(notdir $(1)).o: $(filter $(BUILD)/obj/$(1)/%,$(DRIVER_PARTS)) $(LIST_STAMP)
	@mkdir -p $$(@D)
	$$(call say,DRIVER,$(1))
	$$(Q)$$(LD) -r -z noexecstack -o $$@.all $$(filter %.o,$$^)
	$$(Q)$$(OBJCOPY) --keep-global-symbol=DriverEntry $$@.all
	$$(Q)$$(OBJCOPY) --redefine-sym DriverEntry=DriverEntry.$(notdir $(1)) \
	    --prefix-alloc-sections=.driver.$(notdir $(1)) $$@.all $$@
	@rm -f $$@.all
endef
$(foreach d,$(DRIVER_FOLDERS),$(eval $(call driver-rule,$(d))))

# Which devices a driver is for is said in its INF file, drivers/NAME/NAME.inf, as lines
#     %Text% = Section, HARDWARE-ID
# and that they may interrupt by messages by a line with MSISupported and the value 1.
DRIVER_INFS := $(wildcard $(foreach d,$(DRIVER_FOLDERS),$(d)/$(notdir $(d)).inf))
list-ids = awk 'BEGIN { n = 0 } \
    FNR == 1 { name = FILENAME; sub(/^.*\//, "", name); sub(/\.inf$$/, "", name) } \
    /MSISupported *,.*, *1 *$$/ { messages[name] = 16 } \
    /^%[^%]*% *=.*\\/ { sub(/^.*, */, ""); sub(/[ \t\r]*$$/, ""); driver[n] = name; id[n++] = $$0 } \
    END { for (i = 0; i < n; i++) print "id_" i ": db \x27" id[i] "\x27, 0"; \
          print "align 8\nglobal IopDriverIds\nIopDriverIds:"; \
          for (i = 0; i < n; i++) \
              print "dq name_" driver[i] ", id_" i ", " messages[driver[i]] + 0; \
          print "dq 0, 0, 0" }' $(DRIVER_INFS) </dev/null

# The table IopBuiltInDrivers: name, DriverEntry, start and end of the code; and IopDriverIds: name,
# hardware identifier, how many messages. A zero entry ends each.
$(BUILD)/drivers.asm: $(LIST_STAMP) $(DRIVER_INFS) Makefile
	$(Q){ echo '; Generated: the drivers that are linked into the image.'; \
	echo 'section .rodata'; \
	for d in $(DRIVERS); do \
	    echo "extern DriverEntry.$$d, IopDriverText.$$d, IopDriverTextEnd.$$d"; \
	    echo "name_$$d: db '$$d', 0"; \
	done; \
	echo 'align 8'; \
	echo 'global IopBuiltInDrivers'; \
	echo 'IopBuiltInDrivers:'; \
	for d in $(DRIVERS); do \
	    echo "dq name_$$d, DriverEntry.$$d, IopDriverText.$$d, IopDriverTextEnd.$$d"; \
	done; \
	echo 'dq 0, 0, 0, 0'; \
	$(list-ids); } >$@

$(BUILD)/drivers.ld: $(LIST_STAMP) Makefile
	$(Q){ echo '/* Generated: the code of each driver. */'; \
	for d in $(DRIVERS); do \
	    echo '. = ALIGN(16);'; \
	    echo "IopDriverText.$$d = .;"; \
	    echo "*(.driver.$$d.text .driver.$$d.text.*)"; \
	    echo "IopDriverTextEnd.$$d = .;"; \
	done; } >$@

# ---- the image: linked once without symbols, once with the symbols of the first link ----

LINK_INPUTS = $(IMAGE_OBJECTS) linker.ld $(BUILD)/drivers.ld $(LIST_STAMP)

$(BUILD)/first.elf: $(LINK_INPUTS) $(BUILD)/nosymbols.o
	$(Q)$(LD) $(LDFLAGS) -o $@ $(filter %.o,$^)

# Lines `address size name` by address, one for each function. What the compiler appends to a name
# (.part.0, .cold) is cut; labels inside assembly functions and the linker's marks are left out.
list-functions = $(NM) -n -S --defined-only $(1) | awk ' \
    { kind = $$(NF - 1); name = $$NF; size = (NF == 4) ? $$2 : "0" } \
    kind !~ /^[tT]$$/ || name ~ /^(Ki(Image|Text)(Start|End)$$|IopDriverText)/ { next } \
    { sub(/\.(part|cold|constprop|isra|lto_priv).*$$/, "", name) } \
    { sub(/^DriverEntry\..*$$/, "DriverEntry", name) } \
    name ~ /[.@$$]/ || $$1 == last { next } \
    { last = $$1; print $$1, size, name }' >$(2)

$(BUILD)/first.functions: $(BUILD)/first.elf
	$(Q)$(call list-functions,$<,$@)

$(BUILD)/metronome.elf: $(LINK_INPUTS) $(BUILD)/symbols.o
	$(call say,LINK,$@)
	$(Q)$(LD) $(LDFLAGS) -o $@ $(filter %.o,$^)
	$(Q)$(call list-functions,$@,$(BUILD)/last.functions)
	@cmp -s $(BUILD)/first.functions $(BUILD)/last.functions || \
	    { echo 'the symbol table has moved functions (see linker.ld)' >&2; exit 1; }

$(BUILD)/kernel.elf: $(BUILD)/metronome.elf
	$(Q)$(OBJCOPY) --strip-all $< $@

# KdSymbolTable: entries of address (8 bytes), offset of the name, size in bytes (4 bytes each).
list-symbols = awk ' \
    BEGIN { print "; Generated: the names of the functions in the image."; \
            print "section .symbols progbits alloc noexec nowrite align=16"; \
            print "global KdSymbolCount, KdSymbolTable, KdSymbolNames"; \
            names = "KdSymbolNames:\n"; table = "align 16\nKdSymbolTable:\n" } \
    { table = table "dq 0x" $$1 "\ndd " offset ", 0x" $$2 "\n"; \
      names = names "db \x27" $$3 "\x27, 0\n"; offset += length($$3) + 1 } \
    END { print "KdSymbolCount: dq " NR; printf "%s%s", table, names; print "db 0" }'

$(BUILD)/symbols.asm: $(BUILD)/first.functions Makefile
	$(Q)$(list-symbols) offset=0 $< >$@

$(BUILD)/nosymbols.asm: Makefile
	@mkdir -p $(@D)
	$(Q)$(list-symbols) /dev/null >$@

$(addprefix $(BUILD)/,drivers.o nosymbols.o symbols.o): %.o: %.asm
	$(Q)$(NASM) -f elf64 -o $@ $<

# ---- import libraries: what a driver's image is linked with ----

# From the export list; for a driver that is built elsewhere, and for tests/sys. They need the
# binutils of mingw-w64, so they are no part of `make all`.
DLLTOOL   ?= x86_64-w64-mingw32-dlltool
SDK       := $(BUILD_ROOT)/sdk
LIBRARIES := $(SDK)/libntoskrnl.a $(SDK)/libhal.a

.PHONY: import-libraries
import-libraries: $(LIBRARIES)

$(SDK)/libntoskrnl.def $(SDK)/libhal.def: kernel/ldr/exports.h tools/check-exports
	@mkdir -p $(@D)
	$(Q)tools/check-exports --def $(if $(findstring hal,$@),HAL.dll,ntoskrnl.exe) >$@

$(SDK)/%.a: $(SDK)/%.def
	$(call say,IMPORT,$@)
	$(Q)$(DLLTOOL) --machine i386:x86-64 --input-def $< --output-lib $@

# ---- test drivers: built as any driver is, against mingw-w64's headers ----

MINGW_CC  ?= x86_64-w64-mingw32-gcc
MINGW_LD  ?= x86_64-w64-mingw32-gcc
MINGW_DDK ?= /usr/x86_64-w64-mingw32/include/ddk
SYS        = $(SDK)/sys

# -fno-omit-frame-pointer: the kernel's backtraces follow frame pointers.
SYS_CFLAGS  := -std=gnu17 -O2 -g -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-multichar \
    -fno-omit-frame-pointer -fno-stack-protector -fno-strict-aliasing -fno-ident \
    -isystem $(MINGW_DDK)
SYS_LDFLAGS := -nostdlib -shared -Wl,--subsystem,native -Wl,--entry,DriverEntry \
    -Wl,--exclude-all-symbols -L$(SDK)
# clang makes functions of two of the headers' inline routines, in every object file.
ifneq ($(findstring clang,$(MINGW_CC)),)
SYS_LDFLAGS += -Wl,--allow-multiple-definition
endif
SYS_SOURCES := $(sort $(wildcard tests/sys/*.c))
SYS_GOOD    := $(SYS_SOURCES:tests/sys/%.c=$(SYS)/%.sys)
# Made from a good one by tests/sys/spoil, each with something else that is wrong.
SYS_BAD     := $(addprefix $(SYS)/,cut.sys damaged.sys x86.sys text.sys)

.PHONY: sys-drivers
sys-drivers: $(SYS_GOOD) $(SYS_BAD)

$(SYS)/%.o: tests/sys/%.c Makefile
	@mkdir -p $(@D)
	$(call say,SYSCC,$<)
	$(Q)$(MINGW_CC) $(SYS_CFLAGS) -MMD -MP -c $< -o $@

# mingw-w64's own library knows names that this kernel does not export.
$(SYS)/missing.sys: SYS_MORE = $(shell $(MINGW_CC) -print-file-name=libntoskrnl.a)

$(SYS_GOOD): %.sys: %.o $(LIBRARIES)
	$(call say,SYS,$@)
	$(Q)$(MINGW_LD) $(SYS_LDFLAGS) -o $@ $< -lntoskrnl -lhal -lgcc $(SYS_MORE)

$(SYS_BAD): $(SYS)/timerdpc.sys tests/sys/spoil
	$(Q)tests/sys/spoil $(basename $(@F)) $< $@

# __try is a word of clang's only, which names __C_specific_handler in what it compiles it to.
SEH_CC ?= clang --target=x86_64-w64-windows-gnu -fms-extensions

.PHONY: guarded-image
guarded-image: $(SYS)/guarded.sys $(SYS)/guardedraised.sys

# Twice: they end with different faults.
$(SYS)/guardedraised.o: SEH_MORE := -DAT_RAISED_IRQL
$(SYS)/guarded.o $(SYS)/guardedraised.o: tests/sys/clang/guarded.c Makefile
	@mkdir -p $(@D)
	$(call say,SYSCC,$<)
	$(Q)$(SEH_CC) $(SYS_CFLAGS) $(SEH_MORE) -MMD -MP -c $< -o $@

$(SYS)/guarded.sys $(SYS)/guardedraised.sys: %.sys: %.o $(LIBRARIES)
	$(call say,SYS,$@)
	$(Q)$(MINGW_LD) $(SYS_LDFLAGS) -o $@ $< -lntoskrnl -lhal -lgcc

-include $(SYS_GOOD:.sys=.d) $(SYS)/guarded.d $(SYS)/guardedraised.d

# ---- the drivers of drivers/ as images: the same source, with other headers ----

# -idirafter: kdport.h is a header of this kernel alone.

SAMPLES := $(patsubst drivers/%,$(SDK)/drivers/%.sys,$(wildcard drivers/*))

.PHONY: sample-images suite-image
sample-images: $(SAMPLES)
suite-image: $(SYS)/suites.sys

$(SDK)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,SYSCC,$<)
	$(Q)$(MINGW_CC) $(SYS_CFLAGS) -Wno-array-bounds -Wno-empty-body \
	    -include tools/sdk/ddk.h -idirafter include -MMD -MP -c $< -o $@

define sample-rule
$(SDK)/drivers/$(notdir $(1)).sys: $(patsubst %.c,$(SDK)/obj/%.o,$(wildcard $(1)/*.c)) $(LIBRARIES)
	@mkdir -p $$(@D)
	$$(call say,SYS,$$@)
	$$(Q)$$(MINGW_LD) $$(SYS_LDFLAGS) -o $$@ $$(filter %.o,$$^) -lntoskrnl -lhal -lgcc
endef
$(foreach d,$(wildcard drivers/*),$(eval $(call sample-rule,$(d))))

-include $(patsubst %.c,$(SDK)/obj/%.d,$(wildcard drivers/*/*.c))

# ---- suites as a driver's image ----

# What of tests/kernel uses the routines of drivers and little else: with mingw-w64's headers the
# same source proves that layouts, inline functions and calls agree with what others compile.
FOREIGN_SUITES := calendar devqueue devqueue_negative dispatcher_region dispatcher_semaphore dpc \
    dpc_order dpc_routine dpc_target extimer extimer_negative extimer_overlap interlocked \
    io_controller io_csq io_startio io_startio_dpc iotimer ipi layout lookaside mutex_fast mutex_ke \
    mutex_negative queuedlock rwlock seeds slist spinlock startio_negative startio_tool \
    synchronize thread_negative thread_priority threadeddpc time time_page timer timer_absolute \
    timer_periodic timer_race wait_multiple wait_single wait_timer workitem workitem_negative
SUITE_OBJECTS := $(FOREIGN_SUITES:%=$(SYS)/suite/%.o) $(SYS)/suite/entry.o
SUITE_CFLAGS   = $(SYS_CFLAGS) -Wno-array-bounds -DKT_FOREIGN -Itests/kernel \
    -include tools/sdk/ddk.h

$(SDK)/libsuite.a: tests/kernel/testexports.h
	@mkdir -p $(@D)
	$(Q){ echo 'LIBRARY ntoskrnl.exe'; echo EXPORTS; \
	    sed -n 's/^TEST_FUNCTION(\(.*\))/\1/p; s/^TEST_VARIABLE(\(.*\))/\1 DATA/p' $<; } >$(@:.a=.def)
	$(Q)$(DLLTOOL) --machine i386:x86-64 --input-def $(@:.a=.def) --output-lib $@

$(SYS)/suite/%.o: tests/kernel/%.c Makefile
	@mkdir -p $(@D)
	$(call say,SYSCC,$<)
	$(Q)$(MINGW_CC) $(SUITE_CFLAGS) -MMD -MP -c $< -o $@

$(SYS)/suite/%.o: tests/sys/suite/%.c Makefile
	@mkdir -p $(@D)
	$(call say,SYSCC,$<)
	$(Q)$(MINGW_CC) $(SUITE_CFLAGS) -MMD -MP -c $< -o $@

$(SYS)/suites.sys: $(SUITE_OBJECTS) $(SDK)/libsuite.a $(LIBRARIES)
	$(call say,SYS,$@)
	$(Q)$(MINGW_LD) $(SYS_LDFLAGS) -o $@ $(SUITE_OBJECTS) -lsuite -lntoskrnl -lhal -lgcc

-include $(SUITE_OBJECTS:.o=.d)

# ---- the EFI partition's folder ----

ESP       := $(BUILD)/esp
ESP_FILES := $(ESP)/EFI/BOOT/BOOTX64.EFI $(ESP)/metronome/kernel.elf $(ESP)/metronome/boot.cfg

esp: $(ESP_FILES) $(BUILD)/metronome.elf

$(ESP)/EFI/BOOT/BOOTX64.EFI: $(BUILD)/BOOTX64.EFI
$(ESP)/metronome/kernel.elf: $(BUILD)/kernel.elf
$(filter-out %.cfg,$(ESP_FILES)):
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(ESP)/metronome/boot.cfg: Makefile
	@mkdir -p $(@D)
	$(Q)printf '%s\n' '# Read by the loader.' 'kernel=\metronome\kernel.elf' 'cmdline=' >$@

# ---- tests on this machine ----

# The first line of each test names what it is linked with: /* sources: a.c b.c */
HOST_TESTS   := $(sort $(wildcard tests/host/*.c))
HOST_BUILD   := $(BUILD_ROOT)/host
HOST_CFLAGS  := -std=c17 -g -O1 -fshort-wchar -fsanitize=address,undefined \
    -fno-sanitize-recover=all -fno-omit-frame-pointer -Wall -Wextra \
    $(if $(filter true,$(CI)),-Werror) -DMETRONOME_HOST -DDBG=1 $(KERNEL_INCLUDES)
HOST_PROGRAMS := $(HOST_TESTS:tests/host/%.c=$(HOST_BUILD)/%)
host-sources = $(1) $(shell sed -n '1s,^/\* sources: *\(.*[^ ]\) *\*/.*$$,\1,p' $(1))

define host-rule
$(1:tests/host/%.c=$(HOST_BUILD)/%): $(patsubst %,$(HOST_BUILD)/obj/%.o,$(call host-sources,$(1)))
	$$(call say,LINK,$$@)
	$$(Q)$$(HOST_CC) $$(HOST_CFLAGS) $$(filter %.o,$$^) -lcmocka -o $$@
HOST_OBJECTS += $(patsubst %,$(HOST_BUILD)/obj/%.o,$(call host-sources,$(1)))
endef
$(foreach t,$(HOST_TESTS),$(eval $(call host-rule,$(t))))

HOST_STAMP := $(HOST_BUILD)/flags.stamp
ifeq ($(filter clean,$(MAKECMDGOALS)),)
$(eval $(call stamp,$(HOST_STAMP),$(HOST_CC) $(HOST_CFLAGS)))
endif

# Assembly under names of its own, so that a test can compare it with the C library's.
$(HOST_BUILD)/obj/%.asm.o: %.asm $(HOST_STAMP)
	@mkdir -p $(@D)
	$(call say,HOSTASM,$<)
	$(Q)$(NASM) -f elf64 -DMETRONOME_HOST -o $@ $<

$(HOST_BUILD)/obj/%.o: % $(HOST_STAMP)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

.PHONY: host-programs
host-programs: $(HOST_PROGRAMS)

host-tests: host-programs
	@status=0; for t in $(HOST_PROGRAMS); do $$t || status=1; done; exit $$status

# ---- fuzzing: random bytes for the parser of driver images ----

# What is found goes to tests/fuzz/pe/, whose files `make test` tries again without a fuzzer
# (tests/host/pe_corpus.c). Needs clang, and mingw-w64 for the valid images to begin with.
FUZZ_SECONDS ?= 60
FUZZ         := $(BUILD_ROOT)/fuzz
FUZZ_SOURCES := tests/fuzz/pe.c kernel/ldr/pe.c kernel/ldr/peimage.c kernel/ldr/pesymbol.c \
    kernel/rtl/format.c kernel/rtl/formatput.c tests/host/support/exports.c

.PHONY: fuzz
fuzz: $(FUZZ)/pe $(SYS_GOOD)
	$(Q)mkdir -p $(FUZZ)/found $(FUZZ)/seeds tests/fuzz/pe
	$(Q)for f in $(SYS_GOOD); do \
	    $(MINGW_CC:%gcc=%strip) -o $(FUZZ)/seeds/$${f##*/} $$f || exit 1; done
	$(FUZZ)/pe -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -artifact_prefix=tests/fuzz/pe/ \
	    $(FUZZ)/found tests/fuzz/pe $(FUZZ)/seeds
	$(FUZZ)/pe -merge=1 -max_len=16384 tests/fuzz/pe $(FUZZ)/found

$(FUZZ)/pe: $(FUZZ_SOURCES) kernel/ldr/pe.h kernel/ldr/ldrp.h Makefile
	@mkdir -p $(@D)
	$(call say,FUZZER,$@)
	$(Q)clang -std=c17 -g -O1 -fshort-wchar -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -DMETRONOME_HOST -DDBG=1 $(KERNEL_INCLUDES) $(FUZZ_SOURCES) -o $@

# ---- running and testing ----

run:
	+@./run-qemu.sh

debug:
	+@./run-qemu.sh --debug

test:
	+@tests/run

bench:
	+@tests/bench/run

# ---- the timeline: what the demonstration did, as a page, for Perfetto, as a picture, as text ----

TRACE_TOOLS    := tools/trace
TRACE_PACKAGES := $(TRACE_TOOLS)/node_modules/.package-lock.json
TRACE_PAGE     := $(BUILD_ROOT)/trace/template.html
TIMELINE       := $(BUILD_ROOT)/timeline

.PHONY: timeline trace-page
timeline: trace-page
	@mkdir -p $(TIMELINE)
	+$(Q)./run-qemu.sh --trace $(TIMELINE)/demo.trace </dev/null
	$(Q)$(TRACE_TOOLS)/convert.mjs --template $(TRACE_PAGE) --html $(TIMELINE)/timeline.html \
	    --json $(TIMELINE)/timeline.json --text $(TIMELINE)/timeline.txt $(TIMELINE)/demo.trace
	$(Q)$(TRACE_TOOLS)/convert.mjs --svg $(TIMELINE)/timeline.svg --around 'rtc!CustomDpc:3' \
	    $(TIMELINE)/demo.trace
	@ls $(addprefix $(TIMELINE)/timeline.,html json svg txt)

trace-page: $(TRACE_PAGE)

$(TRACE_PAGE): $(TRACE_PACKAGES) $(wildcard $(addprefix $(TRACE_TOOLS)/,*.mjs lib/*.mjs page/*))
	$(call say,PAGE,$@)
	@mkdir -p $(@D)
	$(Q)node $(TRACE_TOOLS)/build.mjs $@

$(TRACE_PACKAGES): $(TRACE_TOOLS)/package-lock.json
	@command -v npm >/dev/null || { echo 'the page needs the packages nodejs and npm' >&2; exit 1; }
	$(call say,NPM,$(TRACE_TOOLS))
	$(Q)cd $(TRACE_TOOLS) && npm ci --silent
	@touch $@

clean:
	rm -rf $(BUILD_ROOT)/checked $(BUILD_ROOT)/free $(BUILD_ROOT)/test $(BUILD_ROOT)/host \
	    $(BUILD_ROOT)/sdk $(BUILD_ROOT)/sdk-clang $(BUILD_ROOT)/fuzz $(BUILD_ROOT)/bench \
	    $(BUILD_ROOT)/bench-checked $(BUILD_ROOT)/clang $(BUILD_ROOT)/test-logs \
	    $(BUILD_ROOT)/trace $(BUILD_ROOT)/timeline
	@rmdir $(BUILD_ROOT) 2>/dev/null || true

# ---- static analysis ----

ALL_C     = $(sort $(wildcard $(foreach d,include kernel boot arch drivers tests, \
    $(addprefix $(d)/,*.[ch] */*.[ch] */*/*.[ch]))))
SHELL_SCRIPTS = $(sort $(wildcard run-qemu.sh .ci/run tests/*.sh tools/*.sh tests/gdb/*.sh))
CHECKS    = $(sort $(wildcard tools/check-*))

.PHONY: check-format check-tidy check-cppcheck check-shell check-scripts
check: check-format check-tidy check-cppcheck check-shell check-scripts

have = command -v $(1) >/dev/null || { echo '$@: $(1) is not installed, left out'; exit 0; };

check-format:
	@$(call have,clang-format) clang-format --dry-run -Werror $(ALL_C)

TIDY_CHECKS := -*,bugprone-*,clang-analyzer-*,misc-redundant-expression,misc-unused-parameters,$\
readability-misleading-indentation,-bugprone-easily-swappable-parameters,$\
-bugprone-reserved-identifier,-bugprone-macro-parentheses,-bugprone-narrowing-conversions,$\
-bugprone-implicit-widening-of-multiplication-result,-bugprone-assignment-in-if-condition,$\
-bugprone-branch-clone,-bugprone-signed-char-misuse,-clang-analyzer-valist.Uninitialized,$\
-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling

check-tidy: | $(BUILD)/arch/offsets.inc
	@$(call have,clang-tidy) clang-tidy --quiet --checks='$(TIDY_CHECKS)' \
	    --warnings-as-errors='*' $(filter %.c,$(KERNEL_SOURCES)) $(DRIVER_SOURCES) -- \
	    --target=x86_64-unknown-windows-elf -std=c17 -ffreestanding -fshort-wchar -mcx16 \
	    -DDBG=1 $(KERNEL_INCLUDES)

check-cppcheck:
	@$(call have,cppcheck) cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
	    --enable=warning,performance,portability --suppress=missingInclude \
	    --suppress=unknownMacro --suppress=comparePointers -DDBG=1 -D__x86_64__ $(KERNEL_INCLUDES) kernel arch drivers boot

check-shell:
	@$(call have,shellcheck) shellcheck $(SHELL_SCRIPTS)

check-scripts:
	@for c in $(CHECKS); do echo "$$c"; ./$$c || exit 1; done

-include $(KERNEL_OBJECTS:.o=.d) $(DRIVER_PARTS:.o=.d) $(HOST_OBJECTS:.o=.d)
