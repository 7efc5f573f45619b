/* What the loader's files that talk to the firmware offer each other. */
#ifndef METRONOME_BOOT_LOADER_H
#define METRONOME_BOOT_LOADER_H

#include <efi.h>
#include <efilib.h>

#include "bootinfo.h"

/* ---- stop.c ---- */

/* Remembers whom to end. Has to be called before Stop. */
void StopInitialize(EFI_HANDLE Image);

/*
 * Says why the kernel cannot be started, in one sentence (Format as for Print, without the full
 * stop), and ends the loader with EFI_LOAD_ERROR. QEMU ends, too, with status 39, if it has an
 * isa-debug-exit device at port F4.
 */
__attribute__((noreturn)) void Stop(const CHAR16 *Format, ...);

/* The same after ExitBootServices was tried: without the sentence, for there is no console. */
__attribute__((noreturn)) void StopSilently(void);

/* ---- volume.c ---- */

/* A file in memory, in pages of type EfiLoaderData. */
typedef struct _LOADED_FILE {
    void *Data;
    UINT64 Size;  /* in bytes */
    UINT64 Pages; /* what holds them, at least 1 */
} LOADED_FILE;

/* Opens the volume from which this program was loaded, or stops. */
void VolumeOpen(EFI_HANDLE Image);

/*
 * Reads a file as a whole; stops if it cannot be read.
 *
 * Returns: TRUE; FALSE if there is no such file and MayBeMissing
 */
BOOLEAN VolumeRead(const char *Path, BOOLEAN MayBeMissing, LOADED_FILE *File);

/* ---- gather.c ---- */

/* Allocates pages of type EfiLoaderData below Limit (0: anywhere), or stops. */
void *AllocateLoaderPages(UINT64 Pages, UINT64 Limit, const char *Purpose);

/* Each fills in the fields of BOOT_INFO that its name says, with 0 where there is nothing. */
void GatherAcpi(BOOT_INFO *Info);
void GatherFramebuffer(BOOT_INFO *Info);
void GatherProcessorStartPage(BOOT_INFO *Info);
void GatherTime(BOOT_INFO *Info);

/* ---- jump.asm ---- */

/*
 * Leaves for the kernel: interrupts off, Cr3 and its protections in force, RSP below StackTop,
 * BootInfo as the only argument. Both pointers are already the direct map's.
 */
__attribute__((ms_abi, noreturn)) void JumpToKernel(UINT64 Cr3, UINT64 StackTop, UINT64 BootInfo,
                                                    UINT64 Entry);

#endif
