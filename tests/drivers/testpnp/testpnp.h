/* What the driver testpnp has been called for, and what it is to refuse. */
#ifndef TESTPNP_H
#define TESTPNP_H

#include <ntddk.h>

#define TESTPNP_RANGES 8

/*
 * One letter for each call: A AddDevice, S start, Q query remove, C cancel remove, X surprise
 * removal, R remove, U Unload.
 */
typedef struct _TESTPNP_STATE {
    CHAR Log[64];
    ULONG Calls;
    NTSTATUS StartStatus; /* what START is to end with */
    ULONG RefuseFrom;     /* QUERY_REMOVE is refused from this one on, counted from 1; 0: never */
    ULONG Queries;
    PDEVICE_OBJECT Devices[8]; /* that are there, by their number */
} TESTPNP_STATE, *PTESTPNP_STATE;

typedef struct _TESTPNP_EXTENSION {
    PTESTPNP_STATE State;
    ULONG Number;
    PDEVICE_OBJECT PhysicalDevice, Lower;
    KIRQL StartIrql;
    NTSTATUS LowerStatus; /* of the bus, at START */
    ULONG RawCount, TranslatedCount;
    INTERFACE_TYPE Interface;
    CM_PARTIAL_RESOURCE_DESCRIPTOR Raw[TESTPNP_RANGES], Translated[TESTPNP_RANGES];
} TESTPNP_EXTENSION, *PTESTPNP_EXTENSION;

#endif
