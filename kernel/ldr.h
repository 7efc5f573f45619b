/*
 * What kernel/ldr shows to the rest of the kernel: driver files, which the loader has read from
 * the EFI partition, and their images in memory.
 */
#ifndef METRONOME_LDR_H
#define METRONOME_LDR_H

#include "ntddk.h"
#include "io.h"
#include "ldr/pe.h"

struct _BOOT_INFO;

/*
 * A driver's file. There are as many as the loader has brought, from the start to the end, so one
 * can be looked at on any level without a lock.
 */
typedef struct _LDR_FILE {
    CHAR Name[64];       /* the driver's: the file's without ".sys"; constant */
    const VOID *Data;    /* constant */
    SIZE_T Size;         /* in bytes; constant */
    volatile LONG InUse; /* 1: somebody loads, has loaded or unloads it; interlocked */
    PVOID volatile Base; /* where the image lies; written last when it is loaded; NULL: nowhere */
    PVOID volatile LastBase; /* where the image lay that was unloaded last; NULL: none yet */
    LDR_IMAGE Image;         /* while Base is not NULL, and after it */
    DRIVER_IMAGE Driver;     /* the same for kernel/io */
    PVOID Memory;            /* the image's pages in the direct map; who has set InUse */
    LDR_PROBLEM Problem;     /* why it was not loaded the last time; who has set InUse */
} LDR_FILE, *PLDR_FILE;

/* The files, in the order in which they were given. */
extern LDR_FILE LdrFiles[];
extern ULONG LdrFileCount;

/* Takes over the files that the loader has read. The start, once. */
VOID LdrInitialize(const struct _BOOT_INFO *BootInfo);

/* The file of the driver of this name, or NULL. Any IRQL. */
PLDR_FILE LdrFindFile(PCSTR Name);

/* The file whose loaded image contains Address, or NULL. Any IRQL, no lock. */
PLDR_FILE LdrFindByAddress(const VOID *Address);

/* The file whose latest unloaded image contained Address, or NULL. Any IRQL, no lock. */
PLDR_FILE LdrFindUnloaded(const VOID *Address);

/*
 * Makes an image of a file: mapped, relocated, bound. A status that fails stands in File->Problem
 * with the reason, and nothing is left. IRQL: PASSIVE_LEVEL.
 */
NTSTATUS LdrLoadFile(PLDR_FILE File);

/* Takes the image of a driver out of memory; nothing of it runs. IRQL: PASSIVE_LEVEL. */
VOID LdrReleaseImage(const DRIVER_IMAGE *Driver);

/*
 * Writes "driver!routine+0x12", or "driver+0x1234" without symbols; the offset is Extra higher.
 * "driver (unloaded)..." for the image that was unloaded last. FALSE if Address is in no driver's
 * file. Any IRQL, no lock.
 */
BOOLEAN LdrNameAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address, ULONG_PTR Extra);

#endif
