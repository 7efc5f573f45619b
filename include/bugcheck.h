/* Stopping the system with a code. */
#ifndef METRONOME_BUGCHECK_H
#define METRONOME_BUGCHECK_H

#include "ntdef.h"

#define IRQL_NOT_DISPATCH_LEVEL                                  0x08
#define IRQL_NOT_GREATER_OR_EQUAL                                0x09
#define IRQL_NOT_LESS_OR_EQUAL                                   0x0A
#define MAXIMUM_WAIT_OBJECTS_EXCEEDED                            0x0C
#define SPIN_LOCK_ALREADY_OWNED                                  0x0F
#define SPIN_LOCK_NOT_OWNED                                      0x10
#define THREAD_NOT_MUTEX_OWNER                                   0x11
#define BAD_POOL_HEADER                                          0x19
#define KMODE_EXCEPTION_NOT_HANDLED                              0x1E
#define NO_MORE_IRP_STACK_LOCATIONS                              0x35
#define MULTIPLE_IRP_COMPLETE_REQUESTS                           0x44
#define PAGE_FAULT_IN_NONPAGED_AREA                              0x50
#define KERNEL_APC_PENDING_DURING_EXIT                           0x20
#define PHASE0_INITIALIZATION_FAILED                             0x31
#define UNEXPECTED_KERNEL_MODE_TRAP                              0x7F
#define NMI_HARDWARE_FAILURE                                     0x80
#define MACHINE_CHECK_EXCEPTION                                  0x9C
#define ATTEMPTED_SWITCH_FROM_DPC                                0xB8
#define BAD_POOL_CALLER                                          0xC2
#define DRIVER_VERIFIER_DETECTED_VIOLATION                       0xC4
#define TIMER_OR_DPC_INVALID                                     0xC7
#define IRQL_UNEXPECTED_VALUE                                    0xC8
#define DRIVER_VERIFIER_IOMANAGER_VIOLATION                      0xC9
#define DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS    0xCE
#define DRIVER_IRQL_NOT_LESS_OR_EQUAL                            0xD1
#define SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD 0xD4
#define WORKER_THREAD_RETURNED_AT_BAD_IRQL                       0xE1
#define MANUALLY_INITIATED_CRASH                                 0xE2
#define RESOURCE_NOT_OWNED                                       0xE3
#define WORKER_INVALID                                           0xE4
#define CLOCK_WATCHDOG_TIMEOUT                                   0x101
#define DPC_WATCHDOG_TIMEOUT                                     0x102
#define DRIVER_RETURNED_HOLDING_CANCEL_LOCK                      0x11B
#define DPC_WATCHDOG_VIOLATION                                   0x133

/*
 * Stops all processors and reports the code, its parameters, the IRQL of the caller, and where
 * it happened. IRQL: any. Does not return. Source: contract T-BUGCHECK-1
 */
DECLSPEC_NORETURN VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1,
                                    ULONG_PTR BugCheckParameter2, ULONG_PTR BugCheckParameter3,
                                    ULONG_PTR BugCheckParameter4);
DECLSPEC_NORETURN VOID KeBugCheck(ULONG BugCheckCode);

#endif
