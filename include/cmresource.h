/*
 * Hardware resources: what IRP_MN_START_DEVICE tells a driver about where its device's registers
 * are and how it interrupts. A list has one full descriptor for the bus that the device is on,
 * and in it a partial descriptor for each range and each interrupt. Raw ones are as the bus sees
 * them, translated ones as the processor does. Layouts: the WDK's, with fields aligned to 4.
 */
#ifndef METRONOME_CMRESOURCE_H
#define METRONOME_CMRESOURCE_H

#include "ntdef.h"
#include "interrupt.h"

/* CM_PARTIAL_RESOURCE_DESCRIPTOR.Type */
#define CmResourceTypeNull           0
#define CmResourceTypePort           1
#define CmResourceTypeInterrupt      2
#define CmResourceTypeMemory         3
#define CmResourceTypeDma            4
#define CmResourceTypeDeviceSpecific 5
#define CmResourceTypeBusNumber      6
#define CmResourceTypeMemoryLarge    7

typedef enum _CM_SHARE_DISPOSITION {
    CmResourceShareUndetermined,
    CmResourceShareDeviceExclusive,
    CmResourceShareDriverExclusive,
    CmResourceShareShared
} CM_SHARE_DISPOSITION;

/* Flags of an interrupt */
#define CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE 0
#define CM_RESOURCE_INTERRUPT_LATCHED         1
#define CM_RESOURCE_INTERRUPT_MESSAGE         2

/* The raw vector of messages: what a bus would call it is nobody's business. */
#define CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN ((ULONG)-2)

/* Flags of memory and ports */
#define CM_RESOURCE_MEMORY_READ_WRITE   0x0000
#define CM_RESOURCE_MEMORY_PREFETCHABLE 0x0004
#define CM_RESOURCE_PORT_IO             0x0001
#define CM_RESOURCE_PORT_16_BIT_DECODE  0x0010

#pragma pack(push, 4)

typedef struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
    UCHAR Type;
    UCHAR ShareDisposition;
    USHORT Flags;
    union {
        struct {
            PHYSICAL_ADDRESS Start;
            ULONG Length;
        } Generic;
        struct {
            PHYSICAL_ADDRESS Start;
            ULONG Length;
        } Port;
        struct {
            ULONG Level; /* translated: the IRQL; raw: the bus's line */
            ULONG Vector;
            KAFFINITY Affinity;
        } Interrupt;
        struct {
            union {
                struct {
                    USHORT Reserved;
                    USHORT MessageCount;
                    ULONG Vector;
                    KAFFINITY Affinity;
                } Raw; /* one descriptor for all messages */
                struct {
                    ULONG Level;
                    ULONG Vector;
                    KAFFINITY Affinity;
                } Translated; /* one descriptor for each message */
            };
        } MessageInterrupt;
        struct {
            PHYSICAL_ADDRESS Start;
            ULONG Length;
        } Memory;
        struct {
            ULONG Channel;
            ULONG Port;
            ULONG Reserved1;
        } Dma;
        struct {
            ULONG Data[3];
        } DevicePrivate;
        struct {
            ULONG Start;
            ULONG Length;
            ULONG Reserved;
        } BusNumber;
        struct {
            ULONG DataSize;
            ULONG Reserved1;
            ULONG Reserved2;
        } DeviceSpecificData;
    } u;
} CM_PARTIAL_RESOURCE_DESCRIPTOR, *PCM_PARTIAL_RESOURCE_DESCRIPTOR;

typedef struct _CM_PARTIAL_RESOURCE_LIST {
    USHORT Version;
    USHORT Revision;
    ULONG Count;
    CM_PARTIAL_RESOURCE_DESCRIPTOR PartialDescriptors[1];
} CM_PARTIAL_RESOURCE_LIST, *PCM_PARTIAL_RESOURCE_LIST;

typedef struct _CM_FULL_RESOURCE_DESCRIPTOR {
    INTERFACE_TYPE InterfaceType;
    ULONG BusNumber;
    CM_PARTIAL_RESOURCE_LIST PartialResourceList;
} CM_FULL_RESOURCE_DESCRIPTOR, *PCM_FULL_RESOURCE_DESCRIPTOR;

typedef struct _CM_RESOURCE_LIST {
    ULONG Count;
    CM_FULL_RESOURCE_DESCRIPTOR List[1];
} CM_RESOURCE_LIST, *PCM_RESOURCE_LIST;

#pragma pack(pop)

ASSERT_SIZE(CM_PARTIAL_RESOURCE_DESCRIPTOR, 0x14);
ASSERT_SIZE(CM_PARTIAL_RESOURCE_LIST, 0x1C);
ASSERT_SIZE(CM_FULL_RESOURCE_DESCRIPTOR, 0x24);
ASSERT_SIZE(CM_RESOURCE_LIST, 0x28);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_DESCRIPTOR, u, 0x4);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_DESCRIPTOR, u.Memory.Length, 0xC);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_DESCRIPTOR, u.Interrupt.Vector, 0x8);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_DESCRIPTOR, u.Interrupt.Affinity, 0xC);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_DESCRIPTOR, u.MessageInterrupt.Raw.MessageCount, 0x6);
ASSERT_OFFSET(CM_PARTIAL_RESOURCE_LIST, PartialDescriptors, 0x8);
ASSERT_OFFSET(CM_FULL_RESOURCE_DESCRIPTOR, PartialResourceList, 0x8);
ASSERT_OFFSET(CM_RESOURCE_LIST, List, 0x4);

#endif
