/*
 * Bug checks whose first parameter is a kind of error: what the kind is, and what the other three
 * parameters then mean. Constant data: any IRQL, no lock. Contract: bugcheck-verifier.md.
 */
#include "bugreport.h"

#define IRQL_NOW "the IRQL"
#define LOCK     "the lock"

/* clang-format off */
static const KBUGCHECK_KIND Kinds[] = {
    {KMODE_EXCEPTION_NOT_HANDLED, 0xC0000420,
     {"an assertion that does not hold", "its address", "the file's name", "the line"}},

    {KMODE_EXCEPTION_NOT_HANDLED, (ULONG)STATUS_INSUFFICIENT_RESOURCES,
     {"an allocation that had to raise: no memory", "the caller's address"}},

    {BAD_POOL_HEADER, 0x03, {"the block's header is damaged", "the header", "what it holds",
      "its check"}},
    {BAD_POOL_HEADER, 0x20, {"the block's header is damaged", "the header", "the next header"}},

    {UNEXPECTED_KERNEL_MODE_TRAP, 0x00, {"division by zero", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x01, {"debug exception", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x04, {"overflow", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x06, {"invalid instruction", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x07, {"no floating-point unit", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x08,
     {"double fault: an exception could not be delivered", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x0A, {"invalid TSS", "the selector", "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x0B, {"segment not present", "the selector", "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x0C, {"stack fault", "the selector", "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x0D,
     {"general protection fault", "the selector, or 0", "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x10, {"x87 floating-point error", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x11, {"alignment check", NULL, "the instruction"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, 0x13, {"SIMD floating-point error", NULL, "the instruction"}},

    {BAD_POOL_CALLER, 0x00, {"a request for no bytes", NULL, "the pool type", "the tag"}},
    {BAD_POOL_CALLER, 0x06, {"the block is free already", NULL, "the block's header", "its tag"}},
    {BAD_POOL_CALLER, 0x07, {"the block is free already", NULL, "the block's header", "the block"}},
    {BAD_POOL_CALLER, 0x08,
     {"an allocation at a wrong IRQL", IRQL_NOW, "the pool type", "the size"}},
    {BAD_POOL_CALLER, 0x09, {"a free at a wrong IRQL", IRQL_NOW, "the pool type", "the address"}},
    {BAD_POOL_CALLER, 0x0A,
     {"a free with a wrong tag", "the address", "the tag it was allocated with", "the tag given"}},
    {BAD_POOL_CALLER, 0x40, {"a free of a user-mode address", "the address"}},
    {BAD_POOL_CALLER, 0x41, {"a free of nonpaged memory that is not allocated", "the address"}},
    {BAD_POOL_CALLER, 0x42, {"a free of an address that is no pool", "the address"}},
    {BAD_POOL_CALLER, 0x43, {"a free of an address that is no pool", "the address"}},
    {BAD_POOL_CALLER, 0x44, {"a free of nonpaged memory that is not allocated", "the address"}},
    {BAD_POOL_CALLER, 0x46, {"a free of an invalid address", "the address"}},
    {BAD_POOL_CALLER, 0x47, {"a free of nonpaged memory that is not allocated", "the address"}},
    {BAD_POOL_CALLER, 0x48, {"a free of paged memory that is not allocated", "the address"}},
    {BAD_POOL_CALLER, 0x50, {"a free of paged memory that is not allocated", "the address"}},
    {BAD_POOL_CALLER, 0x99, {"a free of an invalid address", "the address"}},
    {BAD_POOL_CALLER, 0x9B, {"an allocation with tag 0", "the pool type", "the size"}},
    {BAD_POOL_CALLER, 0x9D,
     {"an allocation with a tag without a letter or digit", "the tag", "the pool type",
      "the size"}},

    {TIMER_OR_DPC_INVALID, 0, {"an active timer lies in memory that is freed", "the timer",
      "the memory's start", "the memory's end"}},
    {TIMER_OR_DPC_INVALID, 1, {"a queued DPC lies in memory that is freed", "the DPC",
      "the memory's start", "the memory's end"}},
    {TIMER_OR_DPC_INVALID, 2, {"a DPC routine lies in memory that is freed", "the routine",
      "the memory's start", "the memory's end"}},
    {TIMER_OR_DPC_INVALID, 3, {"a DPC for a processor that does not exist", "the DPC",
      "the processor", "the number of processors"}},
    {TIMER_OR_DPC_INVALID, 4, {"a DPC routine changed the thread's APC-disable count",
      "the routine", "the count before", "the count after"}},
    {TIMER_OR_DPC_INVALID, 5, {"a timer's DPC routine changed the thread's APC-disable count",
      "the routine", "the count before", "the count after"}},

    {TIMER_OR_DPC_INVALID, 6, {"an EX_TIMER routine was called wrongly", "the timer",
      "1 attributes, 2 absolute time, 3 tolerance, 4 parameter block, 5 period, 6 Wait "
      "without Cancel", "the value"}},

    {DPC_WATCHDOG_VIOLATION, 0, {"a single DPC routine or ISR ran for too long",
      "the ticks it took", "the ticks it may take"}},
    {DPC_WATCHDOG_VIOLATION, 1, {"the processor stayed at or above DISPATCH_LEVEL for too long",
      "the ticks it may stay"}},

    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x00, {"an allocation of no bytes", IRQL_NOW,
      "the pool type", "the size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x01, {"a paged allocation above APC_LEVEL", IRQL_NOW,
      "the pool type", "the size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x02, {"a nonpaged allocation above DISPATCH_LEVEL",
      IRQL_NOW, "the pool type", "the size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x11, {"a free of paged memory above APC_LEVEL", IRQL_NOW,
      "the pool type", "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x12, {"a free of nonpaged memory above DISPATCH_LEVEL",
      IRQL_NOW, "the pool type", "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x13, {"the block is free already", NULL, NULL,
      "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x14, {"the block is free already", NULL, NULL,
      "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x15, {"an active timer lies in memory that is freed",
      "the timer", "the pool type", "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x16, {"a free of a bad address", NULL, "the address"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x30, {"a raise to a wrong IRQL", "the current IRQL",
      "the IRQL that was asked for"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31, {"a lowering to a wrong IRQL", "the current IRQL",
      "the IRQL that was asked for", "0 no such level below the current one, 1 inside a DPC"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32, {"KeReleaseSpinLock not at DISPATCH_LEVEL", IRQL_NOW,
      LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x33, {"a fast mutex acquired above APC_LEVEL", IRQL_NOW,
      "the mutex"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x34, {"a fast mutex released not at APC_LEVEL", IRQL_NOW,
      "the APC-disable count", "the mutex"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x35, {"a release of a lock not at DISPATCH_LEVEL",
      IRQL_NOW, LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x36, {"a release of a queued lock not at DISPATCH_LEVEL",
      IRQL_NOW, LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x39,
     {"an unsafe acquisition of a fast mutex with APCs on", IRQL_NOW, "the mutex"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3A,
     {"an unsafe release of a fast mutex with APCs on", IRQL_NOW, "the mutex"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3B, {"a wait at DISPATCH_LEVEL or above", IRQL_NOW,
      "the object", "the timeout"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40, {"a lock acquired at DPC level below DISPATCH_LEVEL",
      IRQL_NOW, LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x41,
     {"a lock released from DPC level below DISPATCH_LEVEL", IRQL_NOW, LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42, {"KeAcquireSpinLock above DISPATCH_LEVEL", IRQL_NOW,
      LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x51, {"memory behind the block was overwritten",
      "the block", "where", "the size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x60, {"a driver was unloaded with memory left",
      "the paged bytes", "the nonpaged bytes", "the number of blocks"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x62, {"a driver was unloaded with memory left",
      "the driver's name", NULL, "the number of blocks"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x80, {"KeSetEvent above DISPATCH_LEVEL", IRQL_NOW,
      "the event"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCA, {"a lookaside list was initialized twice",
      "the list"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCB,
     {"a lookaside list that is not initialized was deleted", "the list"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCC, {"a lookaside list lies in memory that is freed",
      "the list", "the memory's start", "its size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCD, {"a lookaside list with entries that are too small",
      "the list", "the size", "the least size"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x111, {"an ISR changed the IRQL", "the ISR",
      "the IRQL before", "the IRQL after"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1000, {"a thread waits for what it holds itself",
      "the mutex", "the thread"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1004, {"released by a thread that does not hold it",
      "the mutex", "who holds it", "who released it"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1005, {"a lock that is held was initialized again",
      LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, {"a lock that nobody holds was released", LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1008, {"a routine for another kind of lock", LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_DISPATCH,
     {"IrqlDispatch: exactly DISPATCH_LEVEL is required", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_ALLOCATE_POOL,
     {"IrqlExAllocatePool: too high an IRQL for the pool", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_APC_LTE,
     {"IrqlExApcLte: at most APC_LEVEL is allowed", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_IO_APC_LTE,
     {"IrqlIoApcLte: at most APC_LEVEL is allowed", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_IO_PASSIVE,
     {"IrqlIoPassive: PASSIVE_LEVEL is required", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_APC_LTE,
     {"IrqlKeApcLte: at most APC_LEVEL is allowed", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_DISPATCH_LTE,
     {"IrqlKeDispatchLte: at most DISPATCH_LEVEL is allowed", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_PASSIVE,
     {"PASSIVE_LEVEL is required", IRQL_NOW, "the object"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_IPI,
     {"KeIpiGenericCall at or above IPI_LEVEL", IRQL_NOW, "the routine"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, 0x2001D,
     {"IrqlReturn: a driver's routine came back at another IRQL", IRQL_NOW, "the routine"}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_RELEASE_SPIN_LOCK,
     {"IrqlKeReleaseSpinLock: exactly DISPATCH_LEVEL is required", IRQL_NOW, LOCK}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_DEVICE_QUEUE_BUSY,
     {"a request was removed from the queue of a device that is not busy", IRQL_NOW,
      "the device queue"}},

    {DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x04, {"a device object that is none", "the device"}},
    {DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x0A, {"IoInitializeTimer for a device that has a timer",
      "the device"}},
};
/* clang-format on */

/*
 * Finds what a kind of error means.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the entry, or NULL if the code has no kinds or the kind is unknown
 */
const KBUGCHECK_KIND *KiFindBugCheckKind(ULONG Code, ULONG_PTR Kind)
{
    for (ULONG i = 0; i < ARRAYSIZE(Kinds); i++)
        if (Kinds[i].Code == Code && (ULONG_PTR)(LONG)Kinds[i].Kind == Kind)
            return &Kinds[i];
    return NULL;
}
