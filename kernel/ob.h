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

/*
 * Finds the device that Name names, or begins to name: what is left, with its backslash, is Rest.
 * The device is opened by IopOpenDevice. STATUS_OBJECT_NAME_NOT_FOUND, or why the device cannot be
 * opened. <= APC_LEVEL.
 */
NTSTATUS ObpOpenDevice(PCUNICODE_STRING Name, PDEVICE_OBJECT *DeviceObject, UNICODE_STRING *Rest);

/* Calls Visit for every name, with the names' lock held: Visit copies and does no more. */
typedef VOID OB_NAME_VISITOR(OB_NAME_KIND Kind, PCUNICODE_STRING Name, PVOID Object,
                             PCUNICODE_STRING Target, PVOID Context);
VOID ObpVisitNames(OB_NAME_VISITOR *Visit, PVOID Context);

/* The name of a device object, or NULL. The result lives as long as the device. */
PCUNICODE_STRING ObpNameOfDevice(PDEVICE_OBJECT DeviceObject);

/* ---- objects and handles (kernel/ob/object.c) ---- */

/*
 * A type that drivers can name begins with a pointer to itself: mingw-w64's headers declare the
 * exported variables, PsThreadType for one, as pointers to what they are, so that their
 * *PsThreadType is one step too many and arrives at the same place.
 */
typedef struct _OBJECT_TYPE {
    struct _OBJECT_TYPE *Self; /* NULL in types that are not exported */
    PCSTR Name;
    ULONG Tag;             /* of the pool memory */
    BOOLEAN PassiveDelete; /* Delete wants PASSIVE_LEVEL; else it is called at <= DISPATCH_LEVEL */
    ULONG WaitOffset;      /* of the dispatcher header that a handle's user waits for */
    VOID (*LastHandle)(PVOID Object); /* the last handle has been closed; PASSIVE_LEVEL; or NULL */
    VOID (*Delete)(PVOID Object);     /* the last reference has gone; or NULL */
} OBJECT_TYPE;

PVOID ObpAllocateObject(const OBJECT_TYPE *Type, SIZE_T Size);

/* References on Object now. Any IRQL; who calls this knows what keeps it from changing. */
LONG64 ObpReferences(PVOID Object);
NTSTATUS ObpCreateHandle(PVOID Object, PHANDLE Handle);

#endif
