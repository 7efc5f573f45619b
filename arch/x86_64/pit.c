/*
 * The 8254 timer of the PC: channel 0 is silenced, channel 2 (the loudspeaker's) is the last
 * resort for measuring the processor's counter. In mode 0 a channel counts down once from the
 * loaded value and then on through 0xFFFF: a 16-bit counter that wraps after 55 ms.
 */
#include "counter.h"
#include "platform.h"

#define PIT_FREQUENCY 1193182u

#define CHANNEL_0 0x40
#define CHANNEL_2 0x42
#define COMMAND   0x43
#define GATE      0x61

#define LOAD_CHANNEL_0  0x30 /* low byte then high byte, mode 0 */
#define LOAD_CHANNEL_2  0xB0
#define LATCH_CHANNEL_2 0x80 /* freezes a copy of the count for the next two reads */

#define GATE_CHANNEL_2   0x01
#define GATE_LOUDSPEAKER 0x02

static ULONG ReadPit(VOID)
{
    ULONG low;

    ArchOut8(COMMAND, LATCH_CHANNEL_2);
    low = ArchIn8(CHANNEL_2);
    return 0xFFFFu - ((ULONG)ArchIn8(CHANNEL_2) << 8 | low);
}

/*
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: the start
 * Returns: FALSE if the option hide= hides it; whether it counts, the user finds out
 * Source:  Intel 8254 data sheet
 */
BOOLEAN PitReference(REFERENCE *Reference)
{
    if (MachineOptionLists("hide", "pit"))
        return FALSE;
    ArchOut8(GATE, (UCHAR)((ArchIn8(GATE) & ~GATE_LOUDSPEAKER) | GATE_CHANNEL_2));
    ArchOut8(COMMAND, LOAD_CHANNEL_2);
    ArchOut8(CHANNEL_2, 0xFF);
    ArchOut8(CHANNEL_2, 0xFF);
    *Reference = (REFERENCE){"PIT", PIT_FREQUENCY, 0xFFFF, ReadPit};
    return TRUE;
}

/*
 * Stops channel 0: in mode 0 a count that is not loaded is not counted.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor
 * Returns: nothing
 * Source:  Intel 8254 data sheet
 */
VOID PitSilence(VOID)
{
    if (!MachineOptionLists("hide", "pit"))
        ArchOut8(COMMAND, LOAD_CHANNEL_0);
}
