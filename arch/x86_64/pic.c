/*
 * The 8259 pair that the I/O APIC replaces. It stays masked for ever; but a spurious interrupt
 * of a masked 8259 still comes, at its input 7, and must not look like an exception.
 */
#include "ioapic.h"

#define MASTER_COMMAND 0x20
#define MASTER_DATA    0x21
#define SLAVE_COMMAND  0xA0
#define SLAVE_DATA     0xA1

#define ICW1_INITIALIZE 0x11 /* cascaded, a fourth word follows */
#define ICW3_MASTER     0x04 /* the slave is at input 2 */
#define ICW3_SLAVE      0x02
#define ICW4_8086       0x01
#define ALL_MASKED      0xFF

#define FIRST_MASTER_VECTOR 0xF0 /* class 15, where nothing else but error and spurious lies */
#define FIRST_SLAVE_VECTOR  0xF8

/* A write to an unused port gives an old controller time between two words. */
static VOID Write(USHORT Port, UCHAR Value)
{
    ArchOut8(Port, Value);
    ArchOut8(0x80, 0);
}

/*
 * Moves the 8259 pair's vectors away from the exceptions' and masks all its lines.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor
 * Returns: nothing
 * Source:  Intel 8259A data sheet
 */
VOID PicSilence(VOID)
{
    Write(MASTER_DATA, ALL_MASKED);
    Write(SLAVE_DATA, ALL_MASKED);
    Write(MASTER_COMMAND, ICW1_INITIALIZE);
    Write(SLAVE_COMMAND, ICW1_INITIALIZE);
    Write(MASTER_DATA, FIRST_MASTER_VECTOR);
    Write(SLAVE_DATA, FIRST_SLAVE_VECTOR);
    Write(MASTER_DATA, ICW3_MASTER);
    Write(SLAVE_DATA, ICW3_SLAVE);
    Write(MASTER_DATA, ICW4_8086);
    Write(SLAVE_DATA, ICW4_8086);
    Write(MASTER_DATA, ALL_MASKED);
    Write(SLAVE_DATA, ALL_MASKED);
}
