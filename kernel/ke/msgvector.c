/*
 * Vectors for messages. The lines of the I/O APICs have their vectors by a fixed rule, and of each
 * device IRQL's sixteen they leave the upper ones free (arch/x86_64/ioapic.c). Those are given
 * out here, consecutive ones of one IRQL to one device:
 *
 *     IRQL 3   30 31 32 | 33 34 ..  3F       lines | messages
 *     IRQL 4   40 41 42 | 43 44 ..  4F
 *
 * A device with plain MSI writes the same bits for all its messages but for the lowest ones, so its
 * vectors begin at a multiple of their number.
 */
#include "intobj.h"

#define FIRST_IRQL      VECTOR_IRQL(FIRST_DEVICE_VECTOR)
#define DEVICE_IRQLS    (VECTOR_IRQL(LAST_DEVICE_VECTOR) - FIRST_IRQL + 1)
#define VECTORS_OF_IRQL 16u

/* One bit for each vector of an IRQL: it belongs to a device. MessageLock (DISPATCH_LEVEL). */
static USHORT Taken[DEVICE_IRQLS];
static KSPIN_LOCK MessageLock;

/*
 * Nobody's vector: no line leads to it, no device has it, nobody has connected to it by number.
 * The chain may change while it is looked at; who connects to a number that the kernel has not
 * given to him takes that risk.
 */
static BOOLEAN IsFree(ULONG Row, ULONG Bit)
{
    UCHAR vector = (UCHAR)((Row + FIRST_IRQL) * VECTORS_OF_IRQL + Bit);
    ARCH_LINE line;

    return !(Taken[Row] & 1u << Bit) && KiVector(vector)->Chain == NULL &&
           !NT_SUCCESS(ArchLineOfVector(vector, &line));
}

/* The lowest bit from which on Count vectors of the row are free; VECTORS_OF_IRQL: none. */
static ULONG FindRun(ULONG Row, ULONG Count, ULONG Alignment)
{
    for (ULONG first = 0; first + Count <= VECTORS_OF_IRQL; first += Alignment) {
        ULONG n = 0;

        while (n < Count && IsFree(Row, first + n))
            n++;
        if (n == Count)
            return first;
    }
    return VECTORS_OF_IRQL;
}

static ULONG CountTaken(ULONG Row)
{
    ULONG count = 0;

    for (ULONG bits = Taken[Row]; bits; bits &= bits - 1)
        count++;
    return count;
}

/* The IRQL with the fewest messages that has room: devices should not all share one. */
static BOOLEAN FindRoom(ULONG Count, ULONG Alignment, PULONG Row, PULONG First)
{
    BOOLEAN found = FALSE;

    for (ULONG row = 0; row < DEVICE_IRQLS; row++) {
        ULONG first = FindRun(row, Count, Alignment);

        if (first == VECTORS_OF_IRQL || (found && CountTaken(row) >= CountTaken(*Row)))
            continue;
        *Row = row;
        *First = first;
        found = TRUE;
    }
    return found;
}

/*
 * Gives Count consecutive vectors of one IRQL to a device. Aligned: beginning at a multiple of
 * Count, which is a power of two.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes MessageLock
 * Context: a device is started
 * Returns: the first one; 0 if there is no room
 */
UCHAR KiAllocateMessageVectors(ULONG Count, BOOLEAN Aligned)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Count);

    ULONG row = 0, first = 0;
    UCHAR vector = 0;
    KIRQL oldIrql;

    if (Count == 0 || Count > VECTORS_OF_IRQL)
        return 0;
    KeAcquireSpinLock(&MessageLock, &oldIrql);
    if (FindRoom(Count, Aligned ? Count : 1, &row, &first)) {
        Taken[row] |= (USHORT)(((1u << Count) - 1) << first);
        vector = (UCHAR)((row + FIRST_IRQL) * VECTORS_OF_IRQL + first);
    }
    KeReleaseSpinLock(&MessageLock, oldIrql);
    return vector;
}

/*
 * Takes vectors back. Nobody is connected to them, and the device sends no messages any more.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes MessageLock
 * Context: a device is stopped
 * Returns: nothing
 */
VOID KiFreeMessageVectors(UCHAR First, ULONG Count)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", First);

    KIRQL oldIrql;

    KeAcquireSpinLock(&MessageLock, &oldIrql);
    Taken[VECTOR_IRQL(First) - FIRST_IRQL] &=
        (USHORT) ~(((1u << Count) - 1) << (First % VECTORS_OF_IRQL));
    KeReleaseSpinLock(&MessageLock, oldIrql);
}
