/* Names: a flat table of "\Device\X" and "\DosDevices\Y" to objects. kernel/ob/names.c. */
#ifndef METRONOME_OB_H
#define METRONOME_OB_H

#include "ntddk.h"

typedef enum _OB_NAME_KIND { ObNameDevice, ObNameSymbolicLink } OB_NAME_KIND;

/* STATUS_OBJECT_NAME_COLLISION, _NAME_INVALID, STATUS_INSUFFICIENT_RESOURCES. <= APC_LEVEL. */
NTSTATUS ObpInsertName(PCUNICODE_STRING Name, OB_NAME_KIND Kind, PVOID Object,
                       PCUNICODE_STRING Target);
NTSTATUS ObpRemoveName(PCUNICODE_STRING Name, OB_NAME_KIND Kind);

/* Follows symbolic links (at most 8); NULL if there is no such device. <= APC_LEVEL. */
PDEVICE_OBJECT ObpFindDevice(PCUNICODE_STRING Name);

/* The name of a device object, or NULL. The result lives as long as the device. */
PCUNICODE_STRING ObpNameOfDevice(PDEVICE_OBJECT DeviceObject);

/* ---- objects and handles (kernel/ob/object.c) ---- */

typedef struct _OBJECT_TYPE {
    PCSTR Name;
    ULONG Tag;                    /* of the pool memory */
    VOID (*Delete)(PVOID Object); /* the last reference has gone; <= DISPATCH_LEVEL; or NULL */
} OBJECT_TYPE;

PVOID ObpAllocateObject(const OBJECT_TYPE *Type, SIZE_T Size);

/* References on Object now. Any IRQL; who calls this knows what keeps it from changing. */
LONG64 ObpReferences(PVOID Object);
NTSTATUS ObpCreateHandle(PVOID Object, PHANDLE Handle);

#endif
