/*
 * Interrupt objects: an ISR, its context, its vector and its spin lock.
 * DIRQL is the IRQL of the vector; SynchronizeIrql is the highest DIRQL among those that share a
 * lock, and the level at which the ISR and SynchCritSection routines run.
 */
#ifndef METRONOME_INTERRUPT_H
#define METRONOME_INTERRUPT_H

#include "ntdef.h"
#include "irql.h"
#include "spinlock.h"

typedef struct _KINTERRUPT *PKINTERRUPT; /* opaque, made by the kernel */
struct _DEVICE_OBJECT;

/*
 * InterruptService. IRQL: SynchronizeIrql, the interrupt's lock held. Returns TRUE if its device
 * wanted service. Source: contract T-KSERVICE-1
 */
typedef BOOLEAN KSERVICE_ROUTINE(struct _KINTERRUPT *Interrupt, PVOID ServiceContext);
typedef KSERVICE_ROUTINE *PKSERVICE_ROUTINE;

/* The same for message MessageId of a device; the table of the connection says which is which. */
typedef BOOLEAN KMESSAGE_SERVICE_ROUTINE(struct _KINTERRUPT *Interrupt, PVOID ServiceContext,
                                         ULONG MessageId);
typedef KMESSAGE_SERVICE_ROUTINE *PKMESSAGE_SERVICE_ROUTINE;

/* SynchCritSection: runs as the ISR does, hence never beside it. Source: T-KSYNC-1 */
typedef BOOLEAN KSYNCHRONIZE_ROUTINE(PVOID SynchronizeContext);
typedef KSYNCHRONIZE_ROUTINE *PKSYNCHRONIZE_ROUTINE;

typedef enum _KINTERRUPT_MODE { LevelSensitive, Latched } KINTERRUPT_MODE;

typedef enum _KINTERRUPT_POLARITY {
    InterruptPolarityUnknown,
    InterruptActiveHigh,
    InterruptRisingEdge = InterruptActiveHigh,
    InterruptActiveLow,
    InterruptFallingEdge = InterruptActiveLow
} KINTERRUPT_POLARITY;

/*
 * Connects an ISR to a device vector. SpinLock NULL: the object brings its own.
 * IRQL: PASSIVE_LEVEL. Source: contract T-IoConnectInterrupt-1..7
 */
NTSTATUS IoConnectInterrupt(PKINTERRUPT *InterruptObject, PKSERVICE_ROUTINE ServiceRoutine,
                            PVOID ServiceContext, PKSPIN_LOCK SpinLock, ULONG Vector, KIRQL Irql,
                            KIRQL SynchronizeIrql, KINTERRUPT_MODE InterruptMode,
                            BOOLEAN ShareVector, KAFFINITY ProcessorEnableMask,
                            BOOLEAN FloatingSave);

/* When it returns, the ISR is neither running nor called again. IRQL: PASSIVE_LEVEL. */
VOID IoDisconnectInterrupt(PKINTERRUPT InterruptObject);

#define CONNECT_FULLY_SPECIFIED       1
#define CONNECT_LINE_BASED            2
#define CONNECT_MESSAGE_BASED         3
#define CONNECT_FULLY_SPECIFIED_GROUP 4
#define CONNECT_CURRENT_VERSION       4

typedef struct _IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS {
    struct _DEVICE_OBJECT *PhysicalDeviceObject;
    PKINTERRUPT *InterruptObject;
    PKSERVICE_ROUTINE ServiceRoutine;
    PVOID ServiceContext;
    PKSPIN_LOCK SpinLock;
    KIRQL SynchronizeIrql;
    BOOLEAN FloatingSave;
    BOOLEAN ShareVector;
    ULONG Vector;
    KIRQL Irql;
    KINTERRUPT_MODE InterruptMode;
    KAFFINITY ProcessorEnableMask;
    USHORT Group;
} IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS;

typedef struct _IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS {
    struct _DEVICE_OBJECT *PhysicalDeviceObject;
    PKINTERRUPT *InterruptObject;
    PKSERVICE_ROUTINE ServiceRoutine;
    PVOID ServiceContext;
    PKSPIN_LOCK SpinLock;
    KIRQL SynchronizeIrql;
    BOOLEAN FloatingSave;
} IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS;

/* The messages of a device: what it writes, and what that calls. Made and freed by the kernel. */
typedef struct _IO_INTERRUPT_MESSAGE_INFO_ENTRY {
    PHYSICAL_ADDRESS MessageAddress;
    KAFFINITY TargetProcessorSet;
    PKINTERRUPT InterruptObject;
    ULONG MessageData;
    ULONG Vector;
    KIRQL Irql;
    KINTERRUPT_MODE Mode;
    KINTERRUPT_POLARITY Polarity;
} IO_INTERRUPT_MESSAGE_INFO_ENTRY, *PIO_INTERRUPT_MESSAGE_INFO_ENTRY;

