/*
 * The hand-over of the console's port to drivers/serial: numbered lines from threads, from DPC
 * routines and from HIGH_LEVEL, before and after. tests/serial_host.py looks whether each arrives
 * once, and in order. Runs with the option `serialhost` only, since the port stays handed over.
 */
#define SUITE "serialhost.console"
#include "suite.h"
#include "io.h"
#include "kd/kdp.h"

#define LINES  200
#define THREAD 100 /* stands for the thread, in the place of a processor's number */

/* Every fourth line at a level at which nobody can wait for an interrupt. */
static VOID PrintLine(ULONG Who, ULONG Number)
{
    if (Number % 4 == 3)
        AT_IRQL(HIGH_LEVEL)
        {
            DbgPrint("line %u %u at high level\n", Who, Number);
        }
    else
        DbgPrint("line %u %u at IRQL %u, and some more text behind it\n", Who, Number,
                 KeGetCurrentIrql());
}

PARALLEL_ROUTINE(PrintLines)
{
    for (ULONG n = 0; n < LINES; n++)
        PrintLine(Processor, n);
}

TEST_ON(2, no_line_is_lost_or_doubled)
{
    if (!KiGetOption("serialhost")) {
        KtSkip("the port would stay handed over; tests/serial_host.py runs this");
        return;
    }
    CHECK_EQUAL(IopLoadDriver("serial"), STATUS_SUCCESS);
    KtStartOnOthers(PrintLines, NULL);
    for (ULONG n = 0; n < LINES; n++) {
        if (n == LINES / 2)
            CHECK_EQUAL(KdUseSerialDriver(), STATUS_SUCCESS);
        PrintLine(THREAD, n);
    }
    KtJoin();
    CHECK(KdpUsesPort());
    CHECK_EQUAL(IopUnloadDriver("serial"), STATUS_DEVICE_BUSY);
    for (ULONG n = 0; n < 4; n++) /* one after the other: by the driver, polled, by the driver */
        PrintLine(THREAD, LINES + n);
}
