/* The device extension of testtool's device: what the driver has seen, and what it can do. */
#ifndef METRONOME_TESTTOOL_H
#define METRONOME_TESTTOOL_H

#include <ntddk.h>

#define TESTTOOL_MAGIC 0x54545454u

/* What Unload leaves behind. */
typedef enum _TESTTOOL_LEFTOVER {
    LeaveNothing,
    LeaveTimer,         /* set far in the future */
    LeavePeriodicTimer, /* ticking */
    LeaveDpc,           /* queued to processor 0, which is at DISPATCH_LEVEL then */
    LeaveLookaside,     /* a live lookaside list with callbacks in the driver */
    LeaveInterrupt,     /* a connected ISR */
    LeaveRequest,       /* an IRP that nobody frees */
    LeavePool           /* a block with the tag TESTTOOL_TAG */
} TESTTOOL_LEFTOVER;

#define TESTTOOL_TAG 0x6C6F6F54u /* "Tool" */

typedef enum _TESTTOOL_ACCESS { AccessRead, AccessWrite, AccessExecute } TESTTOOL_ACCESS;

typedef struct _TESTTOOL_EXTENSION {
    ULONG Magic;
    KIRQL EntryIrql, AddDeviceIrql;
    ULONG EntryCalls, AddDeviceCalls;
    USHORT RegistryPathLength;
    BOOLEAN MajorFunctionsSet; /* none was NULL on entry */
    PDRIVER_OBJECT DriverObject;
    PDEVICE_OBJECT PhysicalDevice, Lower;

    /* Functions in the driver's code. */
    VOID (*Touch)(volatile CHAR *Address, TESTTOOL_ACCESS Access);
    KDEFERRED_ROUTINE *CountingDpc; /* adds 1 to the LONG that is its context */

    TESTTOOL_LEFTOVER Leave;
    volatile LONG *UnloadCalls; /* counted by Unload, outside of the extension; or NULL */
    KIRQL *UnloadIrql;
} TESTTOOL_EXTENSION, *PTESTTOOL_EXTENSION;

#endif