typedef struct _IO_INTERRUPT_MESSAGE_INFO {
    KIRQL UnifiedIrql; /* at which all of the routines run */
    ULONG MessageCount;
    IO_INTERRUPT_MESSAGE_INFO_ENTRY MessageInfo[1]; /* by MessageId */
} IO_INTERRUPT_MESSAGE_INFO, *PIO_INTERRUPT_MESSAGE_INFO;

ASSERT_SIZE(IO_INTERRUPT_MESSAGE_INFO_ENTRY, 0x30);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO_ENTRY, InterruptObject, 0x10);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO_ENTRY, MessageData, 0x18);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO_ENTRY, Irql, 0x20);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO_ENTRY, Mode, 0x24);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO_ENTRY, Polarity, 0x28);
ASSERT_OFFSET(IO_INTERRUPT_MESSAGE_INFO, MessageInfo, 0x8);

/* What is set on return, the table or the object, is told by the parameters' Version. */
typedef struct _IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS {
    struct _DEVICE_OBJECT *PhysicalDeviceObject;
    union {
        PVOID *Generic;
        PIO_INTERRUPT_MESSAGE_INFO *InterruptMessageTable;
        PKINTERRUPT *InterruptObject;
    } ConnectionContext;
    PKMESSAGE_SERVICE_ROUTINE MessageServiceRoutine;
    PVOID ServiceContext;
    PKSPIN_LOCK SpinLock;
    KIRQL SynchronizeIrql; /* a minimum */
    BOOLEAN FloatingSave;
    PKSERVICE_ROUTINE FallBackServiceRoutine; /* for a device with a line only; or NULL */
} IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS;

typedef struct _IO_CONNECT_INTERRUPT_PARAMETERS {
    ULONG Version;
    union {
        IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS FullySpecified;
        IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS LineBased;
        IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS MessageBased;
    };
} IO_CONNECT_INTERRUPT_PARAMETERS, *PIO_CONNECT_INTERRUPT_PARAMETERS;

ASSERT_SIZE(IO_CONNECT_INTERRUPT_PARAMETERS, 0x50);

typedef struct _IO_DISCONNECT_INTERRUPT_PARAMETERS {
    ULONG Version;
    union {
        PVOID Generic;
        PKINTERRUPT InterruptObject;
        PIO_INTERRUPT_MESSAGE_INFO InterruptMessageTable;
    } ConnectionContext;
} IO_DISCONNECT_INTERRUPT_PARAMETERS, *PIO_DISCONNECT_INTERRUPT_PARAMETERS;

typedef struct _IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS {
    ULONG Version;
    union {
        PVOID Generic;
        PKINTERRUPT InterruptObject;
        PIO_INTERRUPT_MESSAGE_INFO InterruptMessageTable;
    } ConnectionContext;
} IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS, *PIO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS;

NTSTATUS IoConnectInterruptEx(PIO_CONNECT_INTERRUPT_PARAMETERS Parameters);   /* PASSIVE_LEVEL */
VOID IoDisconnectInterruptEx(PIO_DISCONNECT_INTERRUPT_PARAMETERS Parameters); /* PASSIVE_LEVEL */

/* Inactive: the ISR is not called, the registration stays. IRQL: <= DISPATCH_LEVEL. */
VOID IoReportInterruptActive(PIO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS Parameters);
VOID IoReportInterruptInactive(PIO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS Parameters);

/* Runs a routine synchronized with the ISR. IRQL: <= SynchronizeIrql. */
BOOLEAN KeSynchronizeExecution(PKINTERRUPT Interrupt, PKSYNCHRONIZE_ROUTINE SynchronizeRoutine,
                               PVOID SynchronizeContext);

KIRQL KeAcquireInterruptSpinLock(PKINTERRUPT Interrupt);
VOID KeReleaseInterruptSpinLock(PKINTERRUPT Interrupt, KIRQL OldIrql);

typedef enum _INTERFACE_TYPE {
    InterfaceTypeUndefined = -1,
    Internal,
    Isa,
    Eisa,
    MicroChannel,
    TurboChannel,
    PCIBus
} INTERFACE_TYPE;

/*
 * Translates a bus-relative line to a vector, its IRQL and the processors that can take it.
 * For Isa BusInterruptLevel is the ISA interrupt number; for PCIBus it is the global system
 * interrupt. 0 when there is no such line. IRQL: PASSIVE_LEVEL.
 */
ULONG HalGetInterruptVector(INTERFACE_TYPE InterfaceType, ULONG BusNumber, ULONG BusInterruptLevel,
                            ULONG BusInterruptVector, PKIRQL Irql, PKAFFINITY Affinity);

#endif
